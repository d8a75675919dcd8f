"""What a finished stage was made from, kept beside its result: whether a later making may stand on it."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from pathlib import Path

import msgspec
from msgspec import Struct

from models.data.texts import text_files
from models.job import Job
from models.recipe import Recipe
from models.task_data import split_of
from models.workspace import load_trained

STAMP_FILE = "stamp.json"


class Stamp(Struct, frozen=True, kw_only=True):
    """`settings` and `inputs` are digests: of the recipe so far, and of the stage's files and teachers.

    `made` tells this result from others of the same settings, `after` is that of the stage before.
    """

    settings: str
    inputs: str
    after: str
    made: str


def settings_of(recipe: Recipe, stage: str) -> str:
    """Digest of all that the recipe says of `stage` and of those before it."""
    digest = _digest(
        (recipe.base, recipe.task, recipe.seed, recipe.labels, recipe.data, recipe.vocabulary, recipe.network)
    )
    for name in recipe.stages[1 : recipe.stages.index(stage) + 1]:
        own = recipe.bundle if name in ("evaluate", "pack") else getattr(recipe, name, None)
        digest = _digest((digest, name, own))
    return digest


def holds(job: Job, stage: str) -> bool:
    """Whether the result of `stage` is there, of these settings and inputs, on what stands before it now."""
    stamp = read_stamp(job.folder(stage))
    return stamp is not None and stamp == _fresh(job, stage, stamp.made)


def leave_stamp(job: Job, stage: str) -> None:
    """Say of the result of `stage`, just made, what it was made from."""
    path = job.folder(stage) / STAMP_FILE
    stamp = _fresh(job, stage, datetime.now(UTC).isoformat())
    fresh = path.with_suffix(".tmp")
    fresh.write_bytes(msgspec.json.format(msgspec.json.encode(stamp), indent=1))
    fresh.replace(path)


def withdraw_stamp(job: Job, stage: str) -> None:
    """The result of `stage` is to be made anew; until then it stays."""
    (job.folder(stage) / STAMP_FILE).unlink(missing_ok=True)


def read_stamp(folder: Path) -> Stamp | None:
    """That of the stage in `folder`; None where nothing was made, or by a version that left none."""
    try:
        return msgspec.json.decode((folder / STAMP_FILE).read_bytes(), type=Stamp)
    except (FileNotFoundError, msgspec.DecodeError):
        return None


def _fresh(job: Job, stage: str, made: str) -> Stamp:
    stages = job.recipe.stages
    before = read_stamp(job.folder(stages[stages.index(stage) - 1])) if stage != stages[0] else None
    return Stamp(
        settings=settings_of(job.recipe, stage),
        inputs=_digest(_inputs(job, stage)),
        after=before.made if before else "",
        made=made,
    )


def _inputs(job: Job, stage: str) -> tuple[list[str], list[str]]:
    """Digests of the files that `stage` reads and no stage before it does, and the dates of its teachers."""
    recipe = job.recipe
    section = recipe.vocabulary if stage == "base" else getattr(recipe, stage, None)
    texts = getattr(section, "texts", None) if stage != "quantise" else None
    names = texts or getattr(section, "questions", None) or ()
    files = [file.sha256 for name in names for file in text_files(job.data, name)]
    if stage == "base":
        files += [file.sha256 for file in split_of(job).files]
    teachers = getattr(section, "teachers", None) or filter(None, [getattr(section, "teacher", "")])
    return files, [load_trained(job.work / name / "finetune").record.made for name in teachers]


def _digest(value: object) -> str:
    return hashlib.sha256(msgspec.json.encode(value)).hexdigest()[:16]
