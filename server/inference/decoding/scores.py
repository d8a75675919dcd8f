"""What all decoders do with raw scores: check them, merge windows, make probabilities."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from server.errors import ModelFailed
from server.inference.values import Encoded
from server.inference.windows import owned

Scores = NDArray[np.float64]


def checked(logits: Sequence[NDArray[np.float32]], shapes: Sequence[tuple[int, ...]]) -> None:
    """Refuse scores that are not finite, or not of these shapes.

    Raises:
        ModelFailed: With a sentence that says which.
    """
    if [scores.shape for scores in logits] != list(shapes):
        raise ModelFailed("The network's scores do not have the shape that its manifest promises.")
    if not all(np.isfinite(scores).all() for scores in logits):
        raise ModelFailed("The network gave scores that are not finite numbers.")


def by_token(encoded: Encoded, logits: Sequence[NDArray[np.float32]], width: int) -> Scores:
    """Scores `[tokens, width]` of the content tokens, each from the window that sees it best.

    Args:
        encoded: Says where each window's tokens stand.
        logits: `[length, width]` for each Example.
        width: Scores a token.
    """
    checked(logits, [(example.length, width) for example in encoded.examples])
    windows = [example.window for example in encoded.examples]
    rows = [
        scores[window.at + start - window.start : window.at + stop - window.start]
        for window, scores, (start, stop) in zip(windows, logits, owned(windows), strict=True)
    ]
    return np.concatenate(rows).astype(np.float64)


def log_softmax(scores: Scores) -> Scores:
    """Log probabilities over the last axis, which is not empty; any finite scores do."""
    lowered = scores - scores.max(axis=-1, keepdims=True)
    result: Scores = lowered - np.log(np.exp(lowered).sum(axis=-1, keepdims=True))
    return result


def softmax(scores: list[float]) -> list[float]:
    """Probabilities of a few scores, of which there is one at least; any finite ones do."""
    top = max(scores)
    shares = [math.exp(score - top) for score in scores]
    total = math.fsum(shares)
    return [share / total for share in shares]


def sigmoid(score: float) -> float:
    """1 / (1 + e^-x), without overflow for any finite x."""
    small = math.exp(-abs(score))
    return (1.0 if score >= 0 else small) / (1.0 + small)
