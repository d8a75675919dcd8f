"""What the dense layers of a network are given, over texts: the grounds on which activations are rounded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from models.export import Weights, float_model, stored_name
from models.shape import Shape

Floats = NDArray[np.float32]
SAMPLE_ROWS = 1024


@dataclass(frozen=True, slots=True)
class Observed:
    """The inputs of one dense layer: of each channel the largest size, and some tokens, evenly taken."""

    peak: Floats  # [channels]
    sample: Floats  # [tokens, channels]

    @classmethod
    def of(cls, x: Floats, step: int = 1, first: int = 0) -> Observed:
        """Of the inputs `x` [tokens, channels] every `step`-th from `first` on."""
        return cls(np.abs(x).max(axis=0), x[first::step].copy())

    def __or__(self, other: Observed) -> Observed:
        """Both together."""
        return Observed(np.maximum(self.peak, other.peak), np.concatenate([self.sample, other.sample]))


def observe(shape: Shape, weights: Weights, texts: Sequence[NDArray[np.int64]]) -> dict[str, Observed]:
    """Inputs of every dense layer over the texts' ids [length], unpadded; shared layers have theirs together.

    Takes the same memory for any number of texts.

    Returns:
        By the layer's stored name, with about SAMPLE_ROWS tokens.
    """
    options = ort.SessionOptions()
    options.log_severity_level = 3
    model = float_model(shape, weights, tapped=True).SerializeToString()
    session = ort.InferenceSession(model, options, ["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs() if output.name != "logits"]
    times = shape.layers if shape.shared else 1
    step, at = max(1, times * sum(map(len, texts)) // SAMPLE_ROWS), 0
    seen: dict[str, Observed] = {}
    for ids in texts:
        feed = {"input_ids": ids[None], "attention_mask": np.ones_like(ids)[None]}
        for name, value in zip(names, session.run(names, feed), strict=True):
            stored, here = stored_name(shape, name), Observed.of(value, step, -at % step)
            seen[stored] = seen[stored] | here if stored in seen else here
        at += len(ids)
    return seen
