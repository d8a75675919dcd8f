"""Child processes on chosen cores that cannot outlive this one; knows nothing of servers or load."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from loadtest.usage import family

ROOT = Path(__file__).resolve().parent.parent
TAIL_LINES = 5
OF_A_REQUEST = '"event":"request"'
GONE_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Cores:
    """Which cores the server and the load run on; `apart` where they share none."""

    server: tuple[int, ...]
    load: tuple[int, ...]

    @property
    def apart(self) -> bool:
        """No core in common: the load does not take time from the server."""
        return not set(self.server) & set(self.load)


def share_cores(threads: int) -> Cores:
    """The first `threads` cores for the server and the others for the load; all for both where too few."""
    usable = tuple(sorted(_affinity()))
    if len(usable) <= threads:
        return Cores(usable[:threads], usable)
    return Cores(usable[:threads], usable[threads:])


def _affinity() -> set[int]:
    if hasattr(os, "sched_getaffinity"):
        return set(os.sched_getaffinity(0))
    return set(range(os.cpu_count() or 1))


@contextlib.contextmanager
def _on_cores(cores: Sequence[int]) -> Iterator[None]:
    """A child started inside inherits the cores from its first instruction on, before it counts them."""
    if not hasattr(os, "sched_setaffinity") or not cores:
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def spawn(
    command: Sequence[str], cores: Sequence[int], log: Path, env: Mapping[str, str] | None = None
) -> subprocess.Popen[bytes]:
    """Starts a command on some cores, its output going to `log`.

    It has a session of its own, so that Ctrl-C reaches this process alone, which then ends its children in
    order; and the kernel ends it should this process be killed (util-linux' setpriv, where it is there).
    """
    guard = shutil.which("setpriv")
    guarded = [guard, "--pdeathsig", "KILL", "--", *command] if guard else list(command)
    path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    with log.open("ab") as output, _on_cores(cores):
        return subprocess.Popen(
            guarded,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env={**os.environ, "PYTHONPATH": path, **(env or {})},
        )


def stop(child: subprocess.Popen[bytes], seconds: float) -> None:
    """Asks a child to end and, `seconds` later, kills it and all it had started; none is left after."""
    members = family(child.pid)
    if child.poll() is None:
        child.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(seconds)
    for pid in members:
        if family(pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
    child.wait(GONE_SECONDS)
    end = time.monotonic() + GONE_SECONDS
    while any(map(family, members)) and time.monotonic() < end:
        time.sleep(0.01)


def last_words(log: Path) -> str:
    """The last lines a child wrote, in one line; what a server logs of each request tells no cause."""
    try:
        lines = log.read_text("utf-8", errors="replace").strip().splitlines()
    except OSError:
        return ""
    told = [line.strip() for line in lines if OF_A_REQUEST not in line]
    return " / ".join(told[-TAIL_LINES:])


def how_it_ended(child: subprocess.Popen[bytes]) -> str:
    """In words: exit code or signal."""
    code = child.poll()
    if code is None:
        return "is still running"
    return f"was ended by signal {-code}" if code < 0 else f"ended with exit code {code}"


def wait_for(child: subprocess.Popen[bytes], seconds: float, beside: subprocess.Popen[bytes] | None) -> bool:
    """Waits until `child` ends; False if `seconds` passed, or if the process beside it ended first."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            child.wait(0.1)
            return True
        except subprocess.TimeoutExpired:
            if beside is not None and beside.poll() is not None:
                return False
    return False
