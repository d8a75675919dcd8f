"""How long and how often a comparison measures: one frozen class and its three presets."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from loadtest.target import SERVE


class Effort(StrEnum):
    """How much time a comparison may take: 2 minutes, under 10, or as long as the record needs."""

    QUICK = "quick"
    NORMAL = "normal"
    THOROUGH = "thorough"


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds of each stretch.

    `open_seconds` 0 leaves the latency curve out, `tune_seconds` 0 the generator's ceiling. Of several
    `connections` each side keeps the fewest that saturate it.
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

    def changed(self, rounds: int, connections: tuple[int, ...]) -> Timing:
        """The same with another number of rounds, or other connections to try; 0 and none change nothing."""
        return dataclasses.replace(
            self, rounds=rounds or self.rounds, connections=connections or self.connections
        )


_FINE = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.97)
TIMINGS = {
    Effort.QUICK: Timing(2, 2.0, 5.0, 0.0, 2.0, 3.0, 1.0, (4, 16, 64), (), 0),
    Effort.NORMAL: Timing(3, 3.0, 8.0, 3.0, 3.0, 5.0, 1.5, (1, 4, 16, 64), (0.2, 0.4, 0.6, 0.75, 0.9), 2),
    Effort.THOROUGH: Timing(7, 10.0, 20.0, 10.0, 6.0, 20.0, 3.0, (1, 4, 16, 32, 64, 128), _FINE, 4),
}


@dataclass(frozen=True, slots=True)
class Settings:
    """What is compared and how.

    `references` are forms of BERT-base to be made; `versus` are bundles that are there already.
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
