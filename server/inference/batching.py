"""Which tickets run next: the waiting tickets in order and one pure rule over them.

Knows no clock, no lock, no thread and no array; the time is told to it.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import IntEnum
from typing import Generic, TypeVar


class Lane(IntEnum):
    """Single texts stand in a lane of their own, before all that comes in lists, windows and files."""

    SINGLE = 0
    BULK = 1


BULK_SHARE = 8
"""While both lanes wait, one batch follows from the bulk lane after so many from the single lane."""


@dataclass(slots=True, eq=False)
class Ticket:
    """All that the policy may know of one example; equal only to itself.

    `cost` is in predicted seconds, padding counted; `most_rows` may run together at this width.
    """

    model: str
    width: int
    lane: Lane
    most_rows: int
    cost: float
    arrived: float
    deadline: float


T = TypeVar("T", bound=Ticket)
Queue = OrderedDict[T, None]


@dataclass(slots=True)
class Load:
    """What waits: tickets, and their predicted seconds on one thread."""

    tickets: int = 0
    seconds: float = 0.0

    def change(self, tickets: int, seconds: float) -> None:
        """Add (or with negative numbers take off); nothing waiting costs exactly nothing."""
        self.tickets += tickets
        self.seconds = self.seconds + seconds if self.tickets else 0.0


class Queues(Generic[T]):
    """Waiting tickets, a queue in order of arrival for each lane, model and width.

    Every change takes the same short time however many wait, in the middle of a queue too.
    """

    def __init__(self) -> None:
        self._queues: dict[Lane, dict[tuple[str, int], Queue[T]]] = {lane: {} for lane in Lane}
        self._lanes = {lane: Load() for lane in Lane}
        self._models: dict[str, Load] = {}

    def add(self, ticket: T) -> None:
        """Put a ticket at the end of its queue."""
        queue = self._queues[ticket.lane].setdefault((ticket.model, ticket.width), OrderedDict())
        queue[ticket] = None
        self._change(ticket, 1)

    def remove(self, ticket: T) -> bool:
        """Take a ticket out, wherever it stands; False if it does not wait here."""
        key = (ticket.model, ticket.width)
        queue = self._queues[ticket.lane].get(key)
        if queue is None or ticket not in queue:
            return False
        del queue[ticket]
        if not queue:
            del self._queues[ticket.lane][key]
        self._change(ticket, -1)
        return True

    def of(self, lane: Lane) -> Iterable[Queue[T]]:
        """The queues of a lane; none of them is empty."""
        return self._queues[lane].values()

    def load(self, lane: Lane) -> Load:
        """What waits in a lane."""
        return self._lanes[lane]

    def load_of_model(self, model: str) -> Load:
        """What waits for a model, both lanes together."""
        return self._models.setdefault(model, Load())

    def __len__(self) -> int:
        return sum(load.tickets for load in self._lanes.values())

    def __iter__(self) -> Iterator[T]:
        for lane in Lane:
            for queue in self.of(lane):
                yield from queue

    def _change(self, ticket: T, sign: int) -> None:
        self._lanes[ticket.lane].change(sign, sign * ticket.cost)
        self.load_of_model(ticket.model).change(sign, sign * ticket.cost)


@dataclass(frozen=True, slots=True)
class Plan(Generic[T]):
    """What to run now, of one model and one width, and what was met whose deadline has passed."""

    run: tuple[T, ...]
    expired: tuple[T, ...]


def plan(queues: Queues[T], now: float, *, idle: int = 1, singles_in_a_row: int = 0) -> Plan[T]:
    """Choose the next batch: that of the oldest live ticket, filled up with its own queue.

    Single texts go before bulk, but after BULK_SHARE batches of them one of bulk is due. Where
    several threads are idle a queue is shared out among them instead of filling one batch.

    Args:
        queues: What waits; not changed.
        now: The time on the clock of `Ticket.arrived` and `Ticket.deadline`.
        idle: Threads with nothing to do, the one that asks included.
        singles_in_a_row: Batches of single texts run since the last of bulk, while bulk waited.
    """
    expired: dict[T, None] = {}
    lanes = (Lane.BULK, Lane.SINGLE) if singles_in_a_row >= BULK_SHARE else (Lane.SINGLE, Lane.BULK)
    for lane in lanes:
        queue = _oldest(queues.of(lane), now, expired)
        if queue is not None:
            run = _fill(queue, now, idle, expired)
            return Plan(run, tuple(expired))
    return Plan((), tuple(expired))


def _oldest(queues: Iterable[Queue[T]], now: float, expired: dict[T, None]) -> Queue[T] | None:
    oldest, arrived = None, math.inf
    for queue in queues:
        for ticket in queue:
            if ticket.deadline <= now:
                expired[ticket] = None
                continue
            if ticket.arrived < arrived:
                oldest, arrived = queue, ticket.arrived
            break
    return oldest


def _fill(queue: Queue[T], now: float, idle: int, expired: dict[T, None]) -> tuple[T, ...]:
    room = min(-(-len(queue) // idle), next(iter(queue)).most_rows)
    run: list[T] = []
    for ticket in queue:
        if ticket.deadline <= now:
            expired[ticket] = None
            continue
        run.append(ticket)
        if len(run) == room:
            break
    return tuple(run)
