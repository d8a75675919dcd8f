"""The README's curl examples, asked of the bundles that ship: do the shown answers come?"""

import contextlib
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
START_SECONDS = 60

pytestmark = [
    pytest.mark.skipif(not (ROOT / "models/zoo/topic/bundle.json").exists(), reason="no bundle ships yet"),
    pytest.mark.skipif(not (shutil.which("curl") and shutil.which("bash")), reason="no curl or no bash here"),
]


@pytest.fixture
def url():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [
        sys.executable,
        "-c",
        "from server.cli import main; main()",
        "--port",
        str(port),
        "--log-level",
        "error",
    ]
    with subprocess.Popen(command, cwd=ROOT) as server:
        try:
            wait_until_ready(f"http://127.0.0.1:{port}", server)
            yield f"http://127.0.0.1:{port}"
        finally:
            server.terminate()
            server.wait(30)


def wait_until_ready(url, server):
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end and server.poll() is None:
        with contextlib.suppress(OSError), urllib.request.urlopen(f"{url}/health/ready", timeout=2):
            return
        time.sleep(0.05)
    pytest.fail("the server did not become ready")


def test_the_answers_shown_are_the_answers_that_come(url):
    command = [sys.executable, "-m", "docs.generate.examples", url]
    done = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
