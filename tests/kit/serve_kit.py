"""A real server as a process of its own, on a free port, with bounded waits."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from server.inference.values import Task
from tests.kit.bundle_kit import write_bundle

START_SECONDS = 60.0
STOP_SECONDS = 30.0
ROOT = Path(__file__).parents[2]


def bundles_of_all_tasks(folder: Path) -> Path:
    """A folder with one tiny bundle a task, named after it."""
    for task in Task:
        write_bundle(folder / str(task), task)
    return folder


class Server:
    """A running server."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self.process = process
        self.log = log
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def lines(self) -> list[dict]:
        """The log's lines so far."""
        return [json.loads(line) for line in self.log.read_text("utf-8").splitlines() if line.startswith("{")]

    def wait_until_ready(self) -> None:
        end = time.monotonic() + START_SECONDS
        while time.monotonic() < end:
            if self.process.poll() is not None:
                raise AssertionError(f"ended with {self.process.returncode}: {self.log.read_text()[-2000:]}")
            if self._ready():
                return
            time.sleep(0.02)
        raise AssertionError(f"not ready in time: {self.log.read_text()[-2000:]}")

    def _ready(self) -> bool:
        serving = [line for line in self.lines() if line["event"] == "serving"]
        if not serving:
            return False
        self.port = serving[0]["port"]
        try:
            return self.ask("GET", "/health/ready")[0] == 200
        except OSError:
            return False

    def ask(self, method: str, path: str, body: object = None) -> tuple[int, str]:
        """Status and body, over a connection of its own."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request(method, path, None if body is None else json.dumps(body).encode())
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()

    def counts(self) -> dict[tuple[str, ...], float]:
        """Every sample of /metrics, by its name and its labels' values in order of the labels' names."""
        families = text_string_to_metric_families(self.ask("GET", "/metrics")[1])
        samples = [sample for family in families for sample in family.samples]
        return {(s.name, *(value for _, value in sorted(s.labels.items()))): s.value for s in samples}

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Send a signal and give the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.process.wait(STOP_SECONDS)

    def send_raw(self, data: bytes, *, seconds: float = 10.0, shut: bool = False) -> bytes:
        """Everything that comes back for these bytes, until the other side closes or falls silent."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=seconds) as sock:
            sock.sendall(data)
            if shut:
                sock.shutdown(socket.SHUT_WR)
            return b"".join(_received(sock))


def _received(sock: socket.socket) -> Iterator[bytes]:
    try:
        while chunk := sock.recv(65536):
            yield chunk
            sock.settimeout(0.3)
    except TimeoutError:
        return


def command(*words: str) -> list[str]:
    return [sys.executable, "-m", "server.cli", *words]


def environment(**more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("QINGMO_")}
    return {**kept, "PYTHONPATH": str(ROOT), **more}


@contextmanager
def served(bundles: Path, log: Path, *flags: str, **variables: str) -> Iterator[Server]:
    """A server that is ready; ended when the block is left."""
    with log.open("wb") as out:
        process = subprocess.Popen(
            command("--bundles", str(bundles), "--port", "0", *flags),
            stdout=out,
            stderr=subprocess.STDOUT,
            env=environment(**variables),
        )
    server = Server(process, log)
    try:
        server.wait_until_ready()
        yield server
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(STOP_SECONDS)
