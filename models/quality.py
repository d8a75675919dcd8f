"""Rows asked of a predictor, and what its answers are worth, as a bundle states it. Needs no torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from models.data.rows import Row, seen_before
from models.data.sets import DataFile
from models.tasks import TASKS
from models.tasks.figures import Figure
from server.inference.manifest import Quality
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


def ask(predictor: Predictor, rows: Sequence[Row]) -> list[Answer]:
    """The started predictor's answer to every row, each text alone."""
    return [predictor.answer(row.asked) for row in rows]


def quality_of(official: Official, answers: Sequence[Answer], seed: int) -> tuple[Quality, ...]:
    """Figures on all rows, and on those whose text does not stand in train, where some do."""
    rows, train, task = official.rows, official.train, TASKS[official.task]
    found = [_as_quality(figure, official.name) for figure in task.figures(rows, answers, train, seed)]
    fresh = [place for place, seen in enumerate(seen_before(rows, train)) if not seen]
    if 0 < len(fresh) < len(rows):
        figures = task.figures([rows[i] for i in fresh], [answers[i] for i in fresh], train, seed)
        found += [_as_quality(figure, f"{official.name}, {UNSEEN}") for figure in figures]
    return tuple(found)


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
