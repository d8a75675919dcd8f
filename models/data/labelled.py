"""Readers of the sets whose rows are a text and a label. A broken row stops with its file and line."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from models.data.rows import Labelled
from models.data.sets import DataFile, data_file
from models.errors import MakeError

Split = str


def _jsonl(path: Path, text_field: str, label_field: str) -> Iterator[Labelled]:
    with path.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            try:
                row = json.loads(line)
                text, label = row[text_field], row[label_field]
            except (ValueError, KeyError, TypeError) as error:
                raise MakeError(
                    f'{path}, line {number}: no JSON object with "{text_field}" and "{label_field}".'
                ) from error
            yield _checked(path, number, text, label)


def _tsv(path: Path) -> Iterator[Labelled]:
    with path.open(encoding="utf-8-sig") as lines:
        if next(lines, "").rstrip("\r\n") != "label\ttext_a":
            raise MakeError(f'{path}, line 1: the header should be "label", a tab, "text_a".')
        for number, line in enumerate(lines, 2):
            label, tab, text = line.rstrip("\r\n").partition("\t")
            if not tab:
                raise MakeError(f"{path}, line {number}: no tab between label and text.")
            yield _checked(path, number, text, label)


def _checked(path: Path, number: int, text: object, label: object) -> Labelled:
    if not isinstance(text, str) or not text.strip():
        raise MakeError(f"{path}, line {number}: the text is empty or no text.")
    if not isinstance(label, str) or not label:
        raise MakeError(f"{path}, line {number}: the label is empty or no text.")
    return Labelled(text, label)


def _tnews(path: Path) -> Iterator[Labelled]:
    return _jsonl(path, "sentence", "label_desc")


READERS: Mapping[str, tuple[Callable[[Path], Iterator[Labelled]], Mapping[Split, str]]] = {
    "tnews": (_tnews, {"train": "train.json", "dev": "dev.json"}),
    "chnsenticorp": (_tsv, {"train": "train.tsv", "dev": "dev.tsv", "test": "test.tsv"}),
    "book_review": (_tsv, {"train": "train.tsv", "dev": "dev.tsv"}),
}


def read_labelled(data: Path, name: str, split: Split) -> tuple[list[Labelled], DataFile]:
    """The rows of one split of set `name`, in the file's order and with its repeats."""
    if name not in READERS:
        raise MakeError(f'"{name}" has no text and label a row; such sets are {", ".join(sorted(READERS))}.')
    reader, files = READERS[name]
    if split not in files:
        raise MakeError(f'"{name}" has no split "{split}"; it has {", ".join(files)}.')
    file = data_file(data, name, files[split])
    rows = list(reader(file.path))
    if not rows:
        raise MakeError(f"{file.path} holds no rows.")
    return rows, file
