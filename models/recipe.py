"""A recipe: one screen of TOML that says how a model is made. Knows its own schema, and no stage."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from models.errors import MakeError
from models.shape import Activation, Pooling
from server.inference.check import PAIRED
from server.inference.values import Task, Text

Positive = Annotated[int, Meta(ge=1)]
Rate = Annotated[float, Meta(gt=0, le=1)]
Share = Annotated[float, Meta(ge=0, lt=1)]


class Section(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of all sections: frozen, by keyword, nothing unknown."""


class DataSection(Section, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The labelled set, and how many of its train texts (contexts) are held out for validation.

    `also` says how many train rows of other sets are learnt besides, without texts that the first set holds
    out or is measured on; `swapped` has each pair learnt the other way round too; `empty` is the share of
    windows without an answer that a reader learns from.
    """

    set: str
    validation: Positive
    limit: Positive | None = None  # so many train rows only, for trying a recipe out
    # What is UNSET does not stand in a checkpoint's name: runs from before it was thought of go on.
    also: Mapping[str, Positive] | UnsetType = UNSET
    swapped: bool | UnsetType = UNSET
    empty: Share | UnsetType = UNSET


class VocabularySection(Section, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Pieces to keep: `texts` weighs a piece's uses in each set; characters seen `rare` times stay.

    With `tokens = "characters"` only pieces of a single character are kept, so that no token's edge can fall
    inside an entity.
    """

    tokens: Literal["pieces", "characters"] = "pieces"
    size: Positive
    rare: Positive
    texts: Mapping[str, float]


class NetworkSection(Section, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which layers of the base the network starts from, and what is changed about it.

    `marks` has the tokens of the second of two texts marked, as BERT's token types do.
    """

    layers: tuple[Annotated[int, Meta(ge=0)], ...]
    positions: Positive = 128
    activation: Activation = "relu"
    pooling: Pooling = "mean"
    marks: bool = False


class TrainingSection(Section, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One run of the loop: AdamW, warm-up then linear decay, early stopping on validation.

    `layer_rate` multiplies the rate once for each layer that stands above (Howard and Ruder 2018,
    arXiv 1801.06146): 1 is one rate for all.
    """

    epochs: Positive
    tokens_a_batch: Positive = 1024
    rate: Rate
    head_rate: Rate
    warmup: Share = 0.1
    weight_decay: Share = 0.01
    dropout: Share = 0.1
    smoothing: Share = 0.0
    average: Share = 0.0
    patience: Positive = 2
    bfloat16: bool = True
    checkpoint_seconds: Annotated[float, Meta(ge=0)] = 120.0
    layer_rate: Rate | UnsetType = UNSET


class DistilSection(Section, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Learning from `teacher`, the work folder of another recipe: `hard` is the labels' share of the loss.

    `texts` says how many raw texts of each set the teacher labels.
    """

    teacher: str
    temperature: Annotated[float, Meta(gt=0)] = 2.0
    hard: Annotated[float, Meta(ge=0, le=1)] = 0.3
    texts: Mapping[str, Positive] = {}
    training: TrainingSection


class RehearseSection(Section, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Practice before the real questions: `questions` says how many are made from each set's raw texts."""

    questions: Mapping[str, Positive]
    training: TrainingSection


class GrowSection(Section, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How many times as wide the trained network becomes, its answers unchanged."""

    times: Annotated[int, Meta(ge=2, le=8)]


class QuantiseSection(Section, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Train texts to calibrate on, and the most points of validation score that int8 may cost."""

    texts: Positive = 512
    gate: Annotated[float, Meta(ge=0)] = 0.5


class BundleSection(Section, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the bundle says of itself.

    `golden` are texts (or pairs; or question and context) of our own, asked at every start; `published`
    are figures (0..1) by metric from the literature to set beside the bundle's own.
    """

    title: str
    golden: tuple[str | tuple[str, str], ...]
    terms_name: str
    terms: str
    commercial_use: bool | None = None  # left out where nobody knows
    published: Mapping[str, Annotated[float, Meta(ge=0, le=1)]] = {}
    published_name: str | None = None

    def texts(self) -> list[Text]:
        """The golden texts as the server is asked them."""
        return [Text(each) if isinstance(each, str) else Text(*each) for each in self.golden]


class Recipe(Section, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The whole of a recipe; `labels` maps each label to the name that people read."""

    name: Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]
    task: Task
    seed: int
    base: str
    work: Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]
    labels: Mapping[str, str] = {}
    data: DataSection
    vocabulary: VocabularySection
    network: NetworkSection
    finetune: TrainingSection
    rehearse: RehearseSection | None = None
    distil: DistilSection | None = None
    grow: GrowSection | None = None
    quantise: QuantiseSection = QuantiseSection()
    bundle: BundleSection | None = None


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
    rules = (_labels, _golden, _training, _data, _questions, _marks, _distil)
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
    others = [section.training for section in (recipe.rehearse, recipe.distil) if section]
    sections = [recipe.finetune, *others]
    if recipe.task is Task.QA and any(section.smoothing for section in sections):
        return "smooths labels, which cannot be done for places in a text."
    return ""


def _data(recipe: Recipe) -> str:
    if recipe.data.swapped is True and recipe.task is not Task.PAIR:
        return "swaps pairs, but its task is not pair."
    return ""


def _questions(recipe: Recipe) -> str:
    if recipe.task is Task.QA or (recipe.rehearse is None and recipe.data.empty is UNSET):
        return ""
    return "has [rehearse] or `empty`, which are for the task qa."


def _marks(recipe: Recipe) -> str:
    if recipe.network.marks and recipe.task not in PAIRED:
        return f"marks the second text, but the task {recipe.task} takes one."
    if recipe.network.pooling == "compared" and not (recipe.network.marks and recipe.task is Task.PAIR):
        return "compares two texts, which is for the task pair, with marks."
    return ""


def _distil(recipe: Recipe) -> str:
    if recipe.distil and recipe.distil.texts and recipe.task in PAIRED:
        return (
            f"has raw texts for the teacher, but the task {recipe.task} takes two texts that belong together."
        )
    return ""


def _text_of(name: str) -> str:
    if name in recipe_names():
        return files("models").joinpath("recipes", f"{name}.toml").read_text(encoding="utf-8")
    path = Path(name)
    if not path.is_file():
        raise MakeError(f'"{name}" is neither a file nor one of the recipes {", ".join(recipe_names())}.')
    return path.read_text(encoding="utf-8")
