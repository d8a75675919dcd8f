"""From rounds to claims: medians, intervals of ratios, and only what the interval allows to say."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from loadtest.results import Comparison, Side, Turn

IDLE_STEP = 0.005  # CPU time is read in steps of 10 ms, and idle for some seconds
STUDENT = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262)
"""Quantile 0.975 of Student's t with 1 to 9 degrees of freedom; the last also serves more, a bit too wide."""

Figure = Callable[[Turn], float | None]


@dataclass(frozen=True, slots=True)
class Interval:
    """A median over `n` rounds with their extremes, and a 95 % interval of what the rounds are drawn from."""

    median: float
    low: float
    high: float
    least: float
    most: float
    n: int


def interval(values: Sequence[float]) -> Interval | None:
    """Median over rounds, with Student's interval of the logarithms' mean (1908); None without values.

    Rounds are few: a bootstrap of two or three would be hardly wider than they are, and hold what it should
    in half or three quarters of all cases. Of one round nothing is known; with a value of 0 the low end is 0.
    """
    if not values:
        return None
    sample = np.asarray(values, dtype=np.float64)
    median, least, most = float(np.median(sample)), float(sample.min()), float(sample.max())
    low, high = (0.0, most) if least <= 0 else _of_logarithms(np.log(sample))
    return Interval(median, min(low, median), max(high, median), least, most, len(values))


def _of_logarithms(logs: NDArray[np.float64]) -> tuple[float, float]:
    if len(logs) < 2:
        return float(np.exp(logs[0])), float(np.exp(logs[0]))
    student = STUDENT[min(len(logs) - 1, len(STUDENT)) - 1]
    reach = student * float(logs.std(ddof=1)) / len(logs) ** 0.5
    middle = float(logs.mean())
    return float(np.exp(middle - reach)), float(np.exp(middle + reach))


def throughput(turn: Turn) -> float | None:
    """Answers a second when saturated."""
    return turn.closed.throughput


def lone_p50(turn: Turn) -> float | None:
    """Median milliseconds of a lone request."""
    return turn.lone.latency.p50 if turn.lone.latency else None


def lone_p99(turn: Turn) -> float | None:
    """99th percentile of a lone request, in milliseconds."""
    return turn.lone.latency.p99 if turn.lone.latency else None


def cpu_ms(turn: Turn) -> float | None:
    """Server's CPU milliseconds a request when saturated."""
    return turn.closed.cpu_ms_a_request


def resident(turn: Turn) -> float | None:
    """Resident memory after the turn, in MB."""
    return turn.resident_mb


def over_rounds(comparison: Comparison, side: str, figure: Figure) -> Interval | None:
    """One figure of one side over its rounds."""
    values = [figure(turn) for turn in comparison.of(side)]
    return interval([value for value in values if value is not None])


def goodput(bound_ms: float) -> Figure:
    """Highest offered rate that was answered without an error and with a p99 within the bound."""

    def figure(turn: Turn) -> float | None:
        kept = [load.throughput for load in turn.opened if load.keeps(bound_ms)]
        return (max(kept) if kept else 0.0) if turn.opened else None

    return figure


def lowest_offered(comparison: Comparison, side: str) -> float:
    """The lowest rate that was offered to a side in open loops: less was not tried."""
    return min((load.rate for turn in comparison.of(side) for load in turn.opened), default=0.0)


def sound(turn: Turn) -> bool:
    """Whether a claim may rest on it: nothing failed, and the generator was not itself the limit."""
    return not (turn.lone.failed or turn.closed.failed or turn.closed.saturated)


@dataclass(frozen=True, slots=True)
class Claim:
    """How many times better the first side is than another; `holds` where the interval lies above 1."""

    what: str
    over: str
    ratio: Interval

    @property
    def holds(self) -> bool:
        """Whether the interval excludes the opposite: it takes two rounds at least."""
        return self.ratio.n > 1 and self.ratio.low > 1.0

    @property
    def lost(self) -> bool:
        """Whether the first side is worse, and the interval excludes the opposite."""
        return self.ratio.n > 1 and self.ratio.high < 1.0


def claims(comparison: Comparison, bound_ms: float) -> list[Claim]:
    """Throughput, lone latency and, where it was searched, goodput of the first side against each other one.

    Ratios are taken round by round.
    """
    student, *others = comparison.sides
    figures = (
        ("throughput", throughput, 1),
        ("lone latency", lone_p50, -1),
        (f"goodput at p99 of {bound_ms:g} ms", goodput(bound_ms), 1),
    )
    found = []
    for other in others:
        for what, figure, better in figures:
            ratio = interval(_ratios(comparison, student, other, figure, better))
            if ratio is not None:
                found.append(Claim(what, other.name, ratio))
    return found


def _ratios(comparison: Comparison, student: Side, other: Side, figure: Figure, better: int) -> list[float]:
    pairs = zip(comparison.of(student.name), comparison.of(other.name), strict=False)
    found = []
    for mine, theirs in pairs:
        ours, reference = figure(mine), figure(theirs)
        if ours is not None and reference and sound(mine) and sound(theirs):
            found.append((ours / reference) ** better)
    return found


def losses(comparison: Comparison, bound_ms: float) -> list[str]:
    """In words, where the first side is worse than another: in speed, as far as backed, and in its needs."""
    first, *others = comparison.sides
    found = [
        f"{claim.over} is better in {claim.what}: {first.name} has {claim.ratio.median:.2f} of it"
        for claim in claims(comparison, bound_ms)
        if claim.lost
    ]
    for other in others:
        ours, theirs = (over_rounds(comparison, side.name, resident) for side in (first, other))
        if ours and theirs and theirs.most < ours.least:
            found.append(
                f"{other.name} takes {theirs.median:.0f} MB of memory, {first.name} {ours.median:.0f}"
            )
        if (other.idle_share or 0.0) + IDLE_STEP < (first.idle_share or 0.0):
            shares = [f"{side.name} {(side.idle_share or 0.0) * 100:.2f} %" for side in (other, first)]
            found.append(f"idle, {shares[0]} of a core, and {shares[1]}")
    return found


@dataclass(frozen=True, slots=True)
class Check:
    """A goal with what was measured."""

    what: str
    value: float
    limit: float
    unit: str

    @property
    def met(self) -> bool:
        """Whether the value is within the limit."""
        return self.value <= self.limit


CPU_ABOVE_ENGINE_MS = 0.30
LONE_ABOVE_ENGINE_MS = 0.60
RESIDENT_MB = 200.0
IDLE_SHARE = 0.01


def checks(comparison: Comparison) -> list[Check]:
    """What the server may add to its engine, and what it may take while idle, for the first side."""
    side, found = comparison.sides[0], []
    cpu = over_rounds(comparison, side.name, cpu_ms)
    lone = over_rounds(comparison, side.name, lone_p50)
    if side.engine and cpu:
        added = cpu.median - side.engine.cpu_ms
        found.append(
            Check("server CPU a request above the engine's a text", added, CPU_ABOVE_ENGINE_MS, "ms")
        )
    if side.engine and lone:
        added = lone.median - side.engine.lone_ms
        found.append(Check("lone p50 above the engine's time", added, LONE_ABOVE_ENGINE_MS, "ms"))
    memory = [turn.resident_mb for turn in comparison.of(side.name)]
    if memory:
        found.append(Check("resident memory after load", max(memory), RESIDENT_MB, "MB"))
    if side.idle_share is not None:
        found.append(Check("idle CPU, share of a core", side.idle_share * 100, IDLE_SHARE * 100, "%"))
    return found
