"""What every stage is given: the recipe, the folders, a place to print. Knows no stage."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from models.recipe import Recipe


@dataclass(frozen=True, slots=True)
class Job:
    """One making of one recipe."""

    recipe: Recipe
    recipe_sha256: str
    data: Path
    work: Path
    console: Console

    def folder(self, stage: str) -> Path:
        """Where the result of `stage` lies, or will lie."""
        return self.work / self.recipe.work / stage
