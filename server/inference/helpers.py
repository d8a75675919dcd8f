"""Threads that read and decode long texts, so that an event loop never stands still; knows no model."""

from __future__ import annotations

import asyncio
import concurrent.futures
import time
from collections.abc import Callable
from functools import partial
from typing import TypeVar

from server.errors import Overloaded
from server.inference.admission import SOONEST_RETRY_SECONDS

T = TypeVar("T")

_INLINE_CHARS = 2_000
"""More characters than these in a request are worked on beside the event loop, not in it."""


class Helpers:
    """A pool for long work and the loop's own thread for short work; used from one event loop.

    Args:
        threads: Of the pool.
        max_chars: That may be in work at a time, one request aside.
    """

    def __init__(self, threads: int, max_chars: int) -> None:
        self._pool = concurrent.futures.ThreadPoolExecutor(threads, thread_name_prefix="text")
        self._threads, self._max_chars = threads, max_chars
        self._chars = 0
        self._seconds_a_char = 0.0
        self._closed = False

    def refuse(self, chars: int, seconds_left: float) -> None:
        """Raise Overloaded where `chars` more would be too many, or those before them take too long."""
        if not self._chars or chars <= _INLINE_CHARS:
            return
        ahead = self._chars * self._seconds_a_char / self._threads
        if self._chars + chars > self._max_chars or ahead > seconds_left:
            raise Overloaded(
                f"Long texts of {self._chars} characters are being read already.",
                retry_after_seconds=max(SOONEST_RETRY_SECONDS, ahead),
            )

    async def work(self, chars: int, work: Callable[[], T]) -> tuple[T, float]:
        """Do the work on `chars` characters; its result and its seconds.

        Cancelled, it goes on in its thread: nothing can end it there.
        """
        if chars <= _INLINE_CHARS or self._closed:
            return _timed(work)
        self._chars += chars
        running = asyncio.get_running_loop().run_in_executor(self._pool, _timed, work)
        running.add_done_callback(partial(self._done, chars))
        return await asyncio.shield(running)

    def _done(self, chars: int, running: asyncio.Future[tuple[T, float]]) -> None:
        self._chars -= chars
        if not running.cancelled() and running.exception() is None:
            self._seconds_a_char = running.result()[1] / chars

    def close(self) -> None:
        """End the threads once they have done what was given to them."""
        self._closed = True
        self._pool.shutdown(wait=False)


def _timed(work: Callable[[], T]) -> tuple[T, float]:
    began = time.perf_counter()
    return work(), time.perf_counter() - began
