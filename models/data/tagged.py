"""Readers of the sets whose rows are a text and its entities. A broken row stops with its file and line."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from models.data.labelled import checked
from models.data.library import Library
from models.data.lines import json_rows, numbered_lines
from models.data.rows import Mention, Tagged
from models.data.written import marked_names
from models.errors import MakeError
from server.errors import BadBundle
from server.inference.decoding.tags import Tag, parsed

COLUMNS = re.compile(r"[ \t]+")


def _cluener(path: Path) -> Iterator[Tagged]:
    """CLUENER's form: by type and surface, ends inclusive."""
    for number, row in json_rows(path):
        text = checked(path, number, row.get("text"), '"text"')
        try:
            mentions = tuple(sorted(_inclusive(row["label"])))
            broken = [
                surface
                for surfaces in row["label"].values()
                for surface, places in surfaces.items()
                for start, end in places
                if text[start : end + 1] != surface
            ]
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise MakeError(
                f'{path}, line {number}: "label" is not {{type: {{text: [[start, end]]}}}}.'
            ) from error
        if broken:
            raise MakeError(f'{path}, line {number}: "{broken[0]}" does not stand where the row says.')
        yield Tagged(text, mentions)


def _inclusive(label: Mapping[str, Mapping[str, Any]]) -> Iterator[Mention]:
    for type_, surfaces in label.items():
        for places in surfaces.values():
            for start, end in places:
                yield Mention(start, end + 1, type_)


def _jsonl(path: Path) -> Iterator[Tagged]:
    """The form of the server's own answers: entities with type, start and end (exclusive), perhaps text."""
    for number, row in json_rows(path):
        text, entities = checked(path, number, row.get("text"), '"text"'), row.get("entities")
        if not isinstance(entities, list) or not all(isinstance(each, dict) for each in entities):
            raise MakeError(f'{path}, line {number}: "entities" is not a list of {{"type", "start", "end"}}.')
        try:
            mentions = tuple(sorted(_own_mention(text, each) for each in entities))
            _check_apart(text, mentions)
        except ValueError as error:
            raise MakeError(f"{path}, line {number}: {error}.") from error
        yield Tagged(text, mentions)


def _own_mention(text: str, given: Mapping[str, Any]) -> Mention:
    """An entity of a user's own row; ValueError, in words, where it is none of this text."""
    type_, start, end = (given.get(field) for field in ("type", "start", "end"))
    if not isinstance(type_, str) or not type_.strip():
        raise ValueError('the "type" of an entity is missing, empty or no text')
    if type(start) is not int or type(end) is not int:  # to isinstance, false would be a 0
        said = f"{json.dumps(start)} and {json.dumps(end)}"
        raise ValueError(f'the "start" and "end" of an entity must be integers, but are {said}')
    if not 0 <= start < end <= len(text):
        raise ValueError(f"an entity lies outside the text of {len(text)} characters: {start} to {end}")
    stands = text[start:end]
    if given.get("text", stands) != stands:
        said = json.dumps(given["text"], ensure_ascii=False)
        raise ValueError(f'the "text" of an entity is {said}, but from {start} to {end} stands "{stands}"')
    return Mention(start, end, type_)


def _check_apart(text: str, mentions: Sequence[Mention]) -> None:
    """ValueError, in words, where two of `mentions`, which are in order, overlap."""
    for left, right in pairwise(mentions):
        if right.start < left.end:
            names = " and ".join(f'"{text[each.start : each.end]}"' for each in (left, right))
            raise ValueError(
                f"the entities {names} overlap at {right.start}, but a character takes one tag: one must go"
            )


def _conll(path: Path) -> Iterator[Tagged]:
    """CoNLL's form: a token and its tag (the last column) a line, an empty line after each text.

    Where every token of a file is a single character, it was written character by character: no spaces.
    """
    texts = list(_texts(path))
    characters = all(len(token) == 1 for tokens in texts for token, _ in tokens)
    return (_joined(tokens, "" if characters else " ") for tokens in texts)


def _texts(path: Path) -> Iterator[list[tuple[str, Tag]]]:
    tokens: list[tuple[str, Tag]] = []
    for number, line in numbered_lines(path):
        parts = COLUMNS.split(line.strip(" \t\r\n"))  # a wide space may be a token
        if line.strip() and not line.startswith("-DOCSTART-"):
            tokens.append(_token(path, number, parts))
        elif tokens:
            yield tokens
            tokens = []
    if tokens:
        yield tokens


def _token(path: Path, number: int, parts: list[str]) -> tuple[str, Tag]:
    if len(parts) < 2:
        raise MakeError(f"{path}, line {number}: no tag beside the token.")
    try:
        return parts[0], parsed(parts[-1])
    except BadBundle as error:
        raise MakeError(f"{path}, line {number}: {error.message}") from error


def _joined(tokens: list[tuple[str, Tag]], between: str) -> Tagged:
    """One text of its tokens, with `between` two ASCII ones; a stray I begins an entity."""
    text, last = "", Tag("O", "")
    mentions: list[Mention] = []
    for token, tag in tokens:
        if text and text[-1].isascii() and token[0].isascii():
            text += between
        start = len(text)
        text += token
        if tag.part in ("I", "E") and last.part in ("B", "I") and last.type == tag.type:
            mentions[-1] = Mention(mentions[-1].start, len(text), tag.type)
        elif tag.part != "O":
            mentions.append(Mention(start, len(text), tag.type))
        last = tag
    return Tagged(text, tuple(mentions))


TAGGED = Library(
    "a text and entities",
    {
        "cluener2020": (_cluener, {"train": "train.json", "dev": "dev.json"}),
        "written_names": (marked_names, {"train": "train.txt", "test": "test.txt"}),
    },
    {".jsonl": _jsonl, ".conll": _conll},
)
