"""The table as it is kept, and as Markdown; says nothing that was not measured or recorded."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec
from msgspec import Struct

from models.errors import MakeError
from models.sheet import Circumstances, markdown_table, named_cell, number_cell, write_sheet
from server.inference.values import Task

SCHEMA = 1
KIND = "models"
MARKDOWN = """# Models

{head}

Scores are on all rows of the named split, asked through the server's own encoder and decoder. Agreement is
the share of texts on which the int8 answers are the teacher's; the score of a teacher that is not here is the
one that stands in the bundle. Tokens are those of all windows of a text, special ones included. Milliseconds
are the median over {timed} of the same texts, each alone on one thread, without tokenising, int8 and fp32 in
turn. `measured` is the day, and the commit of the code that measured; the commands stand below.

{table}

Measured by:

{commands}
{notes}"""
COLUMNS = (
    "model|task|data|teacher|score|n|fp32|int8|teacher's|baseline|published|agreement|parameters, M"
    "|int8 bundle, MB|fp32, MB|tokens a text|int8, ms|fp32, ms|training, min|measured"
)


class Score(Struct, frozen=True, kw_only=True):
    """One figure (0..1) on `n` rows, of every form that was asked; None where there is none."""

    metric: str
    split: str
    n: int
    fp32: float | None
    int8: float | None
    teacher: float | None
    baseline: float | None
    baseline_name: str | None
    published: float | None = None
    published_name: str | None = None


class Line(Struct, frozen=True, kw_only=True):
    """One model. What is None is not known here, and `notes` say why.

    `bytes` are the bundle's, `fp32_bytes` the float graph's, or the weights' where there is no graph.
    `agreement` (0..1) is the int8 answers' with the teacher's. `minutes` are of all stages that trained.
    `version` is the bundle's, `commit` and `made` the network's; `measured` says when and at which commit,
    by `command`.
    """

    name: str
    recipe: str
    task: Task
    data: str
    version: str = ""
    base: str = ""
    commit: str = ""
    made: str = ""
    teacher: str = ""
    scores: tuple[Score, ...] = ()
    agreement: float | None = None
    parameters: int | None = None
    bytes: int | None = None
    fp32_bytes: int | None = None
    tokens: float | None = None
    int8_ms: float | None = None
    fp32_ms: float | None = None
    minutes: float | None = None
    measured: str = ""
    command: str = ""
    notes: tuple[str, ...] = ()


class Sheet(Circumstances, frozen=True, kw_only=True):
    """All lines, with what it takes to measure the last ones again; `timed` texts were timed at most."""

    schema: int = SCHEMA
    kind: str = KIND
    timed: int
    lines: tuple[Line, ...] = ()

    def with_line(self, line: Line, instead: Sequence[Line] = ()) -> Sheet:
        """With one more line, measured now, `instead` of some, or of another that has the same bundle."""
        others = (
            each
            for each in self.lines
            if each not in instead and (not line.version or each.version != line.version)
        )
        now = msgspec.structs.replace(line, measured=self.when, command=self.command)
        return msgspec.structs.replace(self, lines=(*others, now))

    def with_those_of(self, old: Sheet) -> Sheet:
        """With the lines of an older sheet; MakeError if those were measured on another machine."""
        if old.machine != self.machine:
            raise MakeError(
                f"The table's lines were measured on {old.machine}, and this is {self.machine}: "
                "milliseconds of two machines do not stand in one table."
            )
        return msgspec.structs.replace(self, lines=tuple(_dated(line, old) for line in old.lines))


def _dated(line: Line, sheet: Sheet) -> Line:
    """A line with its day and, where it is the sheet's last, its command, which older sheets say once."""
    measured = line.measured or sheet.when
    command = line.command or (sheet.command if measured == sheet.when else "")
    return msgspec.structs.replace(line, measured=measured, command=command)


def read(path: Path) -> Sheet:
    """The sheet in a JSON file; MakeError where there is none."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Sheet)
    except (OSError, msgspec.DecodeError) as error:
        raise MakeError(f"{path} holds no table of models to keep lines of.") from error


def write(sheet: Sheet, path: Path) -> Path:
    """The sheet as JSON, with the Markdown beside it, whose path is given back."""
    return write_sheet(sheet, markdown(sheet), path)


def markdown(sheet: Sheet) -> str:
    """A line a score; what holds for the model as a whole stands on its first."""
    notes = [f"- {line.name}: {note}" for line in sheet.lines for note in line.notes]
    return MARKDOWN.format(
        head=sheet.head,
        timed=sheet.timed,
        table=markdown_table(COLUMNS, (row for line in sheet.lines for row in _rows(line))),
        commands="\n".join(_commands(sheet.lines)),
        notes="\n".join(["", "Not known here:", "", *notes, ""]) if notes else "",
    )


def _commands(lines: Sequence[Line]) -> list[str]:
    """Each command with the models whose lines it measured."""
    return [
        f"- {', '.join(line.name for line in lines if line.command == command)}: `{command}`"
        for command in dict.fromkeys(line.command for line in lines if line.command)
    ]


def _rows(line: Line) -> list[list[str]]:
    first = [line.name, str(line.task), line.data, line.teacher]
    scores = [_of_score(score) for score in line.scores] or [[""] * 7]
    last = _of_model(line)
    below = [[*[""] * len(first), *score, *[""] * len(last)] for score in scores[1:]]
    return [[*first, *scores[0], *last], *below]


def _of_model(line: Line) -> list[str]:
    return [
        number_cell(line.agreement, ".3f"),
        _millions(line.parameters),
        _millions(line.bytes),
        _millions(line.fp32_bytes),
        number_cell(line.tokens, ".1f"),
        number_cell(line.int8_ms, ".2f"),
        number_cell(line.fp32_ms, ".2f"),
        number_cell(line.minutes, ".0f"),
        line.measured,
    ]


def _of_score(score: Score) -> list[str]:
    values = (score.fp32, score.int8, score.teacher)
    return [
        f"{score.metric}, {score.split}",
        str(score.n),
        *(number_cell(value, ".4f") for value in values),
        named_cell(score.baseline, score.baseline_name),
        named_cell(score.published, score.published_name),
    ]


def _millions(value: int | None) -> str:
    return "" if value is None else f"{value / 1e6:.1f}"
