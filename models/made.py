"""What has been made in the work folder, to look at and to set side by side. Needs no torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
from rich.console import Console
from rich.table import Table

from models.errors import MakeError
from models.recipe import Recipe, read_recipe, recipe_names
from models.stamp import read_stamp, settings_of
from models.workspace import Trained, load_trained
from server.inference.manifest import MANIFEST_FILE, Manifest


@dataclass(frozen=True, slots=True)
class Made:
    """A recipe with what its work folder holds of it."""

    recipe: Recipe
    folder: Path

    @property
    def stages(self) -> list[str]:
        """The finished stages, each made on the one before it, up to the first that is not."""
        found, after = list[str](), ""
        for stage in self.recipe.stages:
            stamp = read_stamp(self.folder / stage)
            if stamp is None or (stamp.settings, stamp.after) != (settings_of(self.recipe, stage), after):
                break
            found.append(stage)
            after = stamp.made
        return found

    @property
    def trained(self) -> Trained | None:
        """The network that this recipe trains, if it is done."""
        last = self.recipe.networks[-1]
        return load_trained(self.folder / last) if last in self.stages else None

    @property
    def minutes(self) -> float | None:
        """Of all stages that trained; None where one is not finished."""
        if self.trained is None:
            return None
        return sum(self._trained_for(stage) for stage in self.recipe.trainings) / 60

    @property
    def seconds(self) -> dict[str, float]:
        """Wall time of each finished stage; a resumed training took what its epochs did, at the least."""
        found = {}
        for stage in self.stages:
            stamp = read_stamp(self.folder / stage)
            found[stage] = max(stamp.seconds if stamp else 0.0, self._trained_for(stage))
        return found

    def _trained_for(self, stage: str) -> float:
        if stage not in self.recipe.trainings:
            return 0.0
        return sum(epoch.seconds for epoch in load_trained(self.folder / stage).record.epochs)

    @property
    def manifest(self) -> Manifest | None:
        """Of the evaluated bundle, if it is this recipe's: two recipes may share a folder."""
        if "evaluate" not in self.stages:
            return None
        path = self.folder / "evaluate" / "bundle" / MANIFEST_FILE
        return msgspec.json.decode(path.read_bytes(), type=Manifest)


def made_of(name: str, work: Path) -> Made:
    """What there is of the recipe of that name or file."""
    recipe, _ = read_recipe(name)
    return Made(recipe, work / recipe.work)


def list_made(work: Path, console: Console) -> None:
    """All recipes of the house, and how far each is."""
    table = Table("recipe", "task", "data", "finished", "validation")
    for name in recipe_names():
        made = made_of(name, work)
        best = f"{made.trained.record.best:.4f}" if made.trained else ""
        table.add_row(name, made.recipe.task, made.recipe.data.set, ", ".join(made.stages), best)
    console.print(table)


def show(name: str, work: Path, console: Console) -> None:
    """One recipe's run record and figures; MakeError where nothing was trained yet."""
    made = made_of(name, work)
    if made.trained is None:
        raise MakeError(f"{name} has no trained network in {made.folder} yet.")
    record = made.trained.record
    console.print(f"{name}: {made.folder}, finished: {', '.join(made.stages)}")
    console.print(
        f"made {record.made}, commit {record.commit or 'unknown'}, seed {record.seed}, {record.base}"
    )
    for data in record.data:
        console.print(f"learnt {data.rows} rows of {data.file} ({data.source})")
    table = Table("epoch", "loss", "validation", "seconds", "tokens")
    for epoch in record.epochs:
        numbers = (f"{epoch.loss:.4f}", f"{epoch.validation:.4f}", f"{epoch.seconds:.0f}", str(epoch.tokens))
        table.add_row(str(epoch.number), *numbers)
    console.print(table)
    took = made.seconds
    console.print(f"seconds: {', '.join(f'{stage} {each:.0f}' for stage, each in took.items())}")
    console.print(f"in all {sum(took.values()) / 60:.1f} minutes")
    for look in record.looks:
        console.print(f"look at {look.split}, {look.when}: {look.why}")
    for line in _figures(made).items():
        console.print(f"{line[0]}: {line[1]}")


def compare(names: Sequence[str], work: Path, console: Console) -> None:
    """Recipes side by side, a line a figure."""
    columns = {name: _figures(made_of(name, work)) for name in names}
    table = Table("", *names)
    for line in dict.fromkeys(line for figures in columns.values() for line in figures):
        table.add_row(line, *(columns[name].get(line, "") for name in names))
    console.print(table)


def _figures(made: Made) -> dict[str, str]:
    found = {}
    if made.trained:
        record = made.trained.record
        found["validation"] = f"{record.best:.4f} ({record.validation_rows} rows)"
        found["parameters"] = f"{made.trained.config.shape.parameters:,}"
        found["minutes of training"] = f"{made.minutes:.0f}"
    if made.manifest:
        found["bytes"] = f"{sum(file.bytes for file in made.manifest.files):,}"
        widest = zip(made.manifest.cost.widths, made.manifest.cost.seconds[0], strict=True)
        found["ms alone"] = ", ".join(f"{1000 * seconds:.2g} at {width}" for width, seconds in widest)
        for each in made.manifest.quality:
            bounds = "" if each.low is None else f" ({each.low:.4f} to {each.high:.4f})"
            found[f"{each.metric}, {each.split}"] = f"{each.value:.4f}{bounds}"
    return found
