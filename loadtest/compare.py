"""Which sides are compared, in which order: in turn over several rounds, every finished one kept."""

from __future__ import annotations

import contextlib
import datetime
import itertools
import shlex
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from loadtest.bundles import Bundle, bert_base, find_bundles
from loadtest.ceiling import ceilings
from loadtest.driver import Driver, prepared
from loadtest.load import Call
from loadtest.machine import Machine, this_machine
from loadtest.measure import engine_figures
from loadtest.process import Cores, share_cores
from loadtest.results import SCHEMA, Comparison, Method, Result, Side, save
from loadtest.settings import Settings
from loadtest.target import Serving, Target
from loadtest.turns import Runner, Say, Turns
from loadtest.workload import calls_of, rows_of

SAME_TOKENS = "the same tokens on all sides"
BUSY = 0.5
OWN_TOKENS = "each side with its own tokenizer"


@dataclass(frozen=True, slots=True)
class Entry:
    """A bundle under the name that the report gives it."""

    name: str
    bundle: Bundle


class Bench:
    """One run of a comparison over all given bundles. `say` hears each step as it begins."""

    def __init__(self, settings: Settings, folder: Path, say: Say) -> None:
        self._settings, self._folder, self._say = settings, folder, say
        self._cores = share_cores(settings.threads)
        self._driver = Driver(self._cores.load, folder)
        self._turns = Turns(settings, self._cores, self._driver, say)
        self._logs = itertools.count()
        machine = this_machine()
        self.result = Result(
            schema=SCHEMA,
            made=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            complete=False,
            machine=machine,
            method=_method(settings, self._cores),
            ceilings=(),
            comparisons=(),
            notes=tuple(_notes(self._cores, machine)),
        )

    def run(self) -> Result:
        """All comparisons; what is finished is in `self.result` and in the result file at any time.

        Raises:
            LoadtestError: A server, a generator or the disk failed.
        """
        students, others = find_bundles(self._settings.bundles), find_bundles(self._settings.versus)
        timing = self._settings.timing
        if timing.tune_seconds:
            self._say("the generator's own ceiling")
            found = ceilings(self._driver, self._cores.server, self._folder, timing.tune_seconds)
            self.result = msgspec.structs.replace(self.result, ceilings=found)
        for student in students:
            for heading, rivals in headings(student, others):
                made = self._references(student) if heading == SAME_TOKENS else ()
                self._compare(student, [*made, *rivals], heading)
        self.result = msgspec.structs.replace(self.result, complete=True)
        save(self.result, self._settings.out)
        return self.result

    def _references(self, student: Bundle) -> Iterator[Entry]:
        for form in self._settings.references:
            self._say(f"BERT-base {form} with {student.name}'s tokens")
            yield Entry(f"BERT-base {form}", bert_base(student, form))

    def _compare(self, student: Bundle, others: Sequence[Entry], heading: str) -> None:
        rows = rows_of(student.task, self._settings.data)
        calls = calls_of(student.task, rows, None, self._settings.seed)
        comparison = Comparison(
            name=student.name,
            task=student.task.value,
            heading=heading,
            texts=len(rows),
            mean_chars=statistics.fmean(sum(map(len, row)) for row in rows),
            source=self._settings.data.name if self._settings.data else "the committed samples",
            sides=(),
        )
        with self._running([Entry(student.name, student), *others], calls) as runners:
            comparison = msgspec.structs.replace(comparison, sides=tuple(runner.side for runner in runners))
            for number in range(1, self._settings.timing.rounds + 1):
                for runner in runners:
                    self._say(f"{student.name}: round {number}, {runner.side.name}")
                    turn = self._turns.turn(number, runner)
                    comparison = msgspec.structs.replace(comparison, turns=(*comparison.turns, turn))
                    self._keep(comparison)

    def _keep(self, comparison: Comparison) -> None:
        key = (comparison.name, comparison.heading)
        finished = tuple(kept for kept in self.result.comparisons if (kept.name, kept.heading) != key)
        self.result = msgspec.structs.replace(self.result, comparisons=(*finished, comparison))
        save(self.result, self._settings.out)

    @contextlib.contextmanager
    def _running(self, entries: Sequence[Entry], calls: Sequence[Call]) -> Iterator[list[Runner]]:
        """All servers up, on the same cores; only one is asked at a time, and the others sleep meanwhile."""
        path = prepared(calls, self._folder, "calls")
        with contextlib.ExitStack() as stack:
            runners = []
            for entry in entries:
                runner = self._started(entry, stack, path, calls if entry is entries[0] else ())
                runners.append(self._turns.tuned(runner))
            yield runners

    def _started(
        self, entry: Entry, stack: contextlib.ExitStack, path: str, measured: Sequence[Call]
    ) -> Runner:
        settings, bundle = self._settings, entry.bundle
        folder, cores = bundle.folder.parent, self._cores.server
        serving = Serving(settings.serve, folder, bundle.name, settings.threads, cores, patient=True)
        engine = None
        if settings.engine and measured:
            self._say(f"{entry.name}: the engine alone")
            engine = engine_figures(serving, measured)
        self._say(f"{entry.name}: starting the server")
        log = self._folder / f"{next(self._logs)}-{bundle.name}.log"
        target = stack.enter_context(Target(serving, log))
        side = Side(
            name=entry.name,
            bundle=bundle.name,
            version=bundle.version,
            form=bundle.form,
            parameters=bundle.parameters,
            disk_bytes=bundle.disk_bytes,
            random_weights=bundle.random,
            command=shlex.join(serving.arguments(target.port)),
            scores=bundle.scores,
            start_seconds=target.start_seconds,
            engine=engine,
        )
        return Runner(side, target, path)


def headings(student: Bundle, others: Sequence[Bundle]) -> list[tuple[str, list[Entry]]]:
    """The other bundles of the student's task, those with its tokenizer apart from those with their own."""
    rivals = [other for other in others if other.task is student.task]
    same = [Entry(other.name, other) for other in rivals if other.tokenizer == student.tokenizer]
    own = [Entry(other.name, other) for other in rivals if other.tokenizer != student.tokenizer]
    return [(SAME_TOKENS, same), *([(OWN_TOKENS, own)] if own else [])]


def _notes(cores: Cores, machine: Machine) -> Iterator[str]:
    """What a reader must know before the figures."""
    if not cores.apart:
        yield "Server and load shared a core: the figures hold both."
    if machine.load_average > BUSY:
        busy = f"load average {machine.load_average:.1f} on {machine.cores} cores"
        yield f"The machine was busy with other work at the start ({busy}): the figures hold that too."


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
