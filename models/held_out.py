"""Whether a base may be validated on the rows that a recipe holds out: it must not have learnt them."""

from __future__ import annotations

from collections.abc import Sequence

from models.base import Base
from models.data.sets import DataFile
from models.errors import MakeError
from models.job import Job
from models.lineage import CLAUSES
from models.task_data import own_rows
from server.inference.manifest import DataDigest


def check_held_out(job: Job, base: Base) -> None:
    """A base that has learnt the recipe's set must have held out the same rows, or more; else MakeError."""
    train, validation, own = own_rows(job)  # the others hold nothing out
    learnt = [(at, each) for at, each in enumerate(base.data) if _of_file(each, own)]
    if not learnt:
        return
    _check_same(base, own, [each for _, each in learnt])
    if learnt[0][0]:
        raise MakeError(
            f"{base.name} has learnt this set beside another, and held nothing of it out: what would be "
            "validated on, it may know."
        )
    if base.seed != job.recipe.seed or _more_held(base, len(train), len(validation)):
        raise MakeError(
            f"{base.name} has learnt this set, {base.data[0].rows} rows, but for those held out by the seed "
            f"{base.seed}; the recipe, with the seed {job.recipe.seed}, learns {len(train)} and holds out "
            f"{len(validation)}: the seed must be the same, and `validation` no larger."
        )


def _of_file(learnt: DataDigest, own: DataFile) -> bool:
    """Whether it has learnt labels of that file; of which state of it, its digest says."""
    return learnt.file == own.name and learnt.source in (own.source, f"{CLAUSES} {own.source}")


def _check_same(base: Base, own: DataFile, learnt: Sequence[DataDigest]) -> None:
    """Other contents are cut otherwise: rows that were learnt would be held out."""
    if any(each.sha256 != own.sha256 for each in learnt):
        raise MakeError(
            f"{base.name} has learnt {own.name} with other contents: what would now be held out it may know. "
            "Go on from the base before, or put the new rows in a set of another name."
        )


def _more_held(base: Base, learnt: int, held: int) -> bool:
    """Whether the recipe holds out more than the base did; of older bundles only their rows are known."""
    return base.data[0].rows > learnt if base.held_out is None else held > base.held_out
