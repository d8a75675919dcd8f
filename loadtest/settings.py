"""How long and how often a comparison measures: one frozen class and its three presets."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from loadtest.results import FORMULA, Formula
from loadtest.target import SERVE
from loadtest.workload import Workload


class Effort(StrEnum):
    """How much time a comparison may take: 2 minutes, under 10, or under 50."""

    QUICK = "quick"
    NORMAL = "normal"
    THOROUGH = "thorough"


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds of each stretch.

    `open_seconds` 0 leaves the latency curve out, `tune_seconds` 0 the generator's ceiling. Of several
    `connections` each side keeps the fewest that saturate it, of several `run_limits` (milliseconds; 0 is the
    server's own choice) each BERT-base keeps the one with the highest throughput.
    """

    rounds: int
    lone_seconds: float
    closed_seconds: float
    open_seconds: float
    tune_seconds: float
    idle_seconds: float
    warmup_seconds: float
    connections: tuple[int, ...]
    rates: tuple[float, ...]
    """Offered load of the latency curve, as shares of the side's own saturated throughput."""
    search_steps: int
    """Steps of the bisection for the highest rate that keeps the bound."""
    run_limits: tuple[float, ...] = (0.0,)
    budget_seconds: float = math.inf
    """What the whole may take; stretches are shortened for it."""

    def changed(self, rounds: int, connections: tuple[int, ...]) -> Timing:
        """The same with another number of rounds, or other connections to try; 0 and none change nothing.

        Whoever says how often is not held to the budget.
        """
        return dataclasses.replace(
            self,
            rounds=rounds or self.rounds,
            connections=connections or self.connections,
            budget_seconds=math.inf if rounds or connections else self.budget_seconds,
        )

    def seconds(self, sides: int) -> float:
        """About how long all takes with so many sides, processes' starts included."""
        tries = len(self.connections) if len(self.connections) > 1 else 0
        tuning = (tries + len(self.run_limits) - 1) * (self.tune_seconds + self.warmup_seconds + CLOSED_START)
        opened = (len(self.rates) + self.search_steps) if self.open_seconds else 0
        turn = self.lone_seconds + self.closed_seconds + opened * (self.open_seconds + OPEN_START)
        turn += (2 + opened) * self.warmup_seconds + OPEN_START + CLOSED_START
        return sides * (SIDE_START + self.idle_seconds + tuning + self.rounds * turn)

    def fitted(self, sides: int) -> Timing:
        """The richest of ever plainer timings that stays within the budget; the plainest where none does."""
        plainer = self
        for _ in range(PLAINER_STEPS):
            if plainer.seconds(sides) <= self.budget_seconds:
                break
            plainer = plainer._plainer()
        return plainer

    def _plainer(self) -> Timing:
        """Fewer rates and connections to try, three rounds, shorter stretches; then as for a quick look."""
        if len(self.rates) > 3:
            return dataclasses.replace(self, rates=self.rates[1::2], search_steps=2)
        if len(self.connections) > 3:
            return dataclasses.replace(self, connections=self.connections[1:])
        if self.rounds > 3:
            return dataclasses.replace(self, rounds=3)
        if self.rounds == 3 and self.closed_seconds > ENOUGH_SECONDS:
            return self._shorter()
        return self._poorer()

    def _poorer(self) -> Timing:
        """Fewer rates and connections still, then two rounds, no curve, and shorter stretches."""
        if len(self.rates) + self.search_steps > 3:
            return dataclasses.replace(self, rates=self.rates[::2], search_steps=1)
        if len(self.connections) > 2:
            return dataclasses.replace(self, connections=self.connections[::2])
        if self.rounds > 2:
            return dataclasses.replace(self, rounds=2)
        if self.rates and self.closed_seconds < 4:
            return dataclasses.replace(self, rates=(), search_steps=0, open_seconds=0.0)
        return self._shorter()

    def _shorter(self) -> Timing:
        def less(seconds: float) -> float:
            return max(seconds * 0.85, min(seconds, LEAST_SECONDS))

        return dataclasses.replace(
            self,
            lone_seconds=less(self.lone_seconds),
            closed_seconds=less(self.closed_seconds),
            open_seconds=less(self.open_seconds),
            tune_seconds=less(self.tune_seconds),
            idle_seconds=less(self.idle_seconds),
            warmup_seconds=less(self.warmup_seconds),
        )


LEAST_SECONDS, ENOUGH_SECONDS = 1.0, 7.0
PLAINER_STEPS = 30
SIDE_START, CLOSED_START, OPEN_START = 12.0, 2.0, 0.7
"""Seconds that it takes to start and measure a server, locust, and the other generator."""


_FINE = (0.15, 0.3, 0.45, 0.6, 0.75, 0.9)
_LIMITS = (0.0, 1000.0)
TIMINGS = {
    Effort.QUICK: Timing(2, 2.0, 4.0, 0.0, 2.0, 2.0, 0.7, (4, 32), (), 0, _LIMITS, 120.0),
    Effort.NORMAL: Timing(
        3, 3.0, 8.0, 3.0, 3.0, 5.0, 1.5, (1, 4, 16, 64), (0.2, 0.4, 0.6, 0.75, 0.9), 2, _LIMITS, 570.0
    ),
    Effort.THOROUGH: Timing(5, 8.0, 16.0, 8.0, 5.0, 10.0, 2.0, (1, 4, 16, 64), _FINE, 4, _LIMITS, 2640.0),
}
CONTEST_TIMINGS = {
    Effort.QUICK: Timing(1, 1.5, 2.5, 2.0, 0.0, 2.0, 0.5, (32,), (0.6,), 2),
    Effort.NORMAL: Timing(2, 1.5, 2.5, 2.0, 2.0, 2.0, 0.5, (32,), (0.6,), 2),
    Effort.THOROUGH: Timing(3, 4.0, 6.0, 4.0, 3.0, 5.0, 1.0, (32,), (0.6,), 4),
}


@dataclass(frozen=True, slots=True)
class Settings:
    """What is compared and how.

    `references` are forms of BERT-base to be made; `versus` are bundles that are there already. `all_tasks`
    adds a comparison in which each side serves all bundles at once.
    """

    bundles: tuple[Path, ...]
    out: Path
    timing: Timing
    command: str
    data: Path | None = None
    threads: int = 1
    bound_ms: float = 50.0
    seed: int = 0
    serve: str = SERVE
    references: tuple[str, ...] = ("fp32",)
    versus: tuple[Path, ...] = ()
    engine: bool = True
    workloads: tuple[Workload, ...] = (Workload.TITLES,)
    all_tasks: bool = False
    formula: Formula = FORMULA
