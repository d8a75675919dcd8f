"""Which tickets run next: the waiting tickets in order and one pure rule over them.

Knows no clock, no lock, no thread and no array; the time is told to it.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Generic, TypeVar


class Lane(IntEnum):
    """Single texts stand in a lane of their own, before all that comes in lists, windows and files."""

    SINGLE = 0
    BULK = 1


BULK_SHARE = 8
"""While both lanes wait, one batch follows from the bulk lane after so many from the single lane."""

QUANTUM_SECONDS = 0.010
"""Work of one job in each round of the bulk lane: about one batch."""


@dataclass(slots=True, eq=False)
class Ticket:
    """All that the policy may know of one example; equal only to itself.

    `cost` is in predicted seconds, padding counted; `most_rows` may run together at this width. `arrived` and
    `turn`, the round of its lane in which it is due, are given to it when it is let in.
    """

    model: str
    width: int
    lane: Lane
    most_rows: int
    cost: float
    deadline: float
    arrived: float = field(default=0.0, kw_only=True)
    turn: int = field(default=0, kw_only=True)


T = TypeVar("T", bound=Ticket)
Queue = list[T]


def in_rounds(tickets: Iterable[Ticket], first: int) -> None:
    """Give the tickets of one job their turns, QUANTUM_SECONDS of work a round.

    This is round robin between jobs (Nagle 1987; by cost as in Shreedhar and Varghese 1995): whatever waits
    for round n goes before all that comes in round n or later, so that nobody starves, and a long job is
    one quantum in the way of a short one.

    Args:
        tickets: In the order in which they are to run.
        first: The round of the first.
    """
    spent = 0.0
    for ticket in tickets:
        ticket.turn = last_round(spent, first)
        spent += ticket.cost


def last_round(seconds: float, first: int) -> int:
    """The round in which a job that began in round `first` has used up `seconds`."""
    return first + int(seconds / QUANTUM_SECONDS)


def _due(ticket: Ticket) -> tuple[int, float]:
    return ticket.turn, ticket.arrived


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
    """Waiting tickets, a queue in order of turn and arrival for each lane, model and width.

    Every change takes about the same short time however many wait, in the middle of a queue too.
    """

    def __init__(self) -> None:
        self._queues: dict[Lane, dict[tuple[str, int], Queue[T]]] = {lane: {} for lane in Lane}
        self._lanes = {lane: Load() for lane in Lane}
        self._models: dict[str, Load] = {}
        self._rounds: dict[int, Load] = {}

    def add(self, ticket: T) -> None:
        """Put a ticket into its queue."""
        queue = self._queues[ticket.lane].setdefault((ticket.model, ticket.width), [])
        if queue and _due(ticket) < _due(queue[-1]):
            insort(queue, ticket, key=_due)
        else:
            queue.append(ticket)
        self._change(ticket, 1)

    def remove(self, ticket: T) -> bool:
        """Take a ticket out, wherever it stands; False if it does not wait here."""
        key = (ticket.model, ticket.width)
        queue = self._queues[ticket.lane].get(key)
        place = None if queue is None else _place(queue, ticket)
        if queue is None or place is None:
            return False
        del queue[place]
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

    def bulk_seconds(self, first: int, last: int) -> float:
        """What waits in bulk for the rounds from `first` to `last`."""
        if first + len(self._rounds) < last:
            return sum(load.seconds for turn, load in self._rounds.items() if first <= turn <= last)
        return sum(self._rounds[turn].seconds for turn in range(first, last + 1) if turn in self._rounds)

    def __len__(self) -> int:
        return sum(load.tickets for load in self._lanes.values())

    def __iter__(self) -> Iterator[T]:
        for lane in Lane:
            for queue in self.of(lane):
                yield from queue

    def _change(self, ticket: T, sign: int) -> None:
        self._lanes[ticket.lane].change(sign, sign * ticket.cost)
        self.load_of_model(ticket.model).change(sign, sign * ticket.cost)
        if ticket.lane is Lane.BULK:
            load = self._rounds.setdefault(ticket.turn, Load())
            load.change(sign, sign * ticket.cost)
            if not load.tickets:
                del self._rounds[ticket.turn]


def _place(queue: Sequence[T], ticket: T) -> int | None:
    """Where a ticket stands in its queue: mostly first."""
    if queue[0] is ticket:
        return 0
    due = _due(ticket)
    for place in range(bisect_left(queue, due, key=_due), len(queue)):
        if queue[place] is ticket:
            return place
        if _due(queue[place]) != due:
            break
    return None


@dataclass(frozen=True, slots=True)
class Plan(Generic[T]):
    """What to run now, of one model and one width, and what was met whose deadline has passed."""

    run: tuple[T, ...]
    expired: tuple[T, ...]


def plan(queues: Queues[T], now: float, *, idle: int = 1, singles_in_a_row: int = 0) -> Plan[T]:
    """Choose the next batch: that of the live ticket that is due first, filled up with its own queue.

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
        queue = _first_due(queues.of(lane), now, expired)
        if queue is not None:
            run = _fill(queue, now, idle, expired)
            return Plan(run, tuple(expired))
    return Plan((), tuple(expired))


def _first_due(queues: Iterable[Queue[T]], now: float, expired: dict[T, None]) -> Queue[T] | None:
    first, due = None, None
    for queue in queues:
        for ticket in queue:
            if ticket.deadline <= now:
                expired[ticket] = None
                continue
            if due is None or _due(ticket) < due:
                first, due = queue, _due(ticket)
            break
    return first


def _fill(queue: Queue[T], now: float, idle: int, expired: dict[T, None]) -> tuple[T, ...]:
    room = min(-(-len(queue) // idle), queue[0].most_rows)
    run: list[T] = []
    for ticket in queue:
        if ticket.deadline <= now:
            expired[ticket] = None
            continue
        run.append(ticket)
        if len(run) == room:
            break
    return tuple(run)
