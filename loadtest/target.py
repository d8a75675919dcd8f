"""A real server as a process: started on its own cores, watched, and stopped; knows nothing of the load."""

from __future__ import annotations

import contextlib
import http.client
import shlex
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from loadtest import process, usage
from loadtest.errors import StartFailed, TargetDied

SERVE = f"{shlex.quote(sys.executable)} -m server.cli"
STOP_SECONDS = 15.0
PATIENCE = "60"


@dataclass(frozen=True, slots=True)
class Serving:
    """How a server is started: `command` takes qingmo-serve's flags.

    `bundles` is the folder that holds the bundles, `model` the one that is served; a `patient` server refuses
    nothing for the length of its line, so that slow sides can be saturated as well. `max_run_ms` is the
    longest run of the network, 0 for the server's own choice. `title` is what messages call it.
    """

    command: str
    bundles: Path
    model: str
    threads: int
    cores: tuple[int, ...]
    ready_seconds: float = 180.0
    patient: bool = False
    max_run_ms: float = 0.0
    ready_path: str = "/health/ready"
    title: str = ""

    def __str__(self) -> str:
        return self.title or f"The server of {self.model}"

    @property
    def environment(self) -> Mapping[str, str]:
        """Settings beside the flags."""
        patience = ("QINGMO_TIMEOUT_SECONDS", "QINGMO_MAX_LINE_SECONDS") if self.patient else ()
        longest = {"QINGMO_MAX_RUN_MS": str(self.max_run_ms)} if self.max_run_ms else {}
        return dict.fromkeys(patience, PATIENCE) | longest

    def arguments(self, port: int) -> list[str]:
        """The whole command line."""
        flags = ["--host", "127.0.0.1", "--port", str(port), "--bundles", str(self.bundles)]
        flags += ["--models", self.model, "--threads", str(self.threads), "--processes", "1"]
        return [*shlex.split(self.command), *flags]


def free_port() -> int:
    """A port that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def require_free(port: int) -> None:
    """Refuses a port somebody listens on: the answers would be theirs.

    Raises:
        StartFailed: The port is taken.
    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise StartFailed(f"Port {port} is taken by another program.") from error


class Target:
    """A running server; a context manager that leaves no process behind."""

    def __init__(self, serving: Serving, log: Path, port: int | None = None) -> None:
        self.serving = serving
        self.log = log
        self.port = port or free_port()
        self.start_seconds = 0.0
        self._child: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def child(self) -> subprocess.Popen[bytes]:
        """The server's process."""
        assert self._child is not None, "not started"
        return self._child

    @property
    def pids(self) -> tuple[int, ...]:
        """The server's process and its children."""
        return usage.family(self.child.pid)

    def __enter__(self) -> Target:
        require_free(self.port)
        started = time.perf_counter()
        serving = self.serving
        self._child = process.spawn(
            serving.arguments(self.port), serving.cores, self.log, serving.environment
        )
        try:
            self._wait_ready(started + self.serving.ready_seconds)
        except BaseException:
            process.stop(self._child, STOP_SECONDS)
            raise
        self.start_seconds = time.perf_counter() - started
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        process.stop(self.child, STOP_SECONDS)

    def _wait_ready(self, end: float) -> None:
        while time.perf_counter() < end:
            if self.child.poll() is not None:
                raise StartFailed(f"{self._fate()} before it was ready: {self._words()}")
            if get(self.port, self.serving.ready_path)[0] == 200:
                return
            time.sleep(0.02)
        raise StartFailed(
            f"{self.serving} was not ready after {self.serving.ready_seconds:.0f} s: {self._words()}"
        )

    def _words(self) -> str:
        return process.last_words(self.log) or "it said nothing"

    def _fate(self) -> str:
        return f"{self.serving} {process.how_it_ended(self.child)}"

    def require_alive(self) -> None:
        """Nothing where the server still runs.

        Raises:
            TargetDied: It ended.
        """
        if self.child.poll() is not None:
            raise TargetDied(f"{self._fate()} while it was measured: {self._words()}")

    def idle_share(self, seconds: float) -> float:
        """Share of a core that the server uses while nobody asks."""
        with usage.Stretch(self.pids) as stretch:
            time.sleep(seconds)
        return (stretch.watched_cpu_seconds or 0.0) / stretch.seconds


def get(port: int, path: str) -> tuple[int, bytes]:
    """Status and body of one GET; status 0 where nobody answers."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    with contextlib.closing(connection), contextlib.suppress(OSError, http.client.HTTPException):
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read()
    return 0, b""
