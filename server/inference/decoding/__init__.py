"""From the network's scores to answers, one file a task; knows no network, no line and no HTTP."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from server.inference.decoding.answers import AnswersDecoder
from server.inference.decoding.entities import EntitiesDecoder
from server.inference.decoding.labels import LabelsDecoder
from server.inference.manifest import Manifest
from server.inference.values import Answer, Encoded, Options, Task


class Decoder(Protocol):
    """One bundle's way from scores to an answer; pure, and safe to share between threads."""

    def decode(self, encoded: Encoded, logits: Sequence[NDArray[np.float32]], options: Options) -> Answer:
        """The answer to one text.

        Args:
            encoded: The text as the network saw it.
            logits: For each of its Examples, in order: `[labels]`, `[length, tags]` or `[length, 2]`.
            options: What the caller asked; None in it means the task's default.

        Raises:
            ModelFailed: Scores are not finite, or not of the shape that the manifest promises.
        """
        ...


_DECODERS: dict[Task, Callable[[Manifest], Decoder]] = {
    Task.CLASSIFY: LabelsDecoder,
    Task.PAIR: LabelsDecoder,
    Task.NER: EntitiesDecoder,
    Task.QA: AnswersDecoder,
}


def decoder_for(manifest: Manifest) -> Decoder:
    """The decoder of the manifest's task.

    Raises:
        BadBundle: The manifest's labels, tags or thresholds cannot be decoded.
    """
    return _DECODERS[manifest.task](manifest)
