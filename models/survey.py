"""What a data set holds: counts, lengths, labels, repeats and overlaps. Knows no network."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from models.data.lines import json_rows
from models.data.rows import Row, seen_before, without_repeats
from models.data.sets import SETS, DataFile
from models.data.texts import read_texts, text_files
from models.errors import MakeError
from models.tasks import TASKS, TaskWork
from server.inference.values import Task


@dataclass(frozen=True, slots=True)
class Part:
    """One split of a set; `lengths` are characters of both texts together."""

    split: str
    file: DataFile
    rows: int
    repeats: int
    left_out: int  # rows that nothing can be learnt from
    lengths: tuple[int, ...]
    labels: Counter[str]
    in_train: int


def task_of(data: Path, name: str) -> Task | None:
    """The task of set `name`; None where it holds raw texts alone. MakeError where there is no such set."""
    for task, work in TASKS.items():
        if name in work.library.known:
            return task
    if name in SETS:
        return None
    return _task_of_own(data / name)


def _task_of_own(folder: Path) -> Task:
    """By the ending and the fields of its train file."""
    if (folder / "train.jsonl").is_file():
        _, fields = next(json_rows(folder / "train.jsonl"), (0, {}))
        return Task.NER if "entities" in fields else Task.PAIR if "text_pair" in fields else Task.CLASSIFY
    for ending, task in ((".conll", Task.NER), (".json", Task.QA)):
        if (folder / f"train{ending}").is_file():
            return task
    raise MakeError(
        f'"{folder.name}" is none of the known sets {", ".join(sorted(SETS))}, and {folder} holds no '
        "train.jsonl, train.conll or train.json."
    )


def parts_of(data: Path, name: str, task: Task) -> list[Part]:
    """Every split of a set, read to the end."""
    work = TASKS[task]
    read = {split: work.library.read(data, name, split) for split in work.library.splits(data, name)}
    train = read["train"][0] if "train" in read else []
    return [_part(work, split, rows, file, train) for split, (rows, file) in read.items()]


def _part(work: TaskWork[Any], split: str, rows: list[Row], file: DataFile, train: Sequence[Row]) -> Part:
    return Part(
        split=split,
        file=file,
        rows=len(rows),
        repeats=len(rows) - len(without_repeats(rows)),
        left_out=sum(not work.learnable(row) for row in rows),
        lengths=tuple(len(row.asked.first) + len(row.asked.second or "") for row in rows),
        labels=Counter(label for row in rows for label in work.labels(row)),
        in_train=0 if split == "train" else sum(seen_before(rows, train)),
    )


def overlaps(data: Path, name: str, task: Task) -> list[str]:
    """Sentences on the texts of other sets' official splits that stand in this set's train."""
    library, found = TASKS[task].library, []
    train = library.read(data, name, "train")[0] if "train" in library.splits(data, name) else []
    for other in library.known:
        split = library.official(data, other)
        if other == name or split not in library.splits(data, other) or not (data / other).is_dir():
            continue
        try:
            rows, _ = library.read(data, other, split)
        except MakeError:  # another set's trouble is not this one's
            continue
        count = sum(seen_before(rows, train))
        if count:
            found.append(f"{count} of the {len(rows)} texts of {other} {split} stand in {name} train.")
    return found


def survey(data: Path, name: str, console: Console) -> None:
    """Print what set `name` holds; MakeError where it is not there or broken."""
    known, task = SETS.get(name), task_of(data, name)
    if known:
        console.print(f"{name}: {known.source}; terms: {known.terms}")
    if task is None:
        texts = list(read_texts(data, name))
        repeats = len(texts) - len(set(texts))
        lengths = _lengths([len(text) for text in texts])
        console.print(f"{len(texts)} raw texts, {repeats} of them repeats, characters {lengths}")
        _print_files(text_files(data, name), console)
        return
    parts = parts_of(data, name, task)
    table = Table(
        "split", "rows", "repeats", "left out", "also in train", "characters", title=f"{name} ({task})"
    )
    for part in parts:
        counts = (part.rows, part.repeats, part.left_out, part.in_train)
        table.add_row(part.split, *map(str, counts), _lengths(part.lengths))
    console.print(table)
    _print_files((part.file for part in parts), console)
    if any(part.labels for part in parts):
        console.print(_labels(parts))
    for sentence in overlaps(data, name, task):
        console.print(sentence)


def _print_files(files: Iterable[DataFile], console: Console) -> None:
    """A line a file, each file once and none cut, however narrow the terminal is."""
    for file in dict.fromkeys(files):
        same = {True: "as published", False: "NOT as published", None: "own"}[file.published]
        console.print(f"{file.name}: {same}, SHA-256 {file.sha256}", markup=False, soft_wrap=True)


def _lengths(lengths: Sequence[int]) -> str:
    middle, most = np.percentile(lengths, [50, 95])
    return (
        f"mean {np.mean(lengths):.0f}, half up to {middle:.0f}, 95 % up to {most:.0f}, at most {max(lengths)}"
    )


def _labels(parts: Sequence[Part]) -> Table:
    table = Table("label", *(part.split for part in parts))
    names = sorted(
        {label for part in parts for label in part.labels}, key=lambda each: -parts[0].labels[each]
    )
    for label in names:
        table.add_row(label, *(_share(part.labels[label], part.labels.total()) for part in parts))
    return table


def _share(count: int, of: int) -> str:
    return f"{count} ({count / of:.1%})" if of else "0"
