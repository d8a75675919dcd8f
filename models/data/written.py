"""Readers of the sets that were written for this project and lie in it, under `models/written/`.

Their lines are made to be read and mended by people; a broken one stops with its file and line.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import combinations, product
from pathlib import Path

from models.data.lines import numbered_lines
from models.data.rows import Labelled, Mention, Question, Tagged
from models.errors import MakeError

ALIKE = 3  # questions of a group that ask the same; those after them ask something else
VERDICTS = {"+": "positive", "-": "negative"}
_MARKED = re.compile(r"\[([^\[\]|]+)\|([a-z]+)\]")


def grouped_pairs(path: Path) -> Iterator[Labelled]:
    """Three questions that ask the same and two that do not, a group a line.

    A group gives every pair of the three, and the first and third beside each of the two. Every second pair
    has its texts the other way round.
    """
    for number, line in numbered_lines(path):
        asked = _fields(path, number, line, ALIKE + 2)
        same = [Labelled(one, "same", other) for one, other in combinations(asked[:ALIKE], 2)]
        apart = [Labelled(one, "different", other) for one, other in product(asked[:ALIKE:2], asked[ALIKE:])]
        for at, pair in enumerate((*same, *apart)):
            yield pair if at % 2 else pair.swapped


def short_reviews(path: Path) -> Iterator[Labelled]:
    """A verdict (+ or -) and a review a line."""
    for number, line in numbered_lines(path):
        verdict, text = _fields(path, number, line, 2)
        if verdict not in VERDICTS:
            raise MakeError(f'{path}, line {number}: "{verdict}" is no verdict ({", ".join(VERDICTS)}).')
        yield Labelled(text, VERDICTS[verdict])


def labelled_titles(path: Path) -> Iterator[Labelled]:
    """A topic and a title a line."""
    for number, line in numbered_lines(path):
        topic, title = _fields(path, number, line, 2)
        yield Labelled(title, topic)


def asked_passages(path: Path) -> Iterator[Question]:
    """A passage after a #, then its questions and their answers, one of each a line."""
    passage = ""
    for number, line in numbered_lines(path):
        if line.startswith("#"):
            passage = line[1:].strip()
            continue
        question, answer = _fields(path, number, line, 2)
        start = passage.find(answer)
        if start < 0:
            raise MakeError(f'{path}, line {number}: "{answer}" does not stand in the passage above.')
        yield Question(question, passage, (answer,), start, len(answer))


def marked_names(path: Path) -> Iterator[Tagged]:
    """A text a line, its entities marked as [surface|type]."""
    for number, line in numbered_lines(path):
        text, mentions, done = "", list[Mention](), 0
        for found in _MARKED.finditer(line):
            text += line[done : found.start()]
            mentions.append(Mention(len(text), len(text) + len(found[1]), found[2]))
            text, done = text + found[1], found.end()
        text += line[done:].rstrip()
        if not text or any(mark in text for mark in "[]|"):
            raise MakeError(f"{path}, line {number}: no text, or a mark that is not [surface|type].")
        yield Tagged(text, tuple(mentions))


def _fields(path: Path, number: int, line: str, count: int) -> list[str]:
    """The texts of a line between its tabs, all different and none of them empty."""
    fields = [field.strip() for field in line.split("\t")]
    if len(set(fields)) != count or len(fields) != count or not all(fields):
        raise MakeError(f"{path}, line {number}: not {count} different texts with tabs between.")
    return fields
