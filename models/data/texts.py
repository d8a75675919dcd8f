"""Raw texts of the known sets, to count or to learn from without labels. Dev and test files stay closed."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from models.data.labelled import json_rows
from models.data.sets import DataFile, data_file, found_file, own_file
from models.data.tagged import TAGGED
from models.errors import MakeError

_FIELDS = ("text", "text_pair")


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


OWN: Mapping[str, Callable[[Path], Iterator[str]]] = {
    ".jsonl": lambda path: (row[field] for _, row in json_rows(path) for field in _FIELDS if row.get(field)),
    ".conll": lambda path: (row.text for row in TAGGED.own[".conll"](path)),
    ".json": _squad,
}
"""Of a user's own set only the train file is read."""


def read_texts(data: Path, name: str) -> Iterator[str]:
    """Every text of set `name` that may be learnt from, stripped; blank ones are left out."""
    for path, reader in _files(data, name):
        try:
            yield from (text.strip() for text in reader(path) if text.strip())
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise MakeError(f"{path} cannot be read as raw texts: {error!r}.") from error


def text_files(data: Path, name: str) -> list[DataFile]:
    """The files that `read_texts` reads, digested."""
    paths = [path for path, _ in _files(data, name)]
    return [data_file(data, name, p.name) if name in READERS else own_file(name, p) for p in paths]


def check_texts(data: Path, name: str) -> None:
    """MakeError where set `name` is unknown or a file of it is missing."""
    _files(data, name)


def _files(data: Path, name: str) -> list[tuple[Path, Callable[[Path], Iterator[str]]]]:
    if name in READERS:
        return [(found_file(data, name, file), reader) for file, reader in READERS[name].items()]
    own = [(data / name / f"train{ending}", reader) for ending, reader in OWN.items()]
    found = [(path, reader) for path, reader in own if path.is_file()]
    if not found:
        raise MakeError(
            f'"{name}" gives no raw texts: {data / name} holds no train{", train".join(OWN)}, and the known '
            f"sets that do are {', '.join(sorted(READERS))}."
        )
    return found
