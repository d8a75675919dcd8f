"""What answers are worth: pure figures of true and given answers. Knows no network and no file."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 1000
BINS = 10

Counts = NDArray[np.float64]
_PUNCTUATION = frozenset("-:_*^/\\~`+=，。：？！“”；’《》…·、「」（）－～『』")
_SEGMENT = re.compile(r"[\u4e00-\u9fa5]|[^\W_\u4e00-\u9fa5]+(?:[.'][^\W_\u4e00-\u9fa5]+)*|\S")


def macro_f1(truth: Sequence[str], best: Sequence[str]) -> float:
    """Mean over the labels of `truth` of the F1 of each (0..1)."""
    hits = Counter(t for t, b in zip(truth, best, strict=True) if t == b)
    there, said = Counter(truth), Counter(best)
    return float(np.mean([2 * hits[label] / (there[label] + said[label]) for label in there]))


def mean_of(sums: Counts) -> float:
    """Hits over all (0..1): the figure of counts [hit, 1]."""
    return float(sums[0] / sums[1])


def micro_f1_of(sums: Counts) -> float:
    """F1 over all types (0..1): the figure of counts of hits, given and true ones, [types * 3]."""
    hits, said, there = sums.reshape(-1, 3).sum(axis=0)
    return float(2 * hits / max(said + there, 1))


def macro_f1_of(sums: Counts) -> float:
    """Mean of the types' F1 (0..1), of types given or true: the figure of the same counts, [types * 3]."""
    types = sums.reshape(-1, 3)
    types = types[types[:, 1:].sum(axis=1) > 0]
    return float((2 * types[:, 0] / types[:, 1:].sum(axis=1)).mean()) if len(types) else 0.0


def bootstrap(counts: Counts, figure: Callable[[Counts], float], seed: int) -> tuple[float, float]:
    """A 95 % interval of `figure` of the sums of `counts` [rows, columns], rows resampled (Efron 1979)."""
    random = np.random.default_rng(seed)
    share = np.full(len(counts), 1 / len(counts))
    figures = [figure(random.multinomial(len(counts), share) @ counts) for _ in range(RESAMPLES)]
    low, high = np.percentile(figures, [2.5, 97.5])
    return float(low), float(high)


def calibration_error(scores: Counts, right: NDArray[np.bool_]) -> float:
    """Mean gap between score and accuracy over BINS bins of equal width (Naeini et al. 2015), 0..1.

    `scores` (0..1) and `right` are [answers]; without any it is 0.
    """
    bins = np.minimum((scores * BINS).astype(int), BINS - 1)
    gaps = [abs(float((scores[bins == b] - right[bins == b]).sum())) for b in range(BINS)]
    return sum(gaps) / max(len(scores), 1)


def exact_match(answer: str, references: Sequence[str]) -> bool:
    """Whether an answer is one of the references but for punctuation and case, by the rules of CMRC2018."""
    return _plain(answer) in {_plain(each) for each in references}


def overlap_f1(answer: str, references: Sequence[str]) -> float:
    """The best F1 (0..1) with any reference over the longest common run of segments, by CMRC2018's rules.

    Segments are Chinese characters and words of other letters, without punctuation (Cui et al. 2019,
    arXiv 1810.07366). Their script cuts Latin words by nltk, this one at anything but letters and digits.
    """
    said = _segments(answer)
    return max((_f1(said, _segments(each)) for each in references), default=0.0)


def _f1(said: Sequence[str], there: Sequence[str]) -> float:
    shared = _longest_common_run(said, there)
    return 2 * shared / (len(said) + len(there)) if shared else 0.0


def _plain(text: str) -> str:
    return "".join(char for char in text.lower().strip() if char not in _PUNCTUATION)


def _segments(text: str) -> list[str]:
    return _SEGMENT.findall(_plain(text))


def _longest_common_run(one: Sequence[str], other: Sequence[str]) -> int:
    longest, row = 0, [0] * (len(other) + 1)
    for segment in one:
        fresh = [0] * (len(other) + 1)
        for place, each in enumerate(other, 1):
            if segment == each:
                fresh[place] = row[place - 1] + 1
        longest, row = max(longest, *fresh), fresh
    return longest
