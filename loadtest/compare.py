"""Takes the sides of a comparison in turn over several rounds, and keeps every finished one."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import statistics
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from loadtest import metrics
from loadtest.bundles import Bundle, bert_base, find_bundles
from loadtest.ceiling import ceilings
from loadtest.driver import Driver, prepared
from loadtest.load import Kind, Load, Plan
from loadtest.machine import this_machine
from loadtest.measure import engine_figures
from loadtest.process import Cores, share_cores
from loadtest.results import SCHEMA, Comparison, Method, Result, Side, Turn, save
from loadtest.settings import Settings
from loadtest.target import Serving, Target
from loadtest.usage import resident_mb
from loadtest.workload import calls_of, rows_of

SAME_TOKENS = "the same tokens on both sides"
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Runner:
    """One running server with the requests it is asked."""

    side: Side
    target: Target
    calls: str


class Bench:
    """One run of a comparison over all given bundles. `say` hears each step as it begins."""

    def __init__(self, settings: Settings, folder: Path, say: Say) -> None:
        self._settings, self._folder, self._say = settings, folder, say
        self._cores = share_cores(settings.threads)
        self._driver = Driver(self._cores.load, folder)
        self.result = Result(
            schema=SCHEMA,
            made=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            complete=False,
            machine=this_machine(),
            method=_method(settings, self._cores),
            ceilings=(),
            comparisons=(),
            notes=() if self._cores.apart else ("Server and load shared a core: the figures hold both.",),
        )

    def run(self) -> Result:
        """All comparisons; what is finished is in `self.result` and in the result file at any time.

        Raises:
            LoadtestError: A server, a generator or the disk failed.
        """
        bundles = find_bundles(self._settings.bundles)
        self._say("the generator's own ceiling")
        found = ceilings(self._driver, self._cores.server, self._folder, self._settings.timing.tune_seconds)
        self.result = msgspec.structs.replace(self.result, ceilings=found)
        for bundle in bundles:
            self._compare(bundle)
        self.result = msgspec.structs.replace(self.result, complete=True)
        save(self.result, self._settings.out)
        return self.result

    def _compare(self, student: Bundle) -> None:
        sides = [student]
        for form in self._settings.references:
            self._say(f"BERT-base {form} with {student.name}'s tokens")
            sides.append(bert_base(student, form))
        rows = rows_of(student.task, self._settings.data)
        comparison = Comparison(
            name=student.name,
            task=student.task.value,
            heading=SAME_TOKENS,
            texts=len(rows),
            mean_chars=statistics.fmean(sum(map(len, row)) for row in rows),
            source=str(self._settings.data.name) if self._settings.data else "the committed samples",
            sides=(),
        )
        with self._running(sides) as runners:
            comparison = msgspec.structs.replace(comparison, sides=tuple(runner.side for runner in runners))
            for number in range(1, self._settings.timing.rounds + 1):
                for runner in runners:
                    self._say(f"{student.name}: round {number}, {runner.side.name}")
                    turn = self._turn(number, runner)
                    comparison = msgspec.structs.replace(comparison, turns=(*comparison.turns, turn))
                    self._keep(comparison)

    def _keep(self, comparison: Comparison) -> None:
        finished = tuple(kept for kept in self.result.comparisons if kept.name != comparison.name)
        self.result = msgspec.structs.replace(self.result, comparisons=(*finished, comparison))
        save(self.result, self._settings.out)

    @contextlib.contextmanager
    def _running(self, bundles: Sequence[Bundle]) -> Iterator[list[Runner]]:
        """All servers up, on the same cores; only one is asked at a time, and the others sleep meanwhile."""
        with contextlib.ExitStack() as stack:
            yield [self._start(bundle, number, stack) for number, bundle in enumerate(bundles)]

    def _start(self, bundle: Bundle, number: int, stack: contextlib.ExitStack) -> Runner:
        settings = self._settings
        name = bundle.name if number == 0 else f"BERT-base {settings.references[number - 1]}"
        serving = Serving(
            settings.serve, bundle.folder.parent, bundle.name, settings.threads, self._cores.server
        )
        self._say(f"{name}: the engine alone")
        engine = engine_figures(serving, self._settings.data) if settings.engine else None
        self._say(f"{name}: starting the server")
        target = stack.enter_context(Target(serving, self._folder / f"{number}-{bundle.name}.log"))
        side = Side(
            name=name,
            bundle=bundle.name,
            version=bundle.version,
            form=bundle.form,
            parameters=bundle.parameters,
            disk_bytes=bundle.disk_bytes,
            random_weights=bundle.random,
            command=" ".join(serving.arguments(target.port)),
            scores=bundle.scores,
            start_seconds=target.start_seconds,
            engine=engine,
        )
        calls = calls_of(bundle.task, rows_of(bundle.task, settings.data), bundle.name, settings.seed)
        runner = Runner(side, target, prepared(calls, self._folder, f"{number}-{bundle.name}"))
        return self._tuned(runner)

    def _tuned(self, runner: Runner) -> Runner:
        """With the connections that give the highest throughput, and the CPU the server takes when idle."""
        timing = self._settings.timing
        best: tuple[float, int] = (0.0, timing.connections[0])
        for connections in timing.connections:
            self._say(f"{runner.side.name}: {connections} connections")
            load = self._load(runner, Kind.CLOSED, timing.tune_seconds, connections=connections)
            if not load.failed:
                best = max(best, (load.throughput, connections))
        self._say(f"{runner.side.name}: idle")
        idle = runner.target.idle_share(timing.idle_seconds)
        side = msgspec.structs.replace(runner.side, connections=best[1], idle_share=idle)
        return dataclasses.replace(runner, side=side)

    def _turn(self, number: int, runner: Runner) -> Turn:
        timing = self._settings.timing
        lone = self._load(runner, Kind.LONE, timing.lone_seconds)
        before = metrics.scrape(runner.target.port, runner.side.bundle)
        closed = self._load(runner, Kind.CLOSED, timing.closed_seconds, connections=runner.side.connections)
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
        timing = self._settings.timing
        if not timing.open_seconds or saturated <= 0:
            return ()
        loads = [self._offer(runner, share * saturated, number) for share in timing.rates]
        for _ in range(timing.search_steps):
            kept = [load.rate for load in loads if load.keeps(self._settings.bound_ms)]
            missed = [load.rate for load in loads if not load.keeps(self._settings.bound_ms)]
            low, high = max(kept, default=0.0), min(missed, default=1.2 * saturated)
            if high <= low * 1.02:
                break
            loads.append(self._offer(runner, (low + high) / 2, number))
        return tuple(sorted(loads, key=lambda load: load.rate))

    def _offer(self, runner: Runner, rate: float, number: int) -> Load:
        seconds = max(
            self._settings.timing.open_seconds, min(40 / rate, 4 * self._settings.timing.open_seconds)
        )
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
            warmup=self._settings.timing.warmup_seconds,
            connections=connections,
            rate=rate,
            seed=seed,
            spin=self._cores.apart,
            server_pids=runner.target.pids,
        )
        return self._driver.run(plan, runner.target)


def _method(settings: Settings, cores: Cores) -> Method:
    timing = settings.timing
    return Method(
        command=settings.command,
        threads=settings.threads,
        server_cores=cores.server,
        load_cores=cores.load,
        rounds=timing.rounds,
        lone_seconds=timing.lone_seconds,
        closed_seconds=timing.closed_seconds,
        open_seconds=timing.open_seconds,
        bound_ms=settings.bound_ms,
        seed=settings.seed,
    )
