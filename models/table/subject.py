"""What there is here of one model: its network, its bundle and its float graph, all of the same training."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from models.made import Made, made_of
from models.recipe import Recipe
from models.workspace import FLOAT_FILE, Trained
from server.inference.bundle import Bundle, load_bundle
from server.inference.manifest import MANIFEST_FILE


@dataclass(frozen=True, slots=True)
class Subject:
    """One model to be measured; None where it is not here, and then `notes` say so.

    `minutes` are of all stages that trained.
    """

    name: str
    recipe: Recipe | None = None
    trained: Trained | None = None
    bundle: Bundle | None = None
    graph: Path | None = None
    minutes: float | None = None
    notes: tuple[str, ...] = field(default=())

    @property
    def teacher(self) -> str:
        """The work folder of whom it learnt from; empty where there is no such recipe or teacher."""
        return self.recipe.teacher if self.recipe else ""

    @property
    def made(self) -> str:
        """When its network was made, in UTC; empty where there is none."""
        if self.trained:
            return self.trained.record.made
        return self.bundle.manifest.lineage.made if self.bundle else ""


def of_recipe(name: str, work: Path) -> Subject:
    """What was made by the recipe of that name or file; MakeError where it is wrong."""
    made = made_of(name, work)
    trained = made.trained
    if trained is None:
        note = "it has not been trained here, so nothing was measured."
        return Subject(made.recipe.name, made.recipe, notes=(note,))
    bundle = _own_bundle(made, trained)
    return Subject(
        name=made.recipe.name,
        recipe=made.recipe,
        trained=trained,
        bundle=bundle,
        graph=_graph(made) if bundle else None,
        minutes=made.minutes,
        notes=() if bundle else ("it has no bundle here: int8, its speed and its bytes are not known.",),
    )


def of_bundle(folder: Path, work: Path, known: Mapping[str, str]) -> Subject:
    """A packed bundle, with the network it was made of if that is here.

    Args:
        folder: The bundle's.
        work: Where recipes are made.
        known: Names or files of recipes, by the name that a bundle calls them.

    Raises:
        BadBundle: It would not be served.
    """
    bundle = load_bundle(folder)
    lineage, name = bundle.manifest.lineage, bundle.manifest.name
    if lineage.recipe not in known:
        note = f'its recipe "{lineage.recipe}" is not known: neither are fp32, teacher and minutes.'
        return Subject(name, bundle=bundle, notes=(note,))
    made = made_of(known[lineage.recipe], work)
    trained = made.trained
    if trained is None or trained.record.made != lineage.made:
        note = f"the network of {lineage.made} is not in the work folder: fp32 and minutes are not known."
        return Subject(name, made.recipe, bundle=bundle, notes=(note,))
    graph = _graph(made) if _own_bundle(made, trained) else None
    return Subject(name, made.recipe, trained, bundle, graph, made.minutes)


def _own_bundle(made: Made, trained: Trained) -> Bundle | None:
    """The bundle that was made of this very network: packed, or evaluated at least."""
    manifest = made.manifest
    if manifest is None or manifest.lineage.made != trained.record.made:
        return None
    evaluated = made.folder / "evaluate" / "bundle"
    packed = made.folder / "pack" / made.recipe.bundle_name
    if not (packed / MANIFEST_FILE).is_file():
        return load_bundle(evaluated)
    bundle = load_bundle(packed)
    return bundle if bundle.manifest.lineage == manifest.lineage else load_bundle(evaluated)


def _graph(made: Made) -> Path | None:
    path = made.folder / "export" / FLOAT_FILE
    return path if path.is_file() else None
