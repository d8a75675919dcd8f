"""What a finished stage was made from, kept beside its result: whether a later making may stand on it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import msgspec
from msgspec import UNSET, Struct

from models.base import open_base
from models.data.texts import text_files
from models.errors import MakeError
from models.job import Job
from models.recipe import Recipe
from models.sections import Section
from models.task_data import official_splits, split_of
from models.workspace import load_trained

STAMP_FILE = "stamp.json"
FIGURES = ("evaluate", "pack")


class Stamp(Struct, frozen=True, kw_only=True):
    """`settings` and `inputs` are digests: of the recipe so far, and of the stage's files and teachers.

    `made` tells this result from others of the same settings, `after` is that of the stage before.
    `seconds` of wall time are of the making that ended it: where that went on from a checkpoint, of the rest.
    """

    settings: str
    inputs: str
    after: str
    made: str
    seconds: float = 0.0


def settings_of(recipe: Recipe, stage: str) -> str:
    """Digest of all that the recipe says of `stage` and of those before it."""
    digest = _digest(
        (recipe.base, recipe.task, recipe.seed, recipe.labels, recipe.data, recipe.vocabulary, recipe.network)
    )
    for name in recipe.stages[1 : recipe.stages.index(stage) + 1]:
        section: Section | None = getattr(recipe, name, None)
        own = (recipe.name, recipe.bundle) if name in FIGURES else section and section.telling()
        digest = _digest((digest, name, own))
    return digest


def stamp_of(job: Job, stage: str) -> Stamp:
    """What `stage` would be made from now; computed before it is, so that what changes meanwhile shows."""
    stages = job.recipe.stages
    before = read_stamp(job.folder(stages[stages.index(stage) - 1])) if stage != stages[0] else None
    return Stamp(
        settings=settings_of(job.recipe, stage),
        inputs=_digest(list(_inputs(job, stage))),
        after=before.made if before else "",
        made=datetime.now(UTC).isoformat(),
    )


def holds(job: Job, stage: str, fresh: Stamp) -> bool:
    """Whether what stands in the folder of `stage` is what its fresh stamp would be given to.

    A network without a stamp, which a former version left, is if it is of this very recipe.
    """
    stamp = read_stamp(job.folder(stage))
    if stamp is None:
        return _left_by_former_version(job.folder(stage), job.recipe_sha256)
    return msgspec.structs.replace(fresh, made=stamp.made, seconds=stamp.seconds) == stamp


def write_stamp(folder: Path, stamp: Stamp) -> None:
    """Put the stamp beside the result in `folder`."""
    fresh = (folder / STAMP_FILE).with_suffix(".tmp")
    fresh.write_bytes(msgspec.json.format(msgspec.json.encode(stamp), indent=1))
    fresh.replace(folder / STAMP_FILE)


def withdraw_stamp(folder: Path) -> None:
    """The result in `folder` is to be made anew; until then it stays."""
    if folder.is_dir():
        write_stamp(folder, Stamp(settings="", inputs="", after="", made=""))


def read_stamp(folder: Path) -> Stamp | None:
    """That of the stage in `folder`; None where there is none."""
    try:
        return msgspec.json.decode((folder / STAMP_FILE).read_bytes(), type=Stamp)
    except (FileNotFoundError, msgspec.DecodeError):
        return None


def _left_by_former_version(folder: Path, recipe_sha256: str) -> bool:
    try:
        return load_trained(folder).record.recipe_sha256 == recipe_sha256
    except MakeError:
        return False


def _inputs(job: Job, stage: str) -> Iterator[str]:
    """Digests of what `stage` reads and no stage before it does, and the dates of its teachers."""
    recipe = job.recipe
    section = recipe.vocabulary if stage == "base" else getattr(recipe, stage, None)
    texts = getattr(section, "texts", None) if stage != "quantise" else None
    names = texts or getattr(section, "questions", None) or ()
    for name in names:
        yield from (file.sha256 for file in text_files(job.data, name))
    if stage == "base":
        yield from (file.sha256 for file in split_of(job).files)
        if recipe.data.besides:  # they leave out what it holds
            yield from (file.sha256 for _, file in official_splits(job))
        above = recipe.network.above
        for base in (recipe.base, *(() if above is UNSET else (above.base,))):
            if "@" not in base:  # else its name says which it is
                yield open_base(base).sha256
    elif stage in FIGURES or names:  # no raw text is learnt that figures are measured on
        yield from (file.sha256 for _, file in official_splits(job))
    for name in getattr(section, "teachers", None) or filter(None, [getattr(section, "teacher", "")]):
        yield load_trained(job.work / name / "finetune").record.made


def _digest(value: object) -> str:
    return hashlib.sha256(msgspec.json.encode(value)).hexdigest()[:16]
