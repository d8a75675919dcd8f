"""`qingmo-serve predict`: JSON lines answered by the engine itself, in order, at its best throughput."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import BinaryIO, cast

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

from server.api.lines import Lines
from server.api.render import results
from server.api.wire import Result
from server.errors import BadRequest, ServeError
from server.inference.decoding.answers import LONGEST_ANSWER
from server.inference.engine import Engine
from server.inference.predictor import Predictor
from server.inference.values import Answer, Options, Text
from server.settings import Settings, SettingsProblem
from server.startup import engine_for_command, predictor_named


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


def predict(settings: Settings, model: str, options: Options, *, keep_going: bool) -> int:
    """Answer standard input on standard output; 0, or 1 after a bad line.

    Raises:
        SettingsProblem, BadBundle, UnknownModel: It cannot begin, or its answers cannot be written.
        ServeError: The model failed.
    """
    if (options.max_answer_chars or 0) > LONGEST_ANSWER:
        raise SettingsProblem(f"--max-answer-chars: at most {LONGEST_ANSWER} is taken.")
    engine = engine_for_command(settings)
    try:
        predictor = predictor_named(engine, model)
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

    def answers(texts: Iterable[Text]) -> Iterator[Answer]:
        return engine.answers(predictor, texts, options)

    with Progress(*COLUMNS, console=Console(stderr=True)) as progress:
        task = progress.add_task(predictor.name, total=None)
        for outcome in outcomes(lines, answers):
            bad += isinstance(outcome, Refused)
            _write(out, encode(outcome) + b"\n")
            progress.advance(task)
        _write(out, b"")
    return bad


def _write(out: BinaryIO, data: bytes) -> None:
    """Write, or without data flush; what cannot be written is given up, also by the interpreter's end."""
    try:
        out.write(data) if data else out.flush()
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), out.fileno())
        raise SettingsProblem(f"The answers cannot be written: {error.strerror}.") from None


def outcomes(
    lines: Lines, answers: Callable[[Iterable[Text]], Iterator[Answer]]
) -> Iterator[Result | Refused]:
    """What came of each line, in the order of the lines."""
    while not lines.ended:
        for answer in answers(lines.texts()):
            yield from _refused(lines)
            yield results([answer], [cast("Text", lines.read.popleft())])[0]
        yield from _refused(lines)


def _refused(lines: Lines) -> Iterator[Refused]:
    while lines.read and isinstance(lines.read[0], ServeError):
        error = cast("ServeError", lines.read.popleft())
        yield Refused({"code": error.code, "detail": error.message})
