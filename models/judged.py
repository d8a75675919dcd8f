"""Pairs of raw texts that the base itself judges.

This is for a base that was trained to set texts of one meaning near each other, as E5 was (Wang et al. 2022,
arXiv 2212.03533); of a base that only guessed words the cosine means little.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import normalize

from models.data.rows import Labelled
from models.infer import padded
from models.layout import single_windows
from models.network import Encoder, mean_pool
from models.precision import autocast
from models.workspace import Trained
from server.inference.values import Text

Vectors = NDArray[np.float32]
RANKS = (0, 0, 1, 3, 7)
"""Which neighbour of a text is set beside it, by draw; the nearest of all may say the same."""
ROWS, SLICE = 64, 1024


def judged_pairs(
    judge: Judge, texts: Sequence[str], made: Sequence[Labelled], labels: tuple[str, str], seed: int
) -> list[Labelled]:
    """The pairs that were `made` by rule, and as many of a text and a near neighbour, labelled by the judge.

    Pairs of which it is not sure are left out.
    """
    drawn = random.Random(seed).sample(list(texts), min(len(made), len(texts)))
    pairs = [Text(row.text, row.second) for row in made]
    pairs += [Text(drawn[one], drawn[other]) for one, other in neighbours(judge.vectors(drawn), seed)]
    verdicts = zip(pairs, judge.same(pairs), strict=True)
    return [Labelled(pair.first, labels[same], pair.second) for pair, same in verdicts if same is not None]


def neighbours(vectors: Vectors, seed: int) -> list[tuple[int, int]]:
    """Each of the unit vectors [texts, hidden] with one of those near it, by a rank drawn from RANKS."""
    draw, found = random.Random(seed), list[tuple[int, int]]()
    most = min(len(vectors) - 1, max(RANKS) + 1)
    for at in range(0, len(vectors) if most > 0 else 0, SLICE):
        near = vectors[at : at + SLICE] @ vectors.T
        near[np.arange(len(near)), np.arange(at, at + len(near))] = -2.0
        nearest = np.argpartition(-near, most - 1, axis=1)[:, :most]
        order = np.argsort(-np.take_along_axis(near, nearest, 1), axis=1)
        ranked = np.take_along_axis(nearest, order, 1)
        found += [(at + row, int(ids[min(draw.choice(RANKS), most - 1)])) for row, ids in enumerate(ranked)]
    return found


class Judge:
    """The whole base: the mean of its last states, as a unit vector; E5's prefix made no difference here.

    Args:
        network: All its layers.
        start: Whose vocabulary and windows it has.
        bounds: Of the cosine: at most the first, two texts differ; from the second on, they say the same.
    """

    def __init__(self, network: Encoder, start: Trained, bounds: tuple[float, float]) -> None:
        self.network, self.config, self.tokenizer = network, start.config, start.tokenizer()
        self.differ, self.alike = bounds

    @torch.inference_mode()
    def vectors(self, texts: Sequence[str]) -> Vectors:
        """[texts, hidden], each of length 1; of a long text its first window."""
        ids = [windows[0] for windows in single_windows(self.config, self.tokenizer, texts)]
        made = np.empty((len(ids), self.config.shape.hidden), np.float32)
        order = sorted(range(len(ids)), key=lambda place: len(ids[place]))
        for at in range(0, len(order), ROWS):
            places = order[at : at + ROWS]
            table, mask = padded([ids[place] for place in places], self.config.pad)
            with autocast():  # twice as fast; bounds are coarser than it is
                hidden = self.network.hidden(table, mask).float()
            made[places] = normalize(mean_pool(hidden, mask), dim=-1).numpy()
        return made

    def same(self, pairs: Sequence[Text]) -> list[bool | None]:
        """Whether the texts of each pair say the same; None where it is not sure. Every text is read once."""
        texts = list(dict.fromkeys(text for pair in pairs for text in (pair.first, pair.second or "")))
        place, vectors = {text: at for at, text in enumerate(texts)}, self.vectors(texts)
        ones = vectors[[place[pair.first] for pair in pairs]]
        others = vectors[[place[pair.second or ""] for pair in pairs]]
        cosines = (ones * others).sum(axis=1)
        return [None if self.differ < near < self.alike else bool(near >= self.alike) for near in cosines]
