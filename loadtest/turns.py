"""What one side does when it is its turn: tuned once, then lone, saturated and open loads, round by round."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import msgspec

from loadtest import metrics
from loadtest.driver import Driver
from loadtest.load import Kind, Load, Plan
from loadtest.process import Cores
from loadtest.results import Side, Turn
from loadtest.settings import Settings
from loadtest.target import Target
from loadtest.usage import resident_mb

NEAR_BEST = 0.97
LEAST_ARRIVALS, LEAST_ANSWERS, LONGEST = 40, 60, 3
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Asked:
    """A running server and the file of the requests that it is asked."""

    target: Target
    calls: str


@dataclass(frozen=True, slots=True)
class Runner:
    """A side of a comparison with its running server."""

    side: Side
    asked: Asked


class Turns:
    """Drives running servers, one at a time."""

    def __init__(self, settings: Settings, cores: Cores, driver: Driver, say: Say) -> None:
        self._settings, self._timing, self._cores = settings, settings.timing, cores
        self._driver, self._say = driver, say

    def tuned(self, runner: Runner) -> Runner:
        """With the fewest connections that saturate it, and with the CPU that it takes when idle."""
        tried = dict.fromkeys(self._timing.connections, 0.0)
        for connections in tried if len(tried) > 1 else ():
            self._say(f"{runner.side.name}: {connections} connections")
            load = self.tried(runner.asked, connections)
            tried[connections] = 0.0 if load.failed else load.throughput
        self._say(f"{runner.side.name}: idle")
        idle = runner.asked.target.idle_share(self._timing.idle_seconds)
        side = msgspec.structs.replace(runner.side, connections=fewest(tried), idle_share=idle)
        return dataclasses.replace(runner, side=side)

    def tried(self, asked: Asked, connections: int) -> Load:
        """A short closed loop, to choose between numbers of connections or settings of a server."""
        return self._enough(asked, Kind.CLOSED, self._timing.tune_seconds, connections)

    def turn(self, number: int, runner: Runner) -> Turn:
        """One side's part of round `number`."""
        asked, side = runner.asked, runner.side
        lone = self._enough(asked, Kind.LONE, self._timing.lone_seconds, 1)
        before = metrics.scrape(asked.target.port, side.bundle)
        closed = self._enough(asked, Kind.CLOSED, self._timing.closed_seconds, side.connections)
        after = metrics.scrape(asked.target.port, side.bundle)
        opened = self._curve(asked, closed.throughput, number)
        return Turn(
            round=number,
            side=side.name,
            lone=lone,
            closed=closed,
            opened=opened,
            batches=metrics.between(before, after),
            resident_mb=resident_mb(asked.target.pids),
        )

    def _curve(self, asked: Asked, saturated: float, number: int) -> tuple[Load, ...]:
        """Latency over offered load, then a bisection for the highest rate whose p99 keeps the bound."""
        if not self._timing.open_seconds or saturated <= 0:
            return ()
        loads = [self._offer(asked, share * saturated, number) for share in self._timing.rates]
        for _ in range(self._timing.search_steps):
            told = [load for load in loads if not load.saturated]  # the others say nothing of the server
            kept = [load.rate for load in told if load.keeps(self._settings.bound_ms)]
            missed = [load.rate for load in told if not load.keeps(self._settings.bound_ms)]
            low, high = max(kept, default=0.0), min(missed, default=1.2 * saturated)
            loads.append(self._offer(asked, (low + high) / 2, number))
        return tuple(sorted(loads, key=lambda load: load.rate))

    def _offer(self, asked: Asked, rate: float, number: int) -> Load:
        """An open loop, longer where a slow side would see too few arrivals to speak of a 99th percentile.

        Once more where the generator itself was late.
        """
        seconds = self._timing.open_seconds
        seconds = max(seconds, min(LEAST_ARRIVALS / rate, LONGEST * seconds))
        seed = self._settings.seed + number
        load = self._load(asked, Kind.OPEN, seconds, rate=rate, seed=seed)
        return self._load(asked, Kind.OPEN, seconds, rate=rate, seed=seed) if load.saturated else load

    def _enough(self, asked: Asked, kind: Kind, seconds: float, connections: int) -> Load:
        """Once more and longer where a slow side answered too few to speak of its throughput or quantiles."""
        load = self._load(asked, kind, seconds, connections=connections)
        if load.failed or load.answered >= LEAST_ANSWERS:
            return load
        longer = min(LEAST_ANSWERS / max(load.answered, 1), LONGEST) * seconds
        return self._load(asked, kind, longer, connections=connections)

    def _load(
        self,
        asked: Asked,
        kind: Kind,
        seconds: float,
        *,
        connections: int = 1,
        rate: float = 0.0,
        seed: int = 0,
    ) -> Load:
        plan = Plan(
            kind=kind,
            url=asked.target.url,
            calls=asked.calls,
            seconds=seconds,
            warmup=self._timing.warmup_seconds,
            connections=connections,
            rate=rate,
            seed=seed,
            spin=self._cores.apart,
            server_pids=asked.target.pids,
        )
        return self._driver.run(plan, asked.target)


def fewest(tried: Mapping[int, float]) -> int:
    """The smallest number of connections whose throughput is within 3 % of the best of those tried."""
    best = max(tried.values())
    return min(connections for connections, throughput in tried.items() if throughput >= NEAR_BEST * best)
