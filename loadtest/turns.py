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
LEAST_ARRIVALS = 40
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Runner:
    """One running server with the requests it is asked."""

    side: Side
    target: Target
    calls: str


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
            load = self._load(runner, Kind.CLOSED, self._timing.tune_seconds, connections=connections)
            tried[connections] = 0.0 if load.failed else load.throughput
        self._say(f"{runner.side.name}: idle")
        idle = runner.target.idle_share(self._timing.idle_seconds)
        side = msgspec.structs.replace(runner.side, connections=fewest(tried), idle_share=idle)
        return dataclasses.replace(runner, side=side)

    def turn(self, number: int, runner: Runner) -> Turn:
        """One side's part of round `number`."""
        lone = self._load(runner, Kind.LONE, self._timing.lone_seconds)
        before = metrics.scrape(runner.target.port, runner.side.bundle)
        seconds = self._timing.closed_seconds
        closed = self._load(runner, Kind.CLOSED, seconds, connections=runner.side.connections)
        after = metrics.scrape(runner.target.port, runner.side.bundle)
        opened = self._curve(runner, closed.throughput, number)
        return Turn(
            round=number,
            side=runner.side.name,
            lone=lone,
            closed=closed,
            opened=opened,
            batches=metrics.between(before, after),
            resident_mb=resident_mb(runner.target.pids),
        )

    def _curve(self, runner: Runner, saturated: float, number: int) -> tuple[Load, ...]:
        """Latency over offered load, then a bisection for the highest rate whose p99 keeps the bound."""
        if not self._timing.open_seconds or saturated <= 0:
            return ()
        loads = [self._offer(runner, share * saturated, number) for share in self._timing.rates]
        for _ in range(self._timing.search_steps):
            kept = [load.rate for load in loads if load.keeps(self._settings.bound_ms)]
            missed = [load.rate for load in loads if not load.keeps(self._settings.bound_ms)]
            low, high = max(kept, default=0.0), min(missed, default=1.2 * saturated)
            loads.append(self._offer(runner, (low + high) / 2, number))
        return tuple(sorted(loads, key=lambda load: load.rate))

    def _offer(self, runner: Runner, rate: float, number: int) -> Load:
        """An open loop, longer where a slow side would see too few arrivals to speak of a 99th percentile."""
        seconds = self._timing.open_seconds
        seconds = max(seconds, min(LEAST_ARRIVALS / rate, 4 * seconds))
        return self._load(runner, Kind.OPEN, seconds, rate=rate, seed=self._settings.seed + number)

    def _load(
        self,
        runner: Runner,
        kind: Kind,
        seconds: float,
        *,
        connections: int = 1,
        rate: float = 0.0,
        seed: int = 0,
    ) -> Load:
        plan = Plan(
            kind=kind,
            url=runner.target.url,
            calls=runner.calls,
            seconds=seconds,
            warmup=self._timing.warmup_seconds,
            connections=connections,
            rate=rate,
            seed=seed,
            spin=self._cores.apart,
            server_pids=runner.target.pids,
        )
        return self._driver.run(plan, runner.target)


def fewest(tried: Mapping[int, float]) -> int:
    """The smallest number of connections whose throughput is within 3 % of the best of those tried."""
    best = max(tried.values())
    return min(connections for connections, throughput in tried.items() if throughput >= NEAR_BEST * best)
