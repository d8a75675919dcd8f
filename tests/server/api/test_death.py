"""Ends that nobody asked for: a log that is not read, an engine that dies."""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.kit.serve_kit import Server, command, environment


@pytest.mark.parametrize("processes", ["1", "2"])
def test_a_log_reader_that_stands_still_does_not_stop_the_end(tiny_bundles, processes):
    reading, writing = os.pipe()
    fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, 4096)
    words = ("--bundles", str(tiny_bundles), "--port", "0", "--processes", processes, "--threads", "1")
    with open(reading, "rb") as log:
        process = subprocess.Popen(command(*words), stdout=writing, env=environment())
        os.close(writing)
        try:
            port = next(line["port"] for line in map(json.loads, log) if line["event"] == "serving")
            server = Server(process, Path(os.devnull))
            server.port = port
            for _ in range(200):  # far more than the pipe takes
                server.send_raw(b"GET /nothing HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
                server.send_raw(b"no http\r\n\r\n")
            assert server.ask("GET", "/health/live")[0] == 200
            assert server.stop() == 0
        finally:
            process.kill()
            process.wait(10)


def test_a_dead_inference_thread_ends_the_process(tiny_bundles, tmp_path):
    code = (
        "import sys\n"
        "from server import startup\n"
        "from server.settings import Settings\n"
        "from server.telemetry import Telemetry\n"
        "class Broken(Telemetry):\n"
        "    def ran(self, model, **numbers): raise RuntimeError('broken')\n"
        "startup.Telemetry = Broken\n"
        f"sys.exit(startup.serve(Settings(bundles={str(tiny_bundles)!r}, port=0, threads=1)))\n"
    )
    with (tmp_path / "log").open("wb") as out:
        process = subprocess.Popen([sys.executable, "-c", code], stdout=out, env=environment())
    server = Server(process, tmp_path / "log")
    try:
        server.wait_until_ready()
        assert server.ask("POST", "/v1/classify", {"text": "a"})[0] == 503
        assert process.wait(10) == 1
        assert [line for line in server.lines() if line["event"] == "the engine died"]
    finally:
        process.kill()
        process.wait(10)
