"""Raw texts of the known sets, to count or to learn from without labels. Dev and test files stay closed."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from models.data.sets import data_file
from models.errors import MakeError


def _strings(value: Any) -> Iterator[str]:  # noqa: ANN401 - parsed JSON of any form
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for inner in value.values():
            yield from _strings(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _strings(inner)


def _json_fields(*fields: str) -> Callable[[Path], Iterator[str]]:
    def read(path: Path) -> Iterator[str]:
        with path.open(encoding="utf-8") as lines:
            for line in lines:
                row = json.loads(line)
                yield from (row[field] for field in fields)

    return read


def _columns(*columns: int, delimiter: str = "\t") -> Callable[[Path], Iterator[str]]:
    def read(path: Path) -> Iterator[str]:
        with path.open(encoding="utf-8-sig", newline="") as lines:
            for row in csv.reader(
                lines, delimiter=delimiter, quoting=csv.QUOTE_MINIMAL if delimiter == "," else csv.QUOTE_NONE
            ):
                yield from (row[column] for column in columns if column < len(row))

    return read


def _whole_json(path: Path) -> Iterator[str]:
    return _strings(json.loads(path.read_text(encoding="utf-8")))


def _squad(path: Path) -> Iterator[str]:
    for article in json.loads(path.read_text(encoding="utf-8"))["data"]:
        for paragraph in article["paragraphs"]:
            yield paragraph["context"]
            yield from (question["question"] for question in paragraph["qas"])


def _lines(path: Path) -> Iterator[str]:
    with path.open(encoding="utf-8") as lines:
        yield from lines


READERS: Mapping[str, Mapping[str, Callable[[Path], Iterator[str]]]] = {
    "tnews": {"train.json": _json_fields("sentence")},
    "afqmc": {"train.txt": _columns(0, 1)},
    "chnsenticorp": {"train.tsv": _columns(1)},
    "online_shopping": {"online_shopping_10_cats.csv": _columns(2, delimiter=",")},
    "book_review": {"train.tsv": _columns(1)},
    "cluener2020": {"train.json": _json_fields("text")},
    "cmrc2018": {"train.json": _squad},
    "c3": {"d-train.json": _whole_json, "m-train.json": _whole_json},
    "ocnli": {"train.50k.json": _json_fields("sentence1", "sentence2")},
    "zhihu_titles": {"unique_titles.txt": _lines},
}


def read_texts(data: Path, name: str) -> Iterator[str]:
    """Every text of set `name` that may be learnt from, stripped; blank ones are left out."""
    if name not in READERS:
        raise MakeError(f'"{name}" gives no raw texts; such sets are {", ".join(sorted(READERS))}.')
    for file, reader in READERS[name].items():
        path = data_file(data, name, file).path
        try:
            yield from (text.strip() for text in reader(path) if text.strip())
        except (ValueError, KeyError, TypeError) as error:
            raise MakeError(f"{path} cannot be read as {name} is published: {error!r}.") from error
