"""One request in the waiting line and the way its answer goes back, to an event loop or to a thread.

The reply channel is reached from every ticket, so no table can lose it.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from server.errors import ServeError
from server.inference.batching import Ticket
from server.inference.values import Example

Logits = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Done:
    """The logits of all examples of a job in order; in seconds the longest wait and its share of the runs."""

    logits: tuple[Logits, ...]
    queue: float
    infer: float


Reply = asyncio.Future[Done] | concurrent.futures.Future[Done]


class Job:
    """The tickets of one request: taken whole or refused whole, answered once.

    Once `admitted` to the line its fields change under the line's lock only; `over` says that its fate is
    sealed, `seconds` what its tickets cost on one thread.
    """

    __slots__ = (
        "_infer",
        "_missing",
        "_queue",
        "_rows",
        "admitted",
        "error",
        "over",
        "reply",
        "seconds",
        "tickets",
    )

    def __init__(self, reply: Reply) -> None:
        self.reply = reply
        self.tickets: list[Waiting] = []
        self.error: ServeError | None = None
        self.over = False
        self.admitted = False
        self.seconds = 0.0
        self._rows: list[Logits | None] = []
        self._missing = 0
        self._queue = 0.0
        self._infer = 0.0

    def add(self, ticket: Waiting) -> None:
        """One more example, before the job is submitted."""
        ticket.place = len(self.tickets)
        self.tickets.append(ticket)
        self.seconds += ticket.cost
        self._rows.append(None)
        self._missing += 1

    def take(self, ticket: Waiting, row: Logits) -> None:
        """The logits of one ticket have come; the job is over with the last of them."""
        if self.over:
            return
        self._rows[ticket.place] = row
        self._missing -= 1
        self.over = self._missing == 0

    def fail(self, error: ServeError) -> bool:
        """Seal the job's fate with an error; False if it was sealed before."""
        if self.over:
            return False
        self.over, self.error = True, error
        return True

    def spent(self, queue: float, infer: float) -> None:
        """A batch with tickets of this job began after `queue` seconds; `infer` is its rows' share."""
        self._queue = max(self._queue, queue)
        self._infer += infer

    def settle(self) -> None:
        """Tell the fate to whoever still waits; for a loop's future in the loop's own thread."""
        if self.reply.done():
            return
        if self.error is not None:
            self.reply.set_exception(self.error)
        else:
            rows = tuple(row for row in self._rows if row is not None)
            self.reply.set_result(Done(rows, self._queue, self._infer))


@dataclass(slots=True, eq=False)
class Waiting(Ticket):
    """A ticket with what it stands for: the example, its job, and its text's position in the request."""

    example: Example
    job: Job
    text: int = 0
    place: int = 0


def deliver(jobs: Iterable[Job]) -> None:
    """Settle jobs that are over, from any thread, waking each event loop once."""
    loops: dict[asyncio.AbstractEventLoop, list[Job]] = {}
    for job in jobs:
        if isinstance(job.reply, asyncio.Future):
            loops.setdefault(job.reply.get_loop(), []).append(job)
        else:
            job.settle()
    for loop, theirs in loops.items():
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(_settle, theirs)


def _settle(jobs: list[Job]) -> None:
    for job in jobs:
        job.settle()
