"""What answers are worth: pure figures of true and given labels. Knows no network and no file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 1000
BINS = 10


@dataclass(frozen=True, slots=True)
class Asked:
    """The true and the best label of each row, the best one's score, and whether train holds the text."""

    truth: tuple[str, ...]
    best: tuple[str, ...]
    scores: NDArray[np.float64]  # [rows]
    seen: NDArray[np.bool_]  # [rows]

    @property
    def right(self) -> NDArray[np.bool_]:
        """Whether the best label is the true one, [rows]."""
        return np.array([a == b for a, b in zip(self.truth, self.best, strict=True)])


def macro_f1(truth: Sequence[str], best: Sequence[str]) -> float:
    """Mean over the labels of `truth` of the F1 of each (0..1)."""
    hits = Counter(t for t, b in zip(truth, best, strict=True) if t == b)
    there, said = Counter(truth), Counter(best)
    return float(np.mean([2 * hits[label] / (there[label] + said[label]) for label in there]))


def bootstrap(right: NDArray[np.bool_], seed: int) -> tuple[float, float]:
    """A 95 % interval of the mean of `right`, by resampling rows (Efron 1979)."""
    random = np.random.default_rng(seed)
    means = [right[random.integers(0, len(right), len(right))].mean() for _ in range(RESAMPLES)]
    low, high = np.percentile(means, [2.5, 97.5])
    return float(low), float(high)


def calibration_error(scores: NDArray[np.float64], right: NDArray[np.bool_]) -> float:
    """Mean gap between score and accuracy over BINS bins of equal width (Naeini et al. 2015), 0..1."""
    bins = np.minimum((scores * BINS).astype(int), BINS - 1)
    gaps = [abs(float((scores[bins == b] - right[bins == b]).sum())) for b in range(BINS)]
    return sum(gaps) / len(scores)
