"""A recipe: one screen of TOML that says how a model is made. Knows its own schema, and no stage."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from models.errors import MakeError

Positive = Annotated[int, Meta(ge=1)]
Rate = Annotated[float, Meta(gt=0, le=1)]
Share = Annotated[float, Meta(ge=0, lt=1)]


class Section(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of all sections: frozen, by keyword, nothing unknown."""


class DataSection(Section, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The labelled set, and how many of its train rows are held out for validation."""

    set: str
    validation: Positive
    limit: Positive | None = None  # so many train rows only, for trying a recipe out


class VocabularySection(Section, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Pieces to keep: `texts` weighs a piece's uses in each set; characters seen `rare` times stay."""

    size: Positive
    rare: Positive
    texts: Mapping[str, float]


class NetworkSection(Section, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which layers of the base the network starts from, and what is changed about it."""

    layers: tuple[Annotated[int, Meta(ge=0)], ...]
    positions: Positive = 128
    activation: Literal["relu", "gelu"] = "relu"
    pooling: Literal["mean", "cls"] = "mean"


class TrainingSection(Section, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One run of the loop: AdamW, warm-up then linear decay, early stopping on validation."""

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


class DistilSection(Section, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Learning from `teacher`, the work folder of another recipe: `hard` is the labels' share of the loss.

    `texts` says how many raw texts of each set the teacher labels.
    """

    teacher: str
    temperature: Annotated[float, Meta(gt=0)] = 2.0
    hard: Annotated[float, Meta(ge=0, le=1)] = 0.3
    texts: Mapping[str, Positive] = {}
    training: TrainingSection


class QuantiseSection(Section, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Train texts to calibrate on, and the most points of validation score that int8 may cost."""

    texts: Positive = 512
    gate: Annotated[float, Meta(ge=0)] = 0.5


class BundleSection(Section, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the bundle says of itself.

    `golden` are texts of our own, asked at every start; `published` is a figure (0..1)
    from the literature to set beside the bundle's own.
    """

    title: str
    golden: tuple[str, ...]
    terms_name: str
    terms: str
    commercial_use: bool | None = None  # left out where nobody knows
    published: Annotated[float, Meta(ge=0, le=1)] | None = None
    published_name: str | None = None


class Recipe(Section, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The whole of a recipe; `labels` maps each label to the name that people read."""

    name: Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]
    task: Literal["classify"]
    seed: int
    base: str
    work: Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]
    labels: Mapping[str, str]
    data: DataSection
    vocabulary: VocabularySection
    network: NetworkSection
    finetune: TrainingSection
    distil: DistilSection | None = None
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
    if not recipe.labels:
        raise MakeError(f'Recipe "{name}" names no labels.')
    return recipe, hashlib.sha256(text.encode()).hexdigest()


def _text_of(name: str) -> str:
    if name in recipe_names():
        return files("models").joinpath("recipes", f"{name}.toml").read_text(encoding="utf-8")
    path = Path(name)
    if not path.is_file():
        raise MakeError(f'"{name}" is neither a file nor one of the recipes {", ".join(recipe_names())}.')
    return path.read_text(encoding="utf-8")
