"""Named entities: from tag scores to pieces of the text. Sees windows' merged scores, no window."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from server.inference.decoding.scores import by_token, log_softmax
from server.inference.decoding.tags import TagScheme
from server.inference.manifest import Manifest
from server.inference.values import Encoded, Entities, Entity, Options

_SYMBOLS = frozenset({"So", "Sk", "Cn", "Co"})
_SHAPERS = frozenset(map(chr, (*range(0xFE00, 0xFE10), 0x20E3)))  # make a symbol of what stands before


class EntitiesDecoder:
    """Windows are merged before anything is decided, so no entity is doubled or torn at a window's edge.

    Tokens without characters of their own (the later ones of a character, word-boundary marks) have no
    vote. Broken tag sequences are repaired (see `TagScheme.best`). An entity's score is the geometric
    mean of the probabilities of its tokens' tags; `threshold` drops entities under it. No entity begins or
    ends with an emoji or another symbol, which networks do not know and take for part of a rare name.
    """

    def __init__(self, manifest: Manifest) -> None:
        self._scheme = TagScheme(manifest.tags)
        self._names = {label.label: label.name for label in manifest.labels}

    def decode(self, encoded: Encoded, logits: Sequence[NDArray[np.float32]], options: Options) -> Entities:
        """See `Decoder`."""
        scores = by_token(encoded, logits, len(self._scheme.tags))
        visible = encoded.offsets[:, 1] > encoded.offsets[:, 0]
        if not visible.any():
            return Entities(())
        offsets = encoded.offsets[visible]
        logs = log_softmax(scores[visible])
        tags = self._scheme.best(logs)
        lowest = options.threshold or 0.0
        text = encoded.text.first
        named = (_without_symbols(text, offsets, *stretch) for stretch in self._stretches(tags))
        found = (
            self._entity(text, offsets[start:stop], logs[start:stop], tags[start:stop])
            for start, stop in named
            if start < stop
        )
        return Entities(tuple(entity for entity in found if entity.score >= lowest))

    def _stretches(self, tags: Sequence[int]) -> list[tuple[int, int]]:
        """Token ranges of the entities of a lawful sequence."""
        stretches: list[tuple[int, int]] = []
        start = -1
        for at, tag in enumerate([*tags, self._scheme.outside]):
            continues = self._scheme.tags[tag].part in ("I", "E")
            if start >= 0 and not continues:
                stretches.append((start, at))
                start = -1
            if start < 0 and tag != self._scheme.outside:
                start = at
        return stretches

    def _entity(
        self, text: str, offsets: NDArray[np.int32], logs: NDArray[np.float64], tags: Sequence[int]
    ) -> Entity:
        start, end = int(offsets[0, 0]), int(offsets[-1, 1])
        type_ = self._scheme.tags[tags[0]].type
        score = float(np.exp(logs[np.arange(len(tags)), tags].mean()))
        return Entity(type_, self._names.get(type_, type_), text[start:end], start, end, score)


def _without_symbols(text: str, offsets: NDArray[np.int32], start: int, stop: int) -> tuple[int, int]:
    """The range of tokens less those at its ends that are nothing but symbols."""
    while start < stop and _symbols(text, offsets[start]):
        start += 1
    while start < stop and _symbols(text, offsets[stop - 1]):
        stop -= 1
    return start, stop


def _symbols(text: str, span: NDArray[np.int32]) -> bool:
    return all(char in _SHAPERS or unicodedata.category(char) in _SYMBOLS for char in text[span[0] : span[1]])
