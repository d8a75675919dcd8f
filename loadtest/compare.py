"""Runs the planned comparisons: sides in turn over several rounds, every finished one kept."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import itertools
import shlex
import statistics
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from loadtest.bundles import bert_base, find_bundles, together
from loadtest.ceiling import ceilings
from loadtest.driver import Driver, prepared
from loadtest.load import Call
from loadtest.machine import Machine, this_machine
from loadtest.measure import engine_figures
from loadtest.places import portable
from loadtest.plan import Entry, Planned, planned
from loadtest.process import Cores, share_cores
from loadtest.results import COMPARE, SCHEMA, Comparison, Engine, Method, Result, Side, save
from loadtest.scorecard import scorecard
from loadtest.settings import Settings
from loadtest.target import Serving, Target
from loadtest.turns import Asked, Runner, Say, Turns

BUSY = 0.5
LIMIT_CONNECTIONS = 32


class Bench:
    """One run of all comparisons. `say` hears each step as it begins.

    Raises:
        LoadtestError: A bundle or the texts cannot be read.
    """

    def __init__(self, settings: Settings, folder: Path, say: Say) -> None:
        students, others = find_bundles(settings.bundles), find_bundles(settings.versus)
        self._planned = list(planned(settings, students, others))
        sides = sum(
            1 + len(plan.others) + len(settings.references) * plan.references for plan in self._planned
        )
        settings = dataclasses.replace(settings, timing=settings.timing.fitted(sides))
        self._settings, self._folder, self._say = settings, folder, say
        self._cores = share_cores(settings.threads)
        self._driver = Driver(self._cores.load, folder)
        self._turns = Turns(settings, self._cores, self._driver, say)
        self._numbers = itertools.count()
        self.result = begun(COMPARE, settings, self._cores)

    def run(self) -> Result:
        """All comparisons; what is finished is in `self.result` and in the result file at any time.

        Raises:
            LoadtestError: A server, a generator or the disk failed.
        """
        timing = self._settings.timing
        if timing.tune_seconds:
            self._say("the generator's own ceiling")
            found = ceilings(self._driver, self._cores.server, self._folder, timing.tune_seconds)
            self.result = msgspec.structs.replace(self.result, ceilings=found)
        for plan in self._planned:
            self._compare(plan, [plan.first, *self._references(plan), *plan.others])
        self.result = msgspec.structs.replace(self.result, complete=True)
        save(self.result, self._settings.out)
        return self.result

    def _references(self, plan: Planned) -> Iterator[Entry]:
        for form in self._settings.references if plan.references else ():
            self._say(f"BERT-base {form} with the tokens of {plan.name}")
            made = tuple(bert_base(student, form) for student in plan.first.bundles)
            yield Entry(f"BERT-base {form}", made, self._settings.timing.run_limits)

    def _compare(self, plan: Planned, entries: Sequence[Entry]) -> None:
        texts = [row for rows in plan.rows for row in rows]
        comparison = Comparison(
            name=plan.name,
            task=plan.task,
            heading=plan.heading,
            texts=len(texts),
            mean_chars=statistics.fmean(sum(map(len, row)) for row in texts),
            source=self._settings.data.name if self._settings.data else "the committed samples",
            sides=(),
        )
        with contextlib.ExitStack() as stack:
            runners = [self._started(plan, entry, stack) for entry in entries]
            comparison = msgspec.structs.replace(comparison, sides=tuple(runner.side for runner in runners))
            for number in range(1, self._settings.timing.rounds + 1):
                for runner in runners:
                    self._say(f"{plan.name}: round {number}, {runner.side.name}")
                    turn = self._turns.turn(number, runner)
                    comparison = msgspec.structs.replace(comparison, turns=(*comparison.turns, turn))
                    self._keep(comparison)

    def _keep(self, comparison: Comparison) -> None:
        key = (comparison.name, comparison.heading)
        finished = tuple(kept for kept in self.result.comparisons if (kept.name, kept.heading) != key)
        comparisons = (*finished, comparison)
        card = scorecard(comparisons, self._settings.formula)
        self.result = msgspec.structs.replace(self.result, comparisons=comparisons, scorecard=card)
        save(self.result, self._settings.out)

    def _started(self, plan: Planned, entry: Entry, stack: contextlib.ExitStack) -> Runner:
        """Up until the stack is closed, and tuned; only one is asked at a time, and the others sleep."""
        calls = plan.calls(entry, self._settings.seed)
        path = prepared(calls, self._folder, f"{next(self._numbers)}")
        serving = self._serving(entry)
        engine = self._engine(serving, entry, calls) if entry is plan.first else None
        limit = self._best_limit(serving, entry, path)
        target = stack.enter_context(self._target(dataclasses.replace(serving, max_run_ms=limit), entry))
        side = _side(entry, target, engine)
        return self._turns.tuned(Runner(side, Asked(target, path)))

    def _serving(self, entry: Entry) -> Serving:
        folder = entry.bundles[0].folder.parent
        if len(entry.bundles) > 1:
            folder = together(entry.bundles, self._folder / f"{next(self._numbers)}-bundles")
        names = ",".join(bundle.name for bundle in entry.bundles)
        settings = self._settings
        return Serving(settings.serve, folder, names, settings.threads, self._cores.server, patient=True)

    def _engine(self, serving: Serving, entry: Entry, calls: Sequence[Call]) -> Engine | None:
        if not self._settings.engine or len(entry.bundles) > 1:
            return None
        self._say(f"{entry.name}: the engine alone")
        return engine_figures(serving, calls)

    def _best_limit(self, serving: Serving, entry: Entry, calls: str) -> float:
        """The longest run with which the server answers most, of those to try."""
        tried = dict.fromkeys(entry.limits, 0.0)
        for limit in tried if len(tried) > 1 else ():
            self._say(f"{entry.name}: {f'runs up to {limit:.0f} ms' if limit else 'runs as it chooses'}")
            with self._target(dataclasses.replace(serving, max_run_ms=limit), entry) as target:
                tried[limit] = self._turns.tried(Asked(target, calls), LIMIT_CONNECTIONS).throughput
        return max(tried, key=lambda limit: tried[limit])

    def _target(self, serving: Serving, entry: Entry) -> Target:
        self._say(f"{entry.name}: starting the server")
        return Target(serving, self._folder / f"{next(self._numbers)}-server.log")


def _side(entry: Entry, target: Target, engine: Engine | None) -> Side:
    first, bundles = entry.bundles[0], entry.bundles
    return Side(
        name=entry.name,
        bundle=target.serving.model,
        version=first.version if len(bundles) == 1 else " ".join(bundle.version[:12] for bundle in bundles),
        form=first.form,
        parameters=sum(bundle.parameters for bundle in bundles),
        disk_bytes=sum(bundle.disk_bytes for bundle in bundles),
        random_weights=any(bundle.random for bundle in bundles),
        command=portable(shlex.join(target.serving.arguments(target.port))),
        scores=first.scores if len(bundles) == 1 else (),
        start_seconds=target.start_seconds,
        max_run_ms=target.serving.max_run_ms,
        engine=engine,
    )


def notes_of(cores: Cores, machine: Machine) -> Iterator[str]:
    """What a reader must know before the figures."""
    if not cores.apart:
        yield "Server and load shared a core: the figures hold both."
    if machine.load_average > BUSY:
        busy = f"load average {machine.load_average:.1f} on {machine.cores} cores"
        yield f"The machine was busy with other work at the start ({busy}): the figures hold that too."


def begun(kind: str, settings: Settings, cores: Cores) -> Result:
    """A result of which nothing is measured yet."""
    machine = this_machine()
    return Result(
        schema=SCHEMA,
        kind=kind,
        made=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        complete=False,
        machine=machine,
        method=method_of(settings, cores),
        ceilings=(),
        comparisons=(),
        notes=tuple(notes_of(cores, machine)),
    )


def method_of(settings: Settings, cores: Cores) -> Method:
    """How it is about to be measured."""
    timing = settings.timing
    return Method(
        command=portable(settings.command),
        threads=settings.threads,
        server_cores=cores.server,
        load_cores=cores.load,
        rounds=timing.rounds,
        lone_seconds=timing.lone_seconds,
        closed_seconds=timing.closed_seconds,
        open_seconds=timing.open_seconds,
        bound_ms=settings.bound_ms,
        seed=settings.seed,
        formula=settings.formula,
    )
