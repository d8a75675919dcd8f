"""Who is let into the waiting line: a pure rule on predicted seconds. Knows no clock, no lock, no thread."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from server.errors import Overloaded, TooMany
from server.inference.batching import BULK_SHARE, Lane, Queues, T, Ticket

_SOONEST_RETRY_SECONDS = 0.01


@dataclass(frozen=True, slots=True)
class LineLimits:
    """What may wait in each lane: tickets, and predicted seconds until a pool of all threads has run them.

    A request of more seconds than that is taken when its lane is empty, so that it can be answered at all.
    """

    max_tickets: int
    max_seconds: float


@dataclass(frozen=True, slots=True)
class Backlog:
    """What goes before a newcomer: tickets in its lane, and seconds until it would begin."""

    tickets: int
    seconds: float


def backlog_of(queues: Queues[T], lane: Lane, running_seconds: float, threads: int) -> Backlog:
    """What goes before a newcomer in `lane` while batches of `running_seconds` run in `threads`."""
    single, bulk = queues.load(Lane.SINGLE), queues.load(Lane.BULK)
    seconds = single.seconds + running_seconds
    if lane is Lane.BULK:
        seconds += bulk.seconds
    elif bulk.tickets:
        seconds += single.seconds / BULK_SHARE
    return Backlog(queues.load(lane).tickets, seconds / threads)


def refuse_full(backlog: Backlog, limits: LineLimits, tickets: int = 1, seconds: float = 0.0) -> None:
    """Refuse what does not fit in: `tickets` that would take a pool of all threads `seconds`.

    Raises:
        TooMany: More tickets than ever fit.
        Overloaded: More than fit now.
    """
    if tickets > limits.max_tickets:
        raise TooMany(
            f"The texts make {tickets} windows; at most {limits.max_tickets} are taken in one request."
        )
    too_many = backlog.tickets + tickets > limits.max_tickets
    too_long = backlog.tickets > 0 and backlog.seconds + seconds > limits.max_seconds
    if too_many or too_long:
        raise Overloaded(
            f"The waiting line is full: {backlog.tickets} texts or windows wait, "
            f"{backlog.seconds:.2f} s of work.",
            retry_after_seconds=max(backlog.seconds, _SOONEST_RETRY_SECONDS),
        )


def refuse_late(backlog: Backlog, seconds: float, time_left: float) -> None:
    """Refuse what would not be answered in time.

    Raises:
        Overloaded: Waiting and `seconds` of work take longer than `time_left`.
    """
    if backlog.seconds + seconds > time_left:
        raise Overloaded(
            f"An answer is predicted to take {backlog.seconds + seconds:.3f} s, "
            f"but the deadline is in {max(0.0, time_left):.3f} s.",
            retry_after_seconds=max(backlog.seconds, _SOONEST_RETRY_SECONDS),
        )


def seconds_of(tickets: Sequence[Ticket], threads: int) -> float:
    """Predicted wall time of a request's own work on an empty pool."""
    costs = [ticket.cost for ticket in tickets]
    return max(sum(costs) / threads, *costs)
