import json
import socket
import subprocess
import sys

import pytest

from loadtest.process import ROOT
from tests.kit.serve_kit import bundles_of_all_tasks, served


def ask(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "loadtest.cli", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_run_prints_figures_and_writes_them(small, tmp_path):
    out = tmp_path / "load.json"
    with small("--delay-ms", "1") as target:
        done = ask(
            "run", "--url", target.url, "--rate", "50", "--seconds", "0.5", "--warmup", "0", "--out", str(out)
        )
    assert done.returncode == 0, done.stderr
    for figure in ("answers a second", "p50", "p95", "p99", "max", "errors"):
        assert figure in done.stdout
    assert json.loads(out.read_text())["answered"] > 5


@pytest.mark.parametrize("more", [("--rate", "50"), ("--connections", "1")])
def test_errors_fail_the_run(small, more):
    with small("--fail-every", "3") as target:
        done = ask("run", "--url", target.url, "--seconds", "0.5", "--warmup", "0", *more)
    assert done.returncode == 1
    assert "requests failed." in done.stderr
    assert "x 500" in done.stdout


@pytest.mark.parametrize("more", [["--rate", "20"], ["--connections", "1"], ["--connections", "2"]])
def test_a_server_that_wants_a_key_is_given_it(tmp_path, more):
    bundles = bundles_of_all_tasks(tmp_path / "bundles")
    with served(bundles, tmp_path / "log", QINGMO_API_KEYS="secret") as server:
        words = ["run", "--url", server.url, "--seconds", "0.5", "--warmup", "0", *more]
        opened, refused = ask(*words, "--key", "secret"), ask(*words)
    assert opened.returncode == 0, opened.stderr
    assert refused.returncode == 1
    assert "x 401" in refused.stdout


def test_an_address_with_a_path_is_refused():
    done = ask("run", "--url", "http://127.0.0.1:9/v1", "--rate", "5", "--seconds", "0.5")
    assert done.returncode == 1
    assert "must look like http://host:port" in done.stderr


def test_without_its_tools_it_says_what_brings_them():
    code = "import sys; sys.modules['jinja2'] = None; from loadtest.entry import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 1
    assert done.stderr == 'The package jinja2 is not installed; "pip install qingmo[loadtest]" brings it.\n'


def test_nobody_there_is_one_sentence():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    done = ask("run", "--url", f"http://127.0.0.1:{port}", "--seconds", "0.5", "--connections", "1")
    assert done.returncode == 1
    assert "ConnectionRefusedError" in done.stdout
    assert len(done.stderr.strip().splitlines()) == 1


def test_a_full_temporary_folder_is_one_sentence():
    small = 'ulimit -f 1; exec "$@"'  # files end at a kilobyte, and the requests are more
    asked = [sys.executable, "-m", "loadtest.cli", "run", "--url", "http://127.0.0.1:9", "--seconds", "0.5"]
    done = subprocess.run(
        ["sh", "-c", small, "sh", *asked], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 1
    assert done.stderr == "A file of the measurement cannot be written: File too large.\n"


def test_soak_judges_and_says_so(bundle, command):
    folder = bundle("narrow")
    fine = ask(
        "soak",
        "--bundle",
        str(folder),
        "--serve",
        command("--delay-ms", "1"),
        "--requests",
        "200",
        "--hostile",
        "0",
    )
    assert fine.returncode == 0, fine.stderr
    assert "Every request had one fate" in fine.stdout
    faulty = ask(
        "soak", "--bundle", str(folder), "--serve", command("--fail-every", "20"), "--requests", "200"
    )
    assert faulty.returncode == 1
    assert "500" in faulty.stderr


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("soak", "--bundle", "/nowhere"), "is not a bundle and holds none"),
        (("report", "/nowhere"), "is not a result that can be read"),
        (("run", "--data", "/nowhere"), "cannot be read"),
    ],
)
def test_what_is_not_there_is_one_sentence(arguments, sentence):
    done = ask(*arguments)
    assert done.returncode == 1
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr
