"""Rows asked of a predictor, and what its answers are worth, as a bundle states it. Needs no torch."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from models.data.rows import Row, seen_before
from models.data.sets import DataFile
from models.errors import MakeError
from models.tasks import TASKS
from models.tasks.figures import Figure
from models.workspace import Look, Trained, load_trained, update_record
from server.inference.cores import cores
from server.inference.manifest import Manifest, Quality
from server.inference.predictor import Predictor
from server.inference.values import Answer, Task

UNSEEN = "texts that do not stand in train"


@dataclass(frozen=True, slots=True)
class Official:
    """A split that figures are measured on, with the train rows that baselines are made of."""

    task: Task
    name: str  # set and split, such as "tnews dev"
    file: DataFile
    rows: list[Any]  # all of the task's own kind of Row
    train: list[Any]


def read_official(task: Task, data: Path, name: str, split: str = "") -> Official:
    """The split of set `name`, the one that figures are measured on if none is named; MakeError."""
    library = TASKS[task].library
    split = split or library.official(data, name)
    rows, file = library.read(data, name, split)
    train, _ = library.read(data, name, "train")
    return Official(task, f"{name} {split}", file, rows, train)


def stated_official(manifest: Manifest, data: Path) -> Official:
    """The split that the bundle's first figure was measured on; MakeError where it has none."""
    on = manifest.quality[0].split.partition(",")[0] if manifest.quality else ""
    name, _, split = on.rpartition(" ")
    if not name:
        raise MakeError(f"{manifest.name} does not say what it was measured on; name a set with --set.")
    return read_official(manifest.task, data, name, split)


def ask(predictor: Predictor, rows: Sequence[Row]) -> list[Answer]:
    """The started predictor's answer to every row in order; each text is run alone, one on each core."""
    with ThreadPoolExecutor(cores()) as pool:
        return list(pool.map(predictor.answer, [row.asked for row in rows]))


def quality_of(official: Official, answers: Sequence[Answer], seed: int) -> tuple[Quality, ...]:
    """Figures on all rows, and on those whose text does not stand in train, where some do."""
    rows, train, task = official.rows, official.train, TASKS[official.task]
    found = [_as_quality(figure, official.name) for figure in task.figures(rows, answers, train, seed)]
    fresh = [place for place, seen in enumerate(seen_before(rows, train)) if not seen]
    if 0 < len(fresh) < len(rows):
        figures = task.figures([rows[i] for i in fresh], [answers[i] for i in fresh], train, seed)
        found += [_as_quality(figure, f"{official.name}, {UNSEEN}") for figure in figures]
    return tuple(found)


def record_look(trained: Trained, official: Official, quality: Sequence[Quality], why: str) -> None:
    """Write down in the network's record that it was asked an official split, and what was seen."""
    look = Look(
        split=official.file.name,
        when=datetime.now(UTC).isoformat(timespec="seconds"),
        why=why,
        rows=quality[0].n,
        figures={f"{each.metric}, {each.split}": each.value for each in quality},
    )
    record = load_trained(trained.folder).record  # others may have looked since
    update_record(trained, msgspec.structs.replace(record, looks=(*record.looks, look)))


def _as_quality(figure: Figure, split: str) -> Quality:
    return Quality(
        metric=figure.metric,
        value=figure.value,
        split=split,
        n=figure.n,
        low=figure.low,
        high=figure.high,
        baseline=figure.baseline,
        baseline_name=figure.baseline_name,
        notes=figure.notes,
    )
