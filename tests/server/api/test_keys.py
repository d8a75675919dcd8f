"""API keys: asked for below /v1 alone, from the environment and from a file."""

from __future__ import annotations

import httpx
import pytest

from server.api.keys import Keys
from server.errors import Unauthorized
from server.settings import Settings, SettingsProblem
from tests.kit.serve_kit import served

ASKED = {"text": "a"}


@pytest.fixture(scope="module")
def locked(tiny_bundles, tmp_path_factory):
    folder = tmp_path_factory.mktemp("keys")
    (folder / "keys").write_text("\ufefffrom-windows\n# ours\nfrom-file\n\nwith-comment # theirs\n")
    flags = ("--api-keys-file", str(folder / "keys"))
    with served(tiny_bundles, folder / "log", *flags, QINGMO_API_KEYS="first, 第二") as server:
        with httpx.Client(base_url=server.url, timeout=20) as client:
            yield client
        assert "from-file" not in server.log.read_text()


@pytest.mark.parametrize("key", ["first", "第二", "from-windows", "from-file", "with-comment"])
def test_any_known_key_opens(locked, key):
    for headers in ({"Authorization": b"Bearer " + key.encode()}, {"X-Api-Key": key.encode()}):
        assert locked.post("/v1/classify", json=ASKED, headers=headers).status_code == 200
        assert locked.get("/v1/models", headers=headers).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Bearer"},
        {"Authorization": "Bearer First"},
        {"Authorization": "Basic first"},
        {"X-Api-Key": "firs"},
        {"X-Api-Key": "first, 第二".encode()},
        {"X-Api-Key": b"\xff"},
    ],
)
@pytest.mark.parametrize("path", ["/v1/classify", "/v1/models", "/v1/nothing"])
def test_no_other_key_does(locked, path, headers):
    answer = locked.request("GET" if path == "/v1/models" else "POST", path, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (401, "unauthorized")
    assert answer.headers["www-authenticate"] == "Bearer"
    assert "first" not in answer.text


def test_health_metrics_and_the_page_are_open(locked):
    for path in ("/health/live", "/health/ready", "/metrics", "/", "/docs", "/openapi.json"):
        assert locked.get(path).status_code == 200


def test_a_file_that_holds_no_key_is_a_mistake(tmp_path):
    (tmp_path / "empty").write_text("# nothing\n")
    for path in (tmp_path / "empty", tmp_path / "missing", tmp_path):
        with pytest.raises(SettingsProblem):
            Keys.of(Settings(api_keys_file=path))


def test_without_keys_everything_is_open():
    Keys.of(Settings()).check({})
    with pytest.raises(Unauthorized):
        Keys.of(Settings(api_keys="k")).check({})
