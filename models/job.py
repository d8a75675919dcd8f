"""What every stage is given: the recipe, the folders, a place to print. Knows no stage."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from rich.console import Console

from models.errors import MakeError
from models.recipe import Recipe
from models.sections import (
    BundleSection,
    DistilSection,
    FinetuneSection,
    GrowSection,
    ImitateSection,
    PretrainSection,
    PruneSection,
    RehearseSection,
    TheseusSection,
)

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Job:
    """One making of one recipe."""

    recipe: Recipe
    recipe_sha256: str
    commit: str  # of the code, as it was when the making began
    data: Path
    work: Path
    console: Console

    def folder(self, stage: str) -> Path:
        """Where the result of `stage` lies, or will lie."""
        return self.work / self.recipe.work / stage

    def before(self, stage: str) -> Path:
        """Where the network lies that `stage` of this recipe starts from."""
        networks = self.recipe.networks
        return self.folder(networks[networks.index(stage) - 1])

    @property
    def trained(self) -> Path:
        """Where the network lies that has learnt all it will, and is to be exported."""
        return self.folder(self.recipe.networks[-1])

    @property
    def bundle(self) -> BundleSection:
        """What the bundle says of itself."""
        return self._there("bundle", self.recipe.bundle)

    @property
    def pretrain(self) -> PretrainSection:
        """What is learnt of raw texts."""
        return self._there("pretrain", self.recipe.pretrain)

    @property
    def rehearse(self) -> RehearseSection:
        """What is practised on."""
        return self._there("rehearse", self.recipe.rehearse)

    @property
    def theseus(self) -> TheseusSection:
        """Whose layers are replaced."""
        return self._there("theseus", self.recipe.theseus)

    @property
    def imitate(self) -> ImitateSection:
        """Whose inside is imitated."""
        return self._there("imitate", self.recipe.imitate)

    @property
    def finetune(self) -> FinetuneSection:
        """How the task is learnt."""
        return self._there("finetune", self.recipe.finetune)

    @property
    def distil(self) -> DistilSection:
        """How a teacher is learnt from."""
        return self._there("distil", self.recipe.distil)

    @property
    def prune(self) -> PruneSection:
        """What is left of each layer."""
        return self._there("prune", self.recipe.prune)

    @property
    def grow(self) -> GrowSection:
        """How wide the network becomes."""
        return self._there("grow", self.recipe.grow)

    def _there(self, name: str, section: T | None) -> T:
        """The section; MakeError where the recipe has none of that name."""
        if section is None:
            raise MakeError(f'Recipe "{self.recipe.name}" has no section [{name}].')
        return section
