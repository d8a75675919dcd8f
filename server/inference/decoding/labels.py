"""Classification of one text or a pair: which labels, how sure. Knows one label of many, and many at once."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from server.errors import BadBundle
from server.inference.decoding.scores import checked, sigmoid, softmax
from server.inference.manifest import Manifest
from server.inference.values import Encoded, Label, Labels, Options

TOP_K = 5
"""How many labels a single-label answer names when the caller does not say."""

THRESHOLD = 0.5
"""From which score on a multi-label answer names a label, when neither caller nor bundle say."""


class LabelsDecoder:
    """Mean of the windows' logits, then softmax; sigmoid for several labels at once.

    One label: all labels sorted, cut to `top_k` (TOP_K by default), without those under `threshold` if
    one is given. Several at once: every label at or over its threshold, cut to `top_k` only if one is
    given. A graph with one score for two labels gives the second label's logit.
    """

    def __init__(self, manifest: Manifest) -> None:
        self._labels = manifest.labels
        self._many = manifest.multi_label
        count = len(manifest.labels)
        if not count:
            raise BadBundle(f"The bundle {manifest.name} names no labels.")
        if len(manifest.thresholds) not in (0, count):
            raise BadBundle(
                f"The bundle {manifest.name} has {len(manifest.thresholds)} thresholds for {count} labels."
            )
        self._thresholds = list(manifest.thresholds or [THRESHOLD] * count)

    def decode(self, encoded: Encoded, logits: Sequence[NDArray[np.float32]], options: Options) -> Labels:
        """See `Decoder`."""
        # Plain numbers: for so few labels arrays would cost several times as much.
        scores = self._scores(self._mean(logits))
        lowest = self._lowest(options)
        order = sorted(range(len(scores)), key=scores.__getitem__, reverse=True)
        found = [index for index in order if scores[index] >= lowest[index]]
        top_k = options.top_k or (len(found) if self._many else TOP_K)
        best = tuple(
            Label(self._labels[index].label, self._labels[index].name, scores[index])
            for index in found[:top_k]
        )
        return Labels(best, encoded.shortened)

    def _mean(self, logits: Sequence[NDArray[np.float32]]) -> list[float]:
        single = not self._many and len(self._labels) == 2 and logits[0].shape == (1,)
        checked(logits, [(1 if single else len(self._labels),)] * len(logits))
        windows: list[list[float]] = [row.tolist() for row in logits]
        if len(windows) == 1:
            return windows[0]
        return [math.fsum(column) / len(windows) for column in zip(*windows, strict=True)]

    def _scores(self, mean: list[float]) -> list[float]:
        if self._many:
            return [sigmoid(score) for score in mean]
        if len(mean) == 1 < len(self._labels):
            return [sigmoid(-mean[0]), sigmoid(mean[0])]
        return softmax(mean)

    def _lowest(self, options: Options) -> list[float]:
        if options.threshold is not None:
            return [options.threshold] * len(self._labels)
        return self._thresholds if self._many else [0.0] * len(self._labels)
