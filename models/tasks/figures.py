"""What an evaluation yields, whatever the task."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.scores import Counts, bootstrap

NO_LABEL = -1
"""A target that no loss counts."""


@dataclass(frozen=True, slots=True)
class Figure:
    """A score (0..1) on `n` rows with its 95 % interval, beside a baseline."""

    metric: str
    value: float
    n: int
    low: float
    high: float
    baseline: float
    baseline_name: str
    notes: str = ""


@dataclass(frozen=True, slots=True)
class Confusion:
    """How often each true label (a line) was answered by each label (a column)."""

    true: tuple[str, ...]
    answered: tuple[str, ...]
    counts: NDArray[np.int64]  # [true, answered]


def figure_of(  # noqa: PLR0913, PLR0917 - one argument a field
    metric: str,
    counts: Counts,
    of: Callable[[Counts], float],
    seed: int,
    baseline: float,
    name: str,
    notes: str = "",
) -> Figure:
    """The figure `of` the column sums of `counts` [rows, columns]."""
    low, high = bootstrap(counts, of, seed)
    return Figure(metric, of(counts.sum(axis=0)), len(counts), low, high, baseline, name, notes)
