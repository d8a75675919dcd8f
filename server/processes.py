"""Several processes behind one port: a parent that starts them, replaces the dead and stops all."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import FrameType

import structlog

from server import logs
from server.tally import READY, Tally

LOOK_SECONDS = 0.1
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.5, 30.0
STEADY_SECONDS = 60.0
"""A process that lived so long has earned a short pause again."""

Serve = Callable[[int, Callable[[], bool]], int]


@dataclass(slots=True)
class Child:
    """One row's process, or the wait for the next one."""

    pid: int = 0
    since: float = 0.0
    due: float = 0.0
    pause: float = FIRST_PAUSE_SECONDS


class Supervisor:
    """Keeps one process for each row of the tally.

    Args:
        tally: Shared with all of them.
        serve: Run in each, with its row and with a word on whether the parent has gone; gives the exit code.
        bury: Called with the row of a process that died.
        stop_seconds: How long they may take to stop before they are killed.
    """

    def __init__(self, tally: Tally, serve: Serve, bury: Callable[[int], None], stop_seconds: float) -> None:
        self._tally, self._serve, self._bury, self._stop_seconds = tally, serve, bury, stop_seconds
        self._children = [Child() for _ in range(tally.rows)]
        self._signals: list[int] = []
        self._log = structlog.get_logger()

    def run(self) -> int:
        """Serve until told to stop. The first process starts alone: what it cannot serve, none can.

        Returns:
            0 when all stopped well, else the first one's code, 1, or 128 and the number of a second signal.
        """
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._note)
        self._start(0)
        failed = self._wait_for_the_first()
        if failed is not None:
            return failed
        while not self._signals:
            self._reap()
            for row, child in enumerate(self._children):
                if not child.pid and time.monotonic() >= child.due:
                    self._start(row)
            time.sleep(LOOK_SECONDS)
        return self._stop()

    def _note(self, number: int, _: FrameType | None) -> None:
        self._signals.append(number)

    def _start(self, row: int) -> None:
        parent = os.getpid()
        sys.stdout.flush()
        sys.stderr.flush()
        pid = os.fork()
        if pid == 0:
            self._be_child(row, parent)
        self._children[row].pid, self._children[row].since = pid, time.monotonic()

    def _be_child(self, row: int, parent: int) -> None:
        """Serve and exit; in a session of its own, so that Ctrl-C reaches the parent alone."""
        code = 1
        try:
            os.setsid()
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, signal.SIG_DFL)
            code = self._serve(row, lambda: os.getppid() != parent)
        except Exception:
            self._log.exception("process failed", process=row)
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            logs.flush()
            os._exit(code)

    def _wait_for_the_first(self) -> int | None:
        """None once the first process is ready or the server is to stop; its exit code if it cannot begin."""
        while not self._signals and not self._tally.row(0)[READY]:
            pid, status = os.waitpid(self._children[0].pid, os.WNOHANG)
            if pid:
                return os.waitstatus_to_exitcode(status) or 1
            time.sleep(LOOK_SECONDS / 5)
        return None

    def _reap(self) -> list[int]:
        """Bury the dead and say when each is to be replaced; their exit codes."""
        codes = []
        for row, child in enumerate(self._children):
            if not child.pid:
                continue
            pid, status = os.waitpid(child.pid, os.WNOHANG)
            if not pid:
                continue
            self._bury(row)
            codes.append(os.waitstatus_to_exitcode(status))
            now = time.monotonic()
            steady = now - child.since > STEADY_SECONDS
            child.pause = FIRST_PAUSE_SECONDS if steady else min(child.pause * 2, LONGEST_PAUSE_SECONDS)
            child.pid, child.due = 0, now + child.pause
            say = self._log.warning if codes[-1] else self._log.info
            say("process ended", process=row, pid=pid, code=codes[-1])
        return codes

    def _stop(self) -> int:
        """Readiness goes off in all processes at once; then each drains.

        One that was still starting dies of the signal, as it should.
        """
        self._tally.stop()
        self._tell_all(signal.SIGTERM)
        end = time.monotonic() + self._stop_seconds
        codes: list[int] = []
        while any(child.pid for child in self._children):
            codes += self._reap()
            if len(self._signals) > 1 or time.monotonic() > end:
                self._tell_all(signal.SIGKILL)
                return 128 + self._signals[-1]
            time.sleep(LOOK_SECONDS / 2)
        return 0 if set(codes) <= {0, -signal.SIGTERM} else 1

    def _tell_all(self, number: int) -> None:
        for child in self._children:
            if child.pid:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(child.pid, number)
