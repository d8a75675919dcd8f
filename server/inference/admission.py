"""Who is let into the waiting line: a pure rule on predicted seconds. Knows no clock, no lock, no thread."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from server.errors import Expired, Overloaded, ShuttingDown, TooLong, TooMany
from server.inference.batching import BULK_SHARE, Lane, Queues, T, Ticket

SOONEST_RETRY_SECONDS = 0.01

SHED_FOR: Mapping[type[BaseException], str] = {
    Overloaded: "overloaded",
    TooMany: "too_much",
    TooLong: "too_much",
    Expired: "expired",
    ShuttingDown: "shutting_down",
}
"""The probe's word for what kept a text out of the line."""


@dataclass(frozen=True, slots=True)
class LineLimits:
    """What is let in.

    Args:
        max_tickets: That may wait in a lane.
        max_seconds: Until a pool of all threads would have run what goes before a newcomer.
        max_request_seconds: That a pool of all threads may need for one request.
    """

    max_tickets: int
    max_seconds: float
    max_request_seconds: float = 10.0


@dataclass(frozen=True, slots=True)
class Backlog:
    """What goes before a newcomer: tickets in its lane, and seconds that it would be held up."""

    tickets: int
    seconds: float


def backlog_of(
    queues: Queues[T], lane: Lane, running_seconds: float, threads: int, rounds: tuple[int, int]
) -> Backlog:
    """What goes before the end of a newcomer in `lane` while batches of `running_seconds` run.

    Args:
        queues: What waits.
        lane: Where the newcomer would wait.
        running_seconds: Predicted for the batches that run, on one thread.
        threads: That empty the queues.
        rounds: Of the bulk lane: the one that runs, and the one in which the newcomer's last ticket is due.
    """
    single = queues.load(Lane.SINGLE)
    seconds = single.seconds + running_seconds
    if lane is Lane.BULK:
        seconds += queues.bulk_seconds(*rounds)
    elif queues.load(Lane.BULK).tickets:
        seconds += single.seconds / BULK_SHARE
    return Backlog(queues.load(lane).tickets, seconds / threads)


def refuse_great(tickets: int, seconds: float, texts: int, limits: LineLimits) -> None:
    """Refuse what is never taken in one request: more tickets or more work than the limits allow.

    Raises:
        TooMany: Of several texts.
        TooLong: Of one text.
    """
    if tickets <= limits.max_tickets and seconds <= limits.max_request_seconds:
        return
    kind, what = (TooLong, "The text makes") if texts == 1 else (TooMany, "The texts make")
    raise kind(
        f"{what} {tickets} windows or more, {seconds:.1f} s of work for this model; at most "
        f"{limits.max_tickets} windows and {limits.max_request_seconds:.1f} s are taken in one request."
    )


def refuse_full(backlog: Backlog, limits: LineLimits, tickets: int = 1) -> None:
    """Refuse what does not fit in now.

    Raises:
        Overloaded: `tickets` are more than there is room for, or too much goes before them.
    """
    if backlog.tickets + tickets > limits.max_tickets or backlog.seconds > limits.max_seconds:
        raise Overloaded(
            f"The waiting line is full: {backlog.tickets} texts or windows wait, "
            f"{backlog.seconds:.2f} s of work go before this.",
            retry_after_seconds=max(backlog.seconds, SOONEST_RETRY_SECONDS),
        )


def refuse_hopeless(seconds: float, time_left: float) -> None:
    """Refuse what would not be answered in time, whatever waits: coming back cannot help.

    Raises:
        Expired: `seconds` of work take longer than `time_left`.
    """
    if seconds > time_left:
        raise Expired(
            f"Even with nothing waiting, the texts are predicted to take {seconds:.3f} s, but the deadline "
            f"is in {max(0.0, time_left):.3f} s. Ask for more time, or for less in one request."
        )


def refuse_late(backlog: Backlog, seconds: float, time_left: float) -> None:
    """Refuse what would not be answered in time now.

    Raises:
        Overloaded: Waiting and `seconds` of work take longer than `time_left`.
    """
    if backlog.seconds + seconds > time_left:
        raise Overloaded(
            f"An answer is predicted to take {backlog.seconds + seconds:.3f} s, {seconds:.3f} s of it "
            f"for the texts themselves, but the deadline is in {max(0.0, time_left):.3f} s.",
            retry_after_seconds=max(backlog.seconds, SOONEST_RETRY_SECONDS),
        )


def seconds_of(tickets: Sequence[Ticket], threads: int) -> float:
    """Predicted wall time of a request's own work on an empty pool."""
    costs = [ticket.cost for ticket in tickets]
    return max(sum(costs) / threads, *costs)
