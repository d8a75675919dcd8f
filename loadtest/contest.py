"""qingmo and the peers in turn, each alone on the same core with the same network, texts and answers."""

from __future__ import annotations

import dataclasses
import itertools
import shlex
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from loadtest.agreement import Best, best_labels, require_same
from loadtest.bundles import Bundle, find_bundles
from loadtest.compare import begun
from loadtest.driver import Driver, prepared
from loadtest.errors import BadWorkload, StartFailed
from loadtest.load import Call, Load
from loadtest.peer import Peer, environment
from loadtest.places import portable
from loadtest.process import share_cores
from loadtest.results import PEERS, Comparison, Result, Side, Turn, save
from loadtest.settings import Settings
from loadtest.target import Serving, Target
from loadtest.turns import Asked, Runner, Say, Turns
from loadtest.workload import Task, Workload, texts_of

CHECKED = 48
HEADING = "the same network, tokenizer and texts, behind different servers"
OWN = "qingmo"


@dataclass(frozen=True, slots=True)
class Way:
    """One setting of a server's batching, and how it is started with it."""

    label: str
    serving: Serving


@dataclass(frozen=True, slots=True)
class Contender:
    """A server, the ways it may be set (the first is known to be good), and how it is asked."""

    name: str
    version: str
    ways: tuple[Way, ...]
    calls: Callable[[Sequence[str]], list[Call]]


@dataclass(frozen=True, slots=True)
class Given:
    """One workload: its texts in the order they are asked."""

    workload: Workload
    texts: tuple[str, ...]


class Contest:
    """One run over all workloads; finished turns are in `result` and in the result file at any time."""

    def __init__(
        self,
        settings: Settings,
        peers: Sequence[Peer],
        folder: Path,
        say: Say,
        python_of: Callable[[Peer], Path] = environment,
    ) -> None:
        self._python_of = python_of
        self._settings, self._peers, self._folder, self._say = settings, peers, folder, say
        self._cores = share_cores(settings.threads)
        self._driver = Driver(self._cores.load, folder)
        self._turns = Turns(settings, self._cores, self._driver, say)
        self._logs = itertools.count()
        self._given = [
            Given(one, tuple(row[0] for row in texts_of(Task.CLASSIFY, one, settings.data, settings.seed)))
            for one in settings.workloads
        ]
        self._ours: dict[Workload, list[Best]] = {}
        self._sides: dict[str, Side] = {}
        empty = tuple(map(self._empty, self._given))
        self.result = msgspec.structs.replace(begun(PEERS, settings, self._cores), comparisons=empty)

    def _empty(self, given: Given) -> Comparison:
        return Comparison(
            name=given.workload.value,
            task=Task.CLASSIFY.value,
            heading=HEADING,
            texts=len(given.texts),
            mean_chars=sum(map(len, given.texts)) / len(given.texts),
            source=self._settings.data.name if self._settings.data else "the committed samples",
            sides=(),
        )

    def run(self) -> Result:
        """All servers, round by round.

        Raises:
            LoadtestError: A server or the disk failed, or two servers answer differently.
        """
        bundle = self._bundle()
        contenders = self._admitted([self._own(bundle), *self._installed(bundle)])
        if self._settings.timing.tune_seconds:
            contenders = [self._tuned(contender) for contender in contenders]
        for number in range(1, self._settings.timing.rounds + 1):
            for contender in contenders:
                self._round(number, contender, bundle)
        self.result = msgspec.structs.replace(self.result, complete=True)
        save(self.result, self._settings.out)
        return self.result

    def _bundle(self) -> Bundle:
        found = [one for one in find_bundles(self._settings.bundles) if one.task is Task.CLASSIFY]
        if not found:
            raise BadWorkload("The peers classify, and none of the bundles does.")
        return found[0]

    def _own(self, bundle: Bundle) -> Contender:
        settings = self._settings
        folder, cores = bundle.folder.parent, self._cores.server
        serving = Serving(settings.serve, folder, bundle.name, settings.threads, cores, patient=True)
        asked = Peer(OWN, "", "", path="/v1/classify")
        return Contender(
            OWN, self.result.machine.commit or "unknown", (Way("as it comes", serving),), asked.calls
        )

    def _admitted(self, contenders: Sequence[Contender]) -> list[Contender]:
        """Those that start and answer like qingmo; a peer that does not start is named in the notes."""
        found = []
        for contender in contenders:
            self._say(f"{contender.name}: the same answers")
            try:
                with self._target(contender, contender.ways[0]) as target:
                    for given in self._given:
                        self._check(contender, target, given)
            except StartFailed as error:
                if contender.name == OWN:
                    raise
                self._note(str(error))
                continue
            found.append(contender)
        return found

    def _note(self, sentence: str) -> None:
        self.result = msgspec.structs.replace(self.result, notes=(*self.result.notes, sentence))

    def _installed(self, bundle: Bundle) -> Iterator[Contender]:
        """Those peers that can be installed; the others are named in the notes."""
        for peer in self._peers:
            self._say(f"{peer.name}: its environment")
            try:
                python = self._python_of(peer)
            except StartFailed as error:
                self._note(str(error))
                continue
            ways = [
                Way(str(knobs or "no batching"), peer.serving(python, bundle, knobs, self._cores.server))
                for knobs in peer.knobs or (None,)
            ]
            yield Contender(peer.name, peer.requirement, tuple(ways), peer.calls)

    def _tuned(self, contender: Contender) -> Contender:
        """With the way that answers most under a load that a bound of milliseconds still allows."""
        if len(contender.ways) < 2:
            return contender
        calls = self._prepared(contender, self._given[-1])
        tried = {}
        for way in contender.ways:
            self._say(f"{contender.name}: tried with {way.label}")
            with self._target(contender, way) as target:
                tried[way] = self._turns.tried(Asked(target, calls), self._settings.timing.connections[0])
        best = max(tried, key=lambda way: standing(tried[way], self._settings.bound_ms))
        return dataclasses.replace(contender, ways=(best,))

    def _round(self, number: int, contender: Contender, bundle: Bundle) -> None:
        """Alone: a server that is busy while it idles would take time from the others.

        Fresh for each workload: some servers go on batching as the load before has taught them to.
        """
        for given in self._given:
            self._say(f"{contender.name}: starting the server")
            with self._target(contender, contender.ways[0]) as target:
                if contender.name not in self._sides:
                    self._sides[contender.name] = self._side(contender, target, bundle)
                self._say(f"{given.workload.value}: round {number}, {contender.name}")
                asked = Asked(target, self._prepared(contender, given))
                runner = Runner(self._sides[contender.name], asked)
                self._keep(given, runner.side, self._turns.turn(number, runner))

    def _target(self, contender: Contender, way: Way) -> Target:
        name = contender.name.replace(" ", "-").lower()
        return Target(way.serving, self._folder / f"{next(self._logs)}-{name}.log")

    def _prepared(self, contender: Contender, given: Given) -> str:
        return prepared(
            contender.calls(given.texts), self._folder, f"{contender.name}-{given.workload.value}"
        )

    def _check(self, contender: Contender, target: Target, given: Given) -> None:
        """The same answers as qingmo, which comes first, to some of the texts."""
        texts = given.texts[:CHECKED]
        found = best_labels(target, contender.calls(texts))
        require_same(contender.name, texts, self._ours.setdefault(given.workload, found), found)

    def _side(self, contender: Contender, target: Target, bundle: Bundle) -> Side:
        self._say(f"{contender.name}: idle")
        way = contender.ways[0]
        return Side(
            name=contender.name,
            bundle=bundle.name,
            version=contender.version,
            bundle_version=bundle.version,
            form=way.label,
            parameters=bundle.parameters,
            disk_bytes=bundle.disk_bytes,
            random_weights=bundle.random,
            command=portable(shlex.join(way.serving.arguments(target.port))),
            start_seconds=target.start_seconds,
            idle_share=target.idle_share(self._settings.timing.idle_seconds),
            connections=self._settings.timing.connections[0],
        )

    def _keep(self, given: Given, side: Side, turn: Turn) -> None:
        kept = tuple(
            _with(comparison, side, turn) if comparison.name == given.workload.value else comparison
            for comparison in self.result.comparisons
        )
        self.result = msgspec.structs.replace(self.result, comparisons=kept)
        save(self.result, self._settings.out)


def _with(comparison: Comparison, side: Side, turn: Turn) -> Comparison:
    sides = comparison.sides if side in comparison.sides else (*comparison.sides, side)
    return msgspec.structs.replace(comparison, sides=sides, turns=(*comparison.turns, turn))


def standing(load: Load, bound_ms: float) -> tuple[bool, float]:
    """To compare settings: first those that keep the bound, then those that answer more."""
    return load.keeps(bound_ms), load.throughput
