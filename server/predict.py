"""`qingmo-serve predict`: JSON lines answered by the engine itself, in order, at its best throughput."""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any, BinaryIO, cast

import msgspec
from rich.console import Console
from rich.progress import (
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
)
from rich.progress import Task as ProgressTask

from server.api import wire
from server.api.render import results
from server.errors import BadRequest, ServeError, UnknownModel
from server.inference.check import check_text
from server.inference.engine import Engine
from server.inference.predictor import Predictor
from server.inference.values import Answer, Options, Task, Text
from server.settings import Settings
from server.startup import engine_for_command


class _Line(msgspec.Struct, forbid_unknown_fields=True):
    """A line as an object; options are flags, the same for all lines."""


class _TextLine(_Line):
    text: str


class _PairLine(_Line):
    text: str
    text_pair: str


class _QaLine(_Line):
    question: str
    context: str


class Refused(msgspec.Struct, frozen=True):
    """Stands in the place of a bad line's answer."""

    error: dict[str, str]


class _Speed(ProgressColumn):
    def render(self, task: ProgressTask) -> str:
        """Lines a second, once known."""
        return f"{task.speed:.0f} a second" if task.speed else ""


COLUMNS = (
    SpinnerColumn(),
    TextColumn("{task.description}"),
    MofNCompleteColumn(),
    TimeElapsedColumn(),
    _Speed(),
)
READERS: dict[Task, tuple[Any, Callable[[Any], Text]]] = {
    Task.CLASSIFY: (str | _TextLine, lambda line: Text(line if isinstance(line, str) else line.text)),
    Task.NER: (str | _TextLine, lambda line: Text(line if isinstance(line, str) else line.text)),
    Task.PAIR: (_PairLine, lambda line: Text(line.text, line.text_pair)),
    Task.QA: (_QaLine, lambda line: Text(line.question, line.context)),
}


class Lines:
    """Reads lines into texts, and remembers of each whether it became one, so that answers stay in order.

    Args:
        source: JSON lines in UTF-8; empty ones are passed over.
        task: Says what a line must be.
        max_chars: Allowed in each text.
        keep_going: Whether a bad line is remembered with its refusal, or ends the reading.
    """

    def __init__(self, source: Iterable[bytes], task: Task, max_chars: int, *, keep_going: bool) -> None:
        kind, self._text_of = READERS[task]
        self._decoder: msgspec.json.Decoder[Any] = msgspec.json.Decoder(kind)
        self._source, self._task, self._max_chars, self._keep_going = source, task, max_chars, keep_going
        self.read: deque[Text | ServeError] = deque()
        self.failed: ServeError | None = None

    def texts(self) -> Iterator[Text]:
        """The texts of the good lines."""
        for number, line in enumerate(self._source, 1):
            if not line.strip():
                continue
            try:
                text = self._text(line)
            except ServeError as error:
                error.message = f"Line {number}: {error.message}"
                if not self._keep_going:
                    self.failed = error
                    return
                self.read.append(error)
            else:
                self.read.append(text)
                yield text

    def _text(self, line: bytes) -> Text:
        text = self._text_of(wire.decode(self._decoder, line))
        check_text(text, self._task, self._max_chars, 0)
        return text


def predict(settings: Settings, model: str, options: Options, *, keep_going: bool) -> int:
    """Answer standard input on standard output; 0, or 1 after a bad line.

    Raises:
        SettingsProblem, BadBundle, UnknownModel: It cannot begin.
        ServeError: The model failed.
    """
    engine = engine_for_command(settings)
    try:
        if model not in engine.predictors:
            raise UnknownModel(f"No model named {model}; there are: {', '.join(engine.predictors)}.")
        predictor = engine.predictors[model]
        lines = Lines(sys.stdin.buffer, predictor.task, settings.max_text_chars, keep_going=keep_going)
        bad = answer_lines(engine, predictor, lines, options, sys.stdout.buffer)
    finally:
        engine.close()
    if lines.failed:
        raise BadRequest(lines.failed.message)
    return 1 if bad else 0


def answer_lines(engine: Engine, predictor: Predictor, lines: Lines, options: Options, out: BinaryIO) -> int:
    """Write an outcome for every line, in order, with progress on standard error; how many were bad."""
    encode = msgspec.json.Encoder().encode
    bad = 0
    answers = engine.answers(predictor, lines.texts(), options)
    with Progress(*COLUMNS, console=Console(stderr=True)) as progress:
        task = progress.add_task(predictor.name, total=None)
        for outcome in outcomes(lines, answers):
            bad += isinstance(outcome, Refused)
            out.write(encode(outcome) + b"\n")
            progress.advance(task)
        out.flush()
    return bad


def outcomes(lines: Lines, answers: Iterable[Answer]) -> Iterator[wire.Result | Refused]:
    """What came of each line, in the order of the lines."""
    for answer in answers:
        yield from _refused(lines)
        yield results([answer], [cast("Text", lines.read.popleft())])[0]
    yield from _refused(lines)


def _refused(lines: Lines) -> Iterator[Refused]:
    while lines.read and isinstance(lines.read[0], ServeError):
        error = cast("ServeError", lines.read.popleft())
        yield Refused({"code": error.code, "detail": error.message})
