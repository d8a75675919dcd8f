"""What every stage is given: the recipe, the folders, a place to print. Knows no stage."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from models.errors import MakeError
from models.recipe import BundleSection, DistilSection, GrowSection, Recipe, RehearseSection


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

    @property
    def bundle(self) -> BundleSection:
        """What the bundle says of itself; MakeError where the recipe makes none."""
        if self.recipe.bundle is None:
            raise MakeError(f'Recipe "{self.recipe.name}" has no section [bundle].')
        return self.recipe.bundle

    @property
    def distil(self) -> DistilSection:
        """How a teacher is learnt from; MakeError where there is none."""
        if self.recipe.distil is None:
            raise MakeError(f'Recipe "{self.recipe.name}" has no section [distil].')
        return self.recipe.distil

    @property
    def rehearse(self) -> RehearseSection:
        """What is practised on; MakeError where there is no practice."""
        if self.recipe.rehearse is None:
            raise MakeError(f'Recipe "{self.recipe.name}" has no section [rehearse].')
        return self.recipe.rehearse

    @property
    def begun(self) -> Path:
        """Where the network lies that fine-tuning starts from."""
        return self.folder("rehearse" if self.recipe.rehearse else "base")

    @property
    def grow(self) -> GrowSection:
        """How wide the network becomes; MakeError where it stays as it is."""
        if self.recipe.grow is None:
            raise MakeError(f'Recipe "{self.recipe.name}" has no section [grow].')
        return self.recipe.grow

    @property
    def taught(self) -> Path:
        """Where the network lies that has learnt all it will."""
        return self.folder("distil" if self.recipe.distil else "finetune")

    @property
    def trained(self) -> Path:
        """Where the network lies that is to be exported."""
        return self.folder("grow") if self.recipe.grow else self.taught
