"""The stages of a recipe, in order; each leaves a folder behind, and a finished one is not done again."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from rich.console import Console

from models import evaluate, finetune, graphs, pack, start
from models.errors import MakeError
from models.job import Job
from models.recipe import read_recipe

STAGES: Mapping[str, Callable[[Job], object]] = {
    "base": start.run,
    "finetune": finetune.run,
    "export": graphs.export,
    "quantise": graphs.quantise,
    "evaluate": evaluate.run,
    "pack": pack.run,
}


def make(recipe: str, data: Path, work: Path, console: Console, *, first: str = "", last: str = "") -> None:
    """Run the stages from `first` (or the first unfinished one) until `last`."""
    for name in filter(None, (first, last)):
        if name not in STAGES:
            raise MakeError(f'There is no stage "{name}"; stages are {", ".join(STAGES)}.')
    if not data.is_dir():
        raise MakeError(f"{data} is not a folder.")
    read, digest = read_recipe(recipe)
    job = Job(read, digest, data, work, console)
    again = False
    for name, stage in STAGES.items():
        again = again or name == first
        if not again and job.folder(name).exists():
            console.print(f"{name}: done before, kept")
        else:
            console.print(f"{name}: begins")
            stage(job)
            again = True  # what stands on an older result of this stage is out of date
        if name == last:
            break
