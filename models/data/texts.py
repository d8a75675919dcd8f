"""Raw texts of the known sets, to count or to learn from without labels. Dev and test files stay closed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

from models.data.lines import csv_rows, json_rows, numbered_lines, whole_json
from models.data.questions import paragraphs
from models.data.sets import DataFile, data_file, found_file, own_file
from models.data.tagged import TAGGED
from models.errors import MakeError

Reader = Callable[[Path], Iterator[str]]


def _strings(value: Any) -> Iterator[str]:  # noqa: ANN401 - parsed JSON of any form
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for inner in value.values():
            yield from _strings(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _strings(inner)


def _json_fields(*fields: str) -> Reader:
    def read(path: Path) -> Iterator[str]:
        for number, row in json_rows(path):
            yield from (_text(path, number, row, field) for field in fields)

    return read


def _text(path: Path, number: int, row: Mapping[str, Any], field: str) -> str:
    """A field of a row, which may be blank; MakeError with file and line where it is no text."""
    text = row.get(field)
    if not isinstance(text, str):
        raise MakeError(f'{path}, line {number}: the "{field}" is missing or no text.')
    return text


def _columns(*columns: int, delimiter: str = "\t", headed: bool = False) -> Reader:
    def read(path: Path) -> Iterator[str]:
        least = max(columns) + 1
        for number, row in islice(csv_rows(path, delimiter), headed, None):
            if len(row) < least:
                raise MakeError(f"{path}, line {number}: {len(row)} columns in the place of {least} or more.")
            yield from (row[column].strip("\ufeff") for column in columns)

    return read


def _whole_json(path: Path) -> Iterator[str]:
    return _strings(whole_json(path))


def _squad(path: Path) -> Iterator[str]:
    for _, context, questions in paragraphs(path):
        yield context
        yield from (each["question"] for each in questions)


def _own_rows(path: Path) -> Iterator[str]:
    for number, row in json_rows(path):
        yield _text(path, number, row, "text")
        if row.get("text_pair") is not None:
            yield _text(path, number, row, "text_pair")


def _lines(path: Path) -> Iterator[str]:
    return (line for _, line in numbered_lines(path))


READERS: Mapping[str, Mapping[str, Reader]] = {
    "tnews": {"train.json": _json_fields("sentence")},
    "afqmc": {"train.txt": _columns(0, 1)},
    "chnsenticorp": {"train.tsv": _columns(1, headed=True)},
    "online_shopping": {"online_shopping_10_cats.csv": _columns(2, delimiter=",", headed=True)},
    "book_review": {"train.tsv": _columns(1, headed=True)},
    "cluener2020": {"train.json": _json_fields("text")},
    "cmrc2018": {"train.json": _squad},
    "c3": {"d-train.json": _whole_json, "m-train.json": _whole_json},
    "ocnli": {"train.50k.json": _json_fields("sentence1", "sentence2")},
    "zhihu_titles": {"unique_titles.txt": _lines},
}


OWN: Mapping[str, Reader] = {
    ".jsonl": _own_rows,
    ".conll": lambda path: (row.text for row in TAGGED.own[".conll"](path)),
    ".json": _squad,
}
"""Of a user's own set only the train file is read."""


def read_texts(data: Path, name: str) -> Iterator[str]:
    """Every text of set `name` that may be learnt from, stripped; blank ones are left out.

    MakeError where the set is unknown, a file is missing, a row is broken, or there is no text at all.
    """
    found = False
    for path, reader in _files(data, name):
        for text in filter(None, map(str.strip, reader(path))):
            found = True
            yield text
    if not found:
        raise MakeError(f"{data / name} holds no raw texts.")


def text_files(data: Path, name: str) -> list[DataFile]:
    """The files that `read_texts` reads, digested."""
    paths = [path for path, _ in _files(data, name)]
    return [data_file(data, name, p.name) if name in READERS else own_file(name, p) for p in paths]


def check_texts(data: Path, name: str) -> None:
    """Read set `name` through, under a second for each known one; MakeError as for `read_texts`."""
    for _ in read_texts(data, name):
        pass


def _files(data: Path, name: str) -> list[tuple[Path, Reader]]:
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
