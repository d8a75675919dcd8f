"""The stages of a recipe, in order; each leaves a folder behind, and a finished one is not done again."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

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
from models.task_data import split_of
from models.tasks import TASKS
from models.teachers import teacher_of
from models.workspace import commit_here

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
    """Run the stages from `first` (or the first unfinished one) until `last`."""
    if not data.is_dir():
        raise MakeError(f"{data} is not a folder.")
    read, digest = read_recipe(recipe)
    stages = read.stages
    for name in filter(None, (first, last)):
        if name not in stages:
            raise MakeError(f'Recipe "{read.name}" has no stage "{name}"; it has {", ".join(stages)}.')
    job = Job(read, digest, commit_here(), data, work, console)
    check(job)
    again = False
    for name in stages:
        again = again or name == first
        if not again and job.folder(name).exists():
            console.print(f"{name}: done before, kept")
        else:
            console.print(f"{name}: begins")
            STAGES[name](job)
            for left in job.folder("checkpoints").glob(f"{name}-*"):  # a run that has ended has no use for it
                shutil.rmtree(left)
            again = True  # what stands on an older result of this stage is out of date
        if name == last:
            break


def check(job: Job) -> None:
    """Read all data that the recipe names, and its teacher: MakeError now rather than after hours."""
    recipe = job.recipe
    texts = [recipe.vocabulary.texts, recipe.rehearse.questions if recipe.rehearse else {}]
    texts += [each.texts for each in (recipe.pretrain, recipe.imitate, recipe.distil) if each]
    for name in dict.fromkeys(name for each in texts for name in each):
        check_texts(job.data, name)
    split_of(job)
    library, name = TASKS[job.recipe.task].library, job.recipe.data.set
    library.read(job.data, name, library.official(job.data, name))
    for name in recipe.teachers:
        teacher_of(job, name)
