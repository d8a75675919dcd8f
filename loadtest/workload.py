"""What is asked: texts of a task from the committed samples or the user's files, as ready requests."""

from __future__ import annotations

import itertools
import json
import random
import re
from collections.abc import Mapping, Sequence
from enum import StrEnum
from pathlib import Path

import msgspec

from loadtest.errors import BadWorkload
from loadtest.load import Call

SAMPLES = Path(__file__).parent / "samples"
ALIASES: Mapping[str, tuple[str, ...]] = {
    "text": ("text", "sentence", "sentence1", "question1", "review"),
    "text_pair": ("text_pair", "sentence2", "question2"),
    "question": ("question",),
    "context": ("context", "passage"),
}


class Task(StrEnum):
    """The four routes of the API."""

    CLASSIFY = "classify"
    PAIR = "pair"
    NER = "ner"
    QA = "qa"


class Workload(StrEnum):
    """How long the texts of a task of single texts are; pairs and questions have their own samples."""

    TITLES = "titles"  # the task's own samples
    PARAGRAPHS = "paragraphs"  # titles and paragraphs
    MIXED = "mixed"  # the same and a few long documents
    LONG = "long"  # documents alone


SHARES: Mapping[Workload, tuple[float, float]] = {
    Workload.PARAGRAPHS: (0.3, 0.0),
    Workload.MIXED: (0.3, 0.004),
    Workload.LONG: (0.0, 1.0),
}
"""Shares of paragraphs and of documents; the rest is titles."""

MIXED_TEXTS = 500
ARTICLES = "articles.txt"

FIELDS: Mapping[Task, tuple[str, ...]] = {
    Task.CLASSIFY: ("text",),
    Task.PAIR: ("text", "text_pair"),
    Task.NER: ("text",),
    Task.QA: ("question", "context"),
}
SAMPLE_FILES: Mapping[Task, str] = {
    Task.CLASSIFY: "titles.txt",
    Task.PAIR: "pairs.jsonl",
    Task.NER: "ner.txt",
    Task.QA: "qa.jsonl",
}

Row = tuple[str, ...]


def rows_of(task: Task, data: Path | None = None) -> list[Row]:
    """The texts of a task, a tuple of its fields each.

    `data` is a file (one text a line, or JSON objects, one a line) or a folder holding files named like
    the samples (titles.txt, pairs.jsonl, ner.txt, qa.jsonl); without it the committed samples are read.

    Raises:
        BadWorkload: No such file, not UTF-8, a line without the task's fields, or nothing in it.
    """
    path = data if data is not None and data.is_file() else (data or SAMPLES) / SAMPLE_FILES[task]
    try:
        lines = path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise BadWorkload(f"The texts in {path} cannot be read: {error}.") from error
    rows = [_row(task, line, path, number) for number, line in enumerate(lines, 1) if line.strip()]
    if not rows:
        raise BadWorkload(f"{path} holds no text.")
    return rows


def texts_of(task: Task, workload: Workload, data: Path | None, seed: int) -> list[Row]:
    """The task's own texts, or a seeded mix of them with paragraphs and whole articles.

    Raises:
        BadWorkload: The texts cannot be read, or the task takes two texts and has no such mix.
    """
    rows = rows_of(task, data)
    if workload is Workload.TITLES:
        return rows
    if len(FIELDS[task]) > 1:
        raise BadWorkload(f"The workload {workload.value} is of single texts, and {task.value} takes two.")
    paragraphs, documents = SHARES[workload]
    articles = read_articles(data)
    draw = random.Random(seed)
    mixed = _cycled([(line,) for article in articles for line in article], paragraphs, draw)
    mixed += _cycled([("\n".join(article),) for article in articles], documents, draw)
    mixed += _cycled(rows, 1 - paragraphs - documents, draw)
    draw.shuffle(mixed)
    return mixed


def _cycled(rows: Sequence[Row], share: float, draw: random.Random) -> list[Row]:
    """The share of MIXED_TEXTS, every row as often as the others."""
    shuffled = draw.sample(rows, len(rows))
    return list(itertools.islice(itertools.cycle(shuffled), round(share * MIXED_TEXTS)))


def read_articles(data: Path | None = None) -> list[list[str]]:
    """Articles as lists of paragraphs: a paragraph a line, a blank line between articles.

    `data` may be a folder with an articles.txt of its own.

    Raises:
        BadWorkload: It cannot be read, or is empty.
    """
    own = data / ARTICLES if data is not None and data.is_dir() else None
    path = own if own is not None and own.is_file() else SAMPLES / ARTICLES
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BadWorkload(f"The texts in {path} cannot be read: {error}.") from error
    articles = [article.split("\n") for article in re.split(r"\n\s*\n", text.strip()) if article.strip()]
    if not articles:
        raise BadWorkload(f"{path} holds no text.")
    return articles


def _row(task: Task, line: str, path: Path, number: int) -> Row:
    fields = FIELDS[task]
    if not line.lstrip().startswith("{"):
        if len(fields) == 1:
            return (line.strip(),)
        raise BadWorkload(f"Line {number} of {path} is not a JSON object with {' and '.join(fields)}.")
    try:
        found = msgspec.json.decode(line, type=dict[str, object])
    except msgspec.DecodeError as error:
        raise BadWorkload(f"Line {number} of {path} is not JSON: {error}.") from error
    return tuple(_field(found, name, path, number) for name in fields)


def _field(found: Mapping[str, object], name: str, path: Path, number: int) -> str:
    for alias in ALIASES[name]:
        value = found.get(alias)
        if isinstance(value, str) and value.strip():
            return value
    raise BadWorkload(f"Line {number} of {path} has no {name} (also taken: {', '.join(ALIASES[name])}).")


def calls_of(task: Task, rows: Sequence[Row], model: str | None, seed: int) -> list[Call]:
    """One request a row, in an order fixed by the seed."""
    named = {} if model is None else {"model": model}
    calls = [
        Call(f"/v1/{task.value}", _json(dict(zip(FIELDS[task], row, strict=True)) | named)) for row in rows
    ]
    random.Random(seed).shuffle(calls)
    return calls


def _json(value: Mapping[str, str]) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode("utf-8")


def write_calls(path: Path, calls: Sequence[Call]) -> None:
    """For the generator processes to read."""
    path.write_bytes(msgspec.json.encode(calls))
