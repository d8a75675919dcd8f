"""The one result of a comparison: everything that was measured, with all that it takes to doubt it."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import msgspec
from msgspec import Struct

from loadtest.errors import NotWritten
from loadtest.load import Load
from loadtest.machine import Machine

SCHEMA = 1
COMPARE = "compare"
PEERS = "peers"


class Score(Struct, frozen=True, kw_only=True):
    """A quality figure that a bundle carries."""

    metric: str
    value: float
    n: int
    split: str = ""
    baseline: float | None = None
    published: float | None = None
    published_name: str | None = None


class Engine(Struct, frozen=True, kw_only=True):
    """The engine's own speed without HTTP, by `qingmo-serve measure`, in milliseconds a text.

    `lone_ms` is the wall time of one text asked alone (median), `cpu_ms` the CPU time a text at full load.
    """

    lone_ms: float
    cpu_ms: float
    texts_a_second: float


class Side(Struct, frozen=True, kw_only=True):
    """One server in the comparison, with what does not change from round to round.

    `version` is the bundle's, or that of the program where programs are compared, and `bundle_version` then
    the bundle's. `connections` keep it saturated: the fewest of those tried that come within 3 % of the best.
    `max_run_ms` is the longest run of the network that was tried and kept, 0 the server's own choice.
    `idle_share` is of one core. Sizes in bytes and MB (10^6 bytes), times in seconds.
    """

    name: str
    bundle: str
    version: str
    form: str
    parameters: int
    disk_bytes: int
    random_weights: bool
    command: str
    scores: tuple[Score, ...] = ()
    start_seconds: float = 0.0
    idle_share: float | None = None
    connections: int = 0
    max_run_ms: float = 0.0
    engine: Engine | None = None
    bundle_version: str = ""


class Batches(Struct, frozen=True, kw_only=True):
    """What the server's own metrics say of one stretch: rows a batch, and the share of padded slots."""

    mean_rows: float
    padding_share: float


class Turn(Struct, frozen=True, kw_only=True):
    """What one side did in one round. `opened` is its latency over offered load, in rising rates."""

    round: int
    side: str
    lone: Load
    closed: Load
    opened: tuple[Load, ...] = ()
    batches: Batches | None = None
    resident_mb: float = 0.0

    @property
    def failed(self) -> int:
        """Requests that were not answered with a 200, over all its stretches."""
        return sum(load.failed for load in (self.lone, self.closed, *self.opened))


class Comparison(Struct, frozen=True, kw_only=True):
    """Sides that answer the same texts; the first is the one that is praised or not, the others its measure.

    `heading` tells whether both sides see the same tokens or each has its own tokenizer.
    """

    name: str
    task: str
    heading: str
    texts: int
    mean_chars: float
    source: str
    sides: tuple[Side, ...]
    turns: tuple[Turn, ...] = ()

    def of(self, side: str) -> tuple[Turn, ...]:
        """The turns of one side, by round."""
        return tuple(turn for turn in self.turns if turn.side == side)


class Ceiling(Struct, frozen=True, kw_only=True):
    """The generator's own limit, against a server that answers at once and does nothing."""

    kind: str
    connections: int
    throughput: float
    p50_ms: float


class Formula(Struct, frozen=True, kw_only=True):
    """The LightLM scorecard's: weights of its terms, and what BERT-base needs.

    0 `bert_ms` takes the milliseconds a text that were measured here.
    """

    tasks: float = 0.8
    parameters: float = 0.1
    time: float = 0.1
    bert_parameters: int = 102_267_648
    bert_ms: float = 0.0


FORMULA = Formula()


class Line(Struct, frozen=True, kw_only=True):
    """One model on the scorecard: shares of BERT-base's parameters and time, score on a task of the contest.

    Times are milliseconds a text when saturated.
    """

    model: str
    task: str | None
    metric: str | None
    score: float | None
    parameters_share: float
    time_share: float


class Scorecard(Struct, frozen=True, kw_only=True):
    """The score of the contest's tasks that are there; without any it is None. `missing` names the others."""

    formula: Formula
    lines: tuple[Line, ...]
    missing: tuple[str, ...]
    score: float | None


class Method(Struct, frozen=True, kw_only=True):
    """How it was measured."""

    command: str
    threads: int
    server_cores: tuple[int, ...]
    load_cores: tuple[int, ...]
    rounds: int
    lone_seconds: float
    closed_seconds: float
    open_seconds: float
    bound_ms: float
    seed: int
    formula: Formula = FORMULA


class Result(Struct, frozen=True, kw_only=True):
    """One run of `qingmo-loadtest`, COMPARE or PEERS by its `kind`.

    `complete` is false where it was ended early.
    """

    schema: int
    kind: str
    made: str
    complete: bool
    machine: Machine
    method: Method
    ceilings: tuple[Ceiling, ...]
    comparisons: tuple[Comparison, ...]
    scorecard: Scorecard | None = None
    notes: tuple[str, ...] = ()

    @property
    def errors(self) -> int:
        """Requests that failed, over everything."""
        turns = [turn for comparison in self.comparisons for turn in comparison.turns]
        return sum(turn.failed for turn in turns)


def write_text(path: Path, text: str) -> None:
    """Writes the whole file or none of it: a full disk never harms what was there.

    Raises:
        NotWritten: Disk full, no permission, no such folder.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", encoding="utf-8", dir=path.parent, delete=False) as file:
            temporary = Path(file.name)
            try:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            except OSError:
                temporary.unlink(missing_ok=True)
                raise
        temporary.chmod(0o644)
        temporary.replace(path)
    except OSError as error:
        raise NotWritten(f"{path} cannot be written: {error.strerror or error}.") from error


def save(result: Result, path: Path) -> None:
    """As JSON, readable and stable."""
    write_text(path, msgspec.json.format(msgspec.json.encode(result), indent=1).decode() + "\n")


def read(path: Path) -> Result:
    """A saved result.

    Raises:
        msgspec.ValidationError: It is not one of this schema.
    """
    return msgspec.json.decode(path.read_bytes(), type=Result)
