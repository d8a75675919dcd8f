"""The stages of a recipe, in order; each leaves a folder behind, and a finished one is not done again."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from time import monotonic

import msgspec
from rich.console import Console

from models import (
    calibrate,
    distil,
    evaluate,
    finetune,
    graphs,
    grow,
    imitate,
    pack,
    pretrain,
    prune,
    rehearse,
    start,
    theseus,
)
from models.data.texts import check_texts
from models.errors import MakeError
from models.job import Job
from models.recipe import read_recipe
from models.sections import Imitation
from models.shape import Shape
from models.stamp import holds, read_stamp, stamp_of, withdraw_stamp, write_stamp
from models.task_data import check_labels, official_splits, split_of
from models.teachers import check_held_out, teacher_of
from models.workspace import alone, commit_here

STAGES: Mapping[str, Callable[[Job], object]] = {
    "base": start.run,
    "pretrain": pretrain.run,
    "rehearse": rehearse.run,
    "theseus": theseus.run,
    "imitate": imitate.run,
    "finetune": finetune.run,
    "distil": distil.run,
    "prune": prune.run,
    "grow": grow.run,
    "calibrate": calibrate.run,
    "export": graphs.export,
    "quantise": graphs.quantise,
    "evaluate": evaluate.run,
    "pack": pack.run,
}


def make(recipe: str, data: Path, work: Path, console: Console, *, first: str = "", last: str = "") -> None:
    """Run the stages until `last` that are not done: from `first` on all, and all that stand on another."""
    if not data.is_dir():
        raise MakeError(f"{data} is not a folder.")
    read, digest = read_recipe(recipe)
    stages = read.stages
    for name in filter(None, (first, last)):
        if name not in stages:
            raise MakeError(f'Recipe "{read.name}" has no stage "{name}"; it has {", ".join(stages)}.')
    if first and last and stages.index(first) > stages.index(last):
        raise MakeError(f'"{first}" comes after "{last}": nothing would be made.')
    job = Job(read, digest, commit_here(), data, work, console)
    check(job)
    with alone(work / read.work):
        for name in stages[stages.index(first) :] if first else ():
            withdraw_stamp(job.folder(name))
        for name in stages[: stages.index(last) + 1 if last else None]:
            _make_stage(job, name)


def _make_stage(job: Job, name: str) -> None:
    stamp = stamp_of(job, name)
    if holds(job, name, stamp):
        job.console.print(f"{name}: done before, kept")
        if read_stamp(job.folder(name)) is None:
            write_stamp(job.folder(name), stamp)
        return
    there = job.folder(name).exists()
    job.console.print(f"{name}: begins anew, what is there is out of date" if there else f"{name}: begins")
    begun = monotonic()
    STAGES[name](job)
    write_stamp(job.folder(name), msgspec.structs.replace(stamp, seconds=monotonic() - begun))
    for left in job.folder("checkpoints").glob(f"{name}-*"):  # a run that has ended has no use for it
        shutil.rmtree(left)


def check(job: Job) -> None:
    """Read all that the recipe names: MakeError now rather than after hours."""
    recipe = job.recipe
    texts = [recipe.vocabulary.texts, recipe.rehearse.questions if recipe.rehearse else {}]
    texts += [each.texts for each in (recipe.pretrain, recipe.imitate, recipe.distil) if each]
    for name in dict.fromkeys(name for each in texts for name in each):
        check_texts(job.data, name)
    split = split_of(job)
    for rows, file in official_splits(job):
        check_labels(recipe, rows, file)
    if not all(
        holds(job, name, stamp_of(job, name)) for name in recipe.networks if name in ("base", "pretrain")
    ):
        base = start.checked_base(job)  # which need not be here any more once it was taken
        if recipe.pretrain and recipe.pretrain.imitate:
            _check_layers("pretrain", recipe.pretrain.imitate, base.shape)
    for name in recipe.teachers:
        check_held_out(job, teacher_of(job, name), split)
    if recipe.imitate:
        shape = teacher_of(job, recipe.imitate.teacher).config.shape
        _check_layers("imitate", recipe.imitate.imitate, shape)


def _check_layers(stage: str, imitation: Imitation, shape: Shape) -> None:
    if max(imitation.layers) >= shape.layers:
        raise MakeError(
            f"[{stage}] imitates layers {list(imitation.layers)}; there are 0 to {shape.layers - 1}."
        )
