"""Rows that were made to practise on, kept so that they can be learnt beside the labelled ones too."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import msgspec
from msgspec import UNSET

from models.data.rows import Labelled, Question
from models.errors import MakeError
from models.job import Job
from models.task_data import Split
from models.workspace import fresh_folder
from server.inference.values import Task

ROWS_FILE = "rows.json"


def keep_rows(job: Job, rows: Sequence[Labelled | Question]) -> None:
    """Keep what [rehearse] practises on."""
    with fresh_folder(job.folder("practice")) as fresh:
        (fresh / ROWS_FILE).write_bytes(msgspec.json.encode(rows))


def with_practice(job: Job, split: Split) -> Split:
    """The split with as many made rows as [data.practised] says, drawn by the recipe's seed."""
    count = job.recipe.data.practised
    if count is UNSET:
        return split
    path = job.folder("practice") / ROWS_FILE
    kind: type[Any] = list[Question] if job.recipe.task is Task.QA else list[Labelled]
    try:
        rows: list[Any] = msgspec.json.decode(path.read_bytes(), type=kind)
    except (FileNotFoundError, msgspec.DecodeError) as error:
        raise MakeError(f"{path} does not hold the rows of [rehearse]: make it again, from there.") from error
    drawn = random.Random(job.recipe.seed).sample(rows, min(count, len(rows)))
    return replace(split, train=split.train + drawn)
