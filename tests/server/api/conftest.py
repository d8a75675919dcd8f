"""One real server for all tests of the API that do not stop or change it."""

from __future__ import annotations

import httpx
import pytest

from tests.kit.serve_kit import bundles_of_all_tasks, served


@pytest.fixture(scope="session")
def tiny_bundles(tmp_path_factory):
    return bundles_of_all_tasks(tmp_path_factory.mktemp("bundles"))


@pytest.fixture(scope="session")
def server(tiny_bundles, tmp_path_factory):
    with served(tiny_bundles, tmp_path_factory.mktemp("log") / "server.log", "--threads", "1") as running:
        yield running


@pytest.fixture(scope="session")
def client(server):
    with httpx.Client(base_url=server.url, timeout=20) as asking:
        yield asking
