"""Readers of the sets whose rows are a text or two and a label. A broken row stops with file and line."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from models.data.library import Library
from models.data.lines import csv_rows, json_rows, numbered_lines
from models.data.rows import Labelled
from models.data.written import grouped_pairs, labelled_titles, short_reviews
from models.errors import MakeError

REVIEWS = {"1": "positive", "0": "negative"}
PAIRS = {"1": "same", "0": "different"}
INFERENCE = {name: name for name in ("entailment", "neutral", "contradiction")}
UNDECIDED = "-"


def checked(path: Path, number: int, value: object, what: str) -> str:
    """`value`, if it is a text that is not blank; MakeError with file and line otherwise."""
    if not isinstance(value, str) or not value.strip():
        raise MakeError(f"{path}, line {number}: the {what} is missing, empty or no text.")
    return value


def _named(path: Path, number: int, label: str, names: Mapping[str, str]) -> str:
    if label not in names:
        raise MakeError(f'{path}, line {number}: the label "{label}" is none of {", ".join(names)}.')
    return names[label]


def _tnews(path: Path) -> Iterator[Labelled]:
    for number, row in json_rows(path):
        text = checked(path, number, row.get("sentence"), '"sentence"')
        yield Labelled(text, checked(path, number, row.get("label_desc"), '"label_desc"'))


def _reviews_tsv(path: Path) -> Iterator[Labelled]:
    lines = numbered_lines(path)
    if next(lines, (1, ""))[1].rstrip("\r\n") != "label\ttext_a":
        raise MakeError(f'{path}, line 1: the header should be "label", a tab, "text_a".')
    for number, line in lines:
        label, tab, text = line.rstrip("\r\n").partition("\t")
        if not tab:
            raise MakeError(f"{path}, line {number}: no tab between label and text.")
        yield Labelled(checked(path, number, text, "text"), _named(path, number, label, REVIEWS))


def _online_shopping(path: Path) -> Iterator[Labelled]:
    """One review has no text and is left out."""
    rows = csv_rows(path)
    if next(rows, (1, []))[1] != ["cat", "label", "review"]:
        raise MakeError(f'{path}, line 1: the header should be "cat,label,review".')
    for number, row in rows:
        if len(row) != 3:
            raise MakeError(f"{path}, line {number}: {len(row)} columns in the place of 3.")
        label = _named(path, number, row[1], REVIEWS)
        if row[2].strip():
            yield Labelled(row[2].strip("\ufeff"), label)


def _afqmc(path: Path) -> Iterator[Labelled]:
    for number, line in numbered_lines(path):
        parts = line.rstrip("\r\n").split("\t")
        if len(parts) != 3:
            raise MakeError(f"{path}, line {number}: {len(parts)} columns in the place of 3.")
        first, second = (checked(path, number, part, "text") for part in parts[:2])
        yield Labelled(first, _named(path, number, parts[2], PAIRS), second)


def _ocnli(path: Path) -> Iterator[Labelled]:
    """Premise and hypothesis; those on which no three of the five who were asked agreed are left out."""
    for number, row in json_rows(path):
        premise, hypothesis, label = (
            checked(path, number, row.get(field), f'"{field}"')
            for field in ("sentence1", "sentence2", "label")
        )
        if label != UNDECIDED:
            yield Labelled(premise, _named(path, number, label, INFERENCE), hypothesis)


def _jsonl(path: Path) -> Iterator[Labelled]:
    for number, row in json_rows(path):
        yield Labelled(
            checked(path, number, row.get("text"), '"text"'),
            checked(path, number, row.get("label"), '"label"'),
        )


def _pair_jsonl(path: Path) -> Iterator[Labelled]:
    for number, row in json_rows(path):
        first, second, label = (
            checked(path, number, row.get(field), f'"{field}"') for field in ("text", "text_pair", "label")
        )
        yield Labelled(first, label, second)


_TRAIN_DEV = {"train": "train.tsv", "dev": "dev.tsv"}

LABELLED = Library(
    "a text and a label",
    {
        "tnews": (_tnews, {"train": "train.json", "dev": "dev.json"}),
        "chnsenticorp": (_reviews_tsv, {**_TRAIN_DEV, "test": "test.tsv"}),
        "online_shopping": (_online_shopping, {"train": "online_shopping_10_cats.csv"}),
        "book_review": (_reviews_tsv, _TRAIN_DEV),
        "written_titles": (labelled_titles, {"train": "train.tsv", "test": "test.tsv"}),
        "written_reviews": (short_reviews, {"train": "train.tsv", "test": "test.tsv"}),
    },
    {".jsonl": _jsonl},
)
PAIRED = Library(
    "two texts and a label",
    {
        "afqmc": (_afqmc, {"train": "train.txt", "dev": "dev.txt"}),
        "ocnli": (_ocnli, {"train": "train.50k.json", "dev": "dev.json"}),
        "written_pairs": (grouped_pairs, {"train": "train.tsv", "test": "test.tsv"}),
    },
    {".jsonl": _pair_jsonl},
)
