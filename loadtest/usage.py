"""CPU time and memory of processes, by their ids; knows nothing of what they do."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from types import TracebackType
from typing import Any

import psutil


def family(pid: int) -> tuple[int, ...]:
    """The process and all its descendants that still run; empty when there are none."""
    try:
        parent = psutil.Process(pid)
        members = (parent, *parent.children(recursive=True))
        return tuple(one.pid for one in members if one.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return ()


def cpu_seconds(pids: Sequence[int]) -> float:
    """User and system time so far, summed; a process that is gone counts nothing. Steps of 10 ms on Linux."""
    total = 0.0
    for pid in pids:
        try:
            times = psutil.Process(pid).cpu_times()
            total += times.user + times.system
        except psutil.NoSuchProcess:
            continue
    return total


def resident_mb(pids: Sequence[int]) -> float:
    """Resident memory in MB (10^6 bytes), summed over processes."""
    return sum(memory.rss for memory in _memories(pids)) / 1e6


def allocated_mb(pids: Sequence[int]) -> float:
    """Resident memory less that of mapped files (where the system tells it apart), in MB, summed.

    What processes allocate shows here; pages of libraries and graphs come and go as the kernel likes.
    """
    return sum(memory.rss - getattr(memory, "shared", 0) for memory in _memories(pids)) / 1e6


def _memories(pids: Sequence[int]) -> Iterator[Any]:
    for pid in pids:
        with suppress(psutil.NoSuchProcess):
            yield psutil.Process(pid).memory_info()


class Stretch:
    """Wall and CPU time from entering to leaving, of this process and of the watched ones, in seconds."""

    def __init__(self, watched: Sequence[int]) -> None:
        self._watched = tuple(watched)
        self.seconds = 0.0
        self.own_cpu_seconds = 0.0
        self.watched_cpu_seconds: float | None = None

    def __enter__(self) -> Stretch:
        self._started = time.perf_counter()
        self._own = time.process_time()
        self._before = cpu_seconds(self._watched)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.seconds = time.perf_counter() - self._started
        self.own_cpu_seconds = time.process_time() - self._own
        if self._watched:
            self.watched_cpu_seconds = cpu_seconds(self._watched) - self._before
