"""What every sheet of figures begins with (when, where and by what it was measured), and how it is kept."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import msgspec
from msgspec import Struct

from models.costcurve import machine
from models.errors import MakeError
from models.workspace import commit_here
from server.inference.manifest import Quality

HEAD = """Measured last {made}: `{command}` at commit {commit}, on {machine} ({cores} cores, {versions}).
Load average at the start: {load:.1f}."""


class Circumstances(Struct, frozen=True, kw_only=True):
    """Base of all sheets: `command` repeats the measuring, `versions` are of the packages that answer."""

    made: str
    command: str
    commit: str
    machine: str
    cores: int
    load_average: float
    versions: Mapping[str, str]

    @property
    def when(self) -> str:
        """The day and the commit."""
        return f"{self.made.partition('T')[0]}, {self.commit[:7] or 'unknown'}"

    @property
    def head(self) -> str:
        """All of it in two lines of Markdown."""
        return HEAD.format(
            made=self.made,
            command=self.command,
            commit=self.commit or "unknown",
            machine=self.machine,
            cores=self.cores,
            versions=", ".join(f"{name} {each}" for name, each in self.versions.items()),
            load=self.load_average,
        )


def circumstances(command: Sequence[str]) -> Circumstances:
    """The machine and the code as they are now, for what the words of `command` measure."""
    return Circumstances(
        made=datetime.now(UTC).isoformat(timespec="seconds"),
        command=shlex.join(command),
        commit=commit_here(),
        machine=machine(),
        cores=os.cpu_count() or 1,
        load_average=os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0,
        versions={name: version(name) for name in ("onnxruntime", "numpy", "tokenizers")},
    )


def write_sheet(sheet: Circumstances, markdown: str, path: Path) -> Path:
    """The sheet as JSON, with the Markdown beside it, whose path is given back; MakeError."""
    beside = checked_out(path).with_suffix(".md")
    data = msgspec.json.format(msgspec.json.encode(sheet), indent=1) + b"\n"
    for target, content in ((path, data), (beside, markdown.encode())):
        fresh = target.with_name(f".{target.name}.new")
        try:
            fresh.write_bytes(content)
            os.replace(fresh, target)
        except OSError as error:
            raise MakeError(f"{target} cannot be written: {error.strerror}.") from error
    return beside


def checked_out(path: Path) -> Path:
    """`path` itself, its folder made; MakeError where no sheet could be written there."""
    if path.suffix != ".json":
        raise MakeError(
            f"{path} should end in .json: the Markdown goes beside it, into the same name with .md."
        )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise MakeError(f"{path.parent} cannot be made: {error.strerror}.") from error
    if path.is_dir() or not os.access(path.parent, os.W_OK):
        raise MakeError(f"{path} cannot be written.")
    return path


def markdown_table(columns: str, rows: Iterable[Sequence[str]]) -> str:
    """Rows of cells under the heads in `columns`, which `|` parts."""
    heads = columns.split("|")
    return "\n".join(f"| {' | '.join(row)} |" for row in (heads, ["---"] * len(heads), *rows))


def number_cell(value: float | None, spec: str) -> str:
    """A number, empty where it is not known."""
    return "" if value is None else format(value, spec)


def interval_cell(score: Quality | None) -> str:
    """From where to where it lies in 95 of 100 samples."""
    if score is None or score.low is None or score.high is None:
        return ""
    return f"{score.low:.3f} to {score.high:.3f}"


def baseline_cell(score: Quality | None) -> str:
    """What it is to beat, and by whom."""
    return "" if score is None else named_cell(score.baseline, score.baseline_name)


def named_cell(value: float | None, name: str | None) -> str:
    """A figure and whose it is."""
    return "" if value is None else f"{value:.3f} ({name})"
