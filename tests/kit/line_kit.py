"""What the tests of the line share: a clock that is told the time, a model that adds, a probe that counts."""

from __future__ import annotations

import concurrent.futures
import math
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from server.inference.admission import LineLimits
from server.inference.batching import Lane
from server.inference.job import Done, Job, Logits, Waiting
from server.inference.line import Line
from server.inference.values import Example, Window

SECONDS = 10.0
WIDE = LineLimits(max_tickets=10_000, max_seconds=1e9, max_request_seconds=1e9)
POISON = 666
DEADLY = 999


class Clock:
    """Stands still until told."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Adder:
    """A model whose answer to an example is the sum of its ids; it raises on POISON and exits on DEADLY."""

    def __init__(self, clock: Clock | None = None, *, most_rows: int = 4) -> None:
        self.clock = clock
        self.most_rows = most_rows
        self.batches: list[tuple[int, list[Example]]] = []
        self.before: Callable[[], object] = lambda: None

    def run(self, examples: Sequence[Example], width: int) -> list[Logits]:
        self.batches.append((width, list(examples)))
        self.before()
        if self.clock is not None:
            self.clock.now += self.seconds(len(examples), width)
        if any(DEADLY in example.ids for example in examples):
            raise SystemExit
        if any(POISON in example.ids for example in examples):
            raise ValueError("poison")
        return [np.array([example.ids.sum()], dtype=np.float32) for example in examples]

    def seconds(self, rows: int, width: int) -> float:
        return 0.001 + rows * width * 1e-5


class Counts:
    """A probe that adds up."""

    def __init__(self) -> None:
        self.rows = self.batches = self.waits = self.tokens = 0
        self.shed_for: Counter[str] = Counter()
        self.depths: dict[str, tuple[int, float]] = {}

    def ran(
        self, model: str, *, rows: int, width: int, tokens: int, seconds: float, predicted_seconds: float
    ) -> None:
        assert 0 < tokens <= rows * width
        assert seconds >= 0
        assert predicted_seconds > 0
        self.rows += rows
        self.batches += 1
        self.tokens += tokens

    def waited(self, model: str, seconds: float) -> None:
        assert seconds >= 0
        self.waits += 1

    def shed(self, model: str, reason: str) -> None:
        self.shed_for[reason] += 1

    def depth(self, model: str, tickets: int, cost_seconds: float) -> None:
        self.depths[model] = (tickets, cost_seconds)


def width_of(length: int) -> int:
    """Widths of the tests: 8, 16, 32."""
    return next(width for width in (8, 16, 32) if length <= width)


def example_of(*ids: int) -> Example:
    return Example(np.array(ids, dtype=np.int64), None, Window(0, len(ids), 0))


def job_of(  # the arguments say what the test is about
    adder: Adder,
    *examples: Example,
    deadline: float = math.inf,
    lane: Lane | None = None,
    model: str = "adder",
) -> tuple[Job, concurrent.futures.Future[Done]]:
    """A job as the engine makes it: one example goes to the single lane, several to bulk."""
    reply: concurrent.futures.Future[Done] = concurrent.futures.Future()
    job = Job(reply)
    lane = lane if lane is not None else Lane.SINGLE if len(examples) == 1 else Lane.BULK
    for text, example in enumerate(examples):
        width = width_of(example.length)
        rows = 1 if lane is Lane.SINGLE else adder.most_rows
        cost = adder.seconds(rows, width) / rows
        job.add(Waiting(model, width, lane, adder.most_rows, cost, deadline, example, job, text))
    return job, reply


@dataclass
class Scene:
    """A line, its one worker being the test itself."""

    limits: LineLimits = WIDE
    clock: Clock = field(default_factory=Clock)
    counts: Counts = field(default_factory=Counts)

    def __post_init__(self) -> None:
        self.adder = Adder(self.clock)
        self.line = Line(
            {"adder": self.adder}, threads=0, limits=self.limits, probe=self.counts, clock=self.clock
        )

    def submit(self, *examples, deadline=math.inf, lane=None):
        job, reply = job_of(self.adder, *examples, deadline=deadline, lane=lane)
        self.line.submit(job)
        return job, reply

    def work_off(self) -> None:
        while self.line.work_once():
            pass


def text(length: int, first: int = 1):
    return example_of(first, *[1] * (length - 1))


class Gate(Adder):
    """Holds every batch back until it is opened."""

    def __init__(self) -> None:
        super().__init__()
        self.opened = threading.Event()
        self.entered = threading.Semaphore(0)
        self.before = self._pass

    def _pass(self) -> None:
        self.entered.release()
        assert self.opened.wait(SECONDS)


def submit(line: Line, adder: Adder, *firsts: int) -> tuple[Job, concurrent.futures.Future]:
    job, reply = job_of(adder, *[example_of(first, 1, 1) for first in firsts])
    line.submit(job)
    return job, reply
