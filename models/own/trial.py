"""Runs a user's graph before it is packed: shapes, vocabulary, and whether answers depend on batch mates."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from models.errors import MakeError
from models.own.recognise import EXPORT
from server.errors import BadBundle
from server.inference.manifest import Layout
from server.inference.runtime import Logits, Session
from server.inference.values import Batch, Task

COMPANY = (2, 3, 8, 16)
PROOF_SLOTS = 1024  # a larger company is not tried at that width: the kernels see rows times width
ROUGH_LENGTH = 32


class Trial:
    """One graph under trial, with random texts of its vocabulary.

    Args:
        graph: The ONNX file.
        layout: As it will be served.
        vocabulary: Number of ids that the tokenizer can give.

    Raises:
        MakeError: onnxruntime cannot open it.
    """

    def __init__(self, graph: Path, layout: Layout, vocabulary: int) -> None:
        try:
            self._session = Session(graph, layout, graph.stem)
        except BadBundle as error:
            raise MakeError(error.message) from error
        self._layout = layout
        self._vocabulary = vocabulary

    def check(self, task: Task, scores: int) -> None:
        """MakeError unless the graph answers any rows and width up to the longest, with so many scores."""
        for rows, width in ((1, min(8, self._layout.max_length)), (3, min(21, self._layout.max_length))):
            got = self._run(self._batch(rows, width), f"{rows} rows of {width} tokens", EXPORT)
            _check_shape(got, rows, width, task, scores)
        longest = self._layout.max_length
        advice = "Its position table may hold fewer; give a smaller --max-length."
        self._run(self._batch(1, longest), f"{longest} tokens", advice)
        last = self._batch(1, min(8, longest))
        last.ids[:] = self._vocabulary - 1
        advice = "The tokenizer belongs to another network."
        got = self._run(last, f"the tokenizer's last id, {self._vocabulary - 1}", advice)
        if not np.isfinite(got).all():
            raise MakeError("The graph gives scores that are not finite numbers.")

    def independent_rows(self, widths: Sequence[int], most: int) -> int:
        """The largest company, up to `most` rows, in which every row's scores equal those alone to the bit.

        Companies of 2, 3, 8, 16 and `most` are tried at the narrowest, the middle and the widest of `widths`.
        """
        tried = sorted({widths[0], widths[len(widths) // 2], widths[-1]})
        return min(self._independent_rows(width, most) for width in tried)

    def distance(self, other: Trial) -> float:
        """How far the scores of another graph lie from these, for texts alone and unpadded.

        Returns:
            Root mean square of the difference over the spread (standard deviation) of these scores.
        """
        lengths = [length for length in (8, 16, ROUGH_LENGTH) if length <= self._layout.max_length]
        mine, others = [], []
        for seed in range(8):
            batch = self._batch(1, lengths[seed % len(lengths)], seed, full=True)
            mine.append(self._session.run(batch).ravel())
            others.append(other._session.run(batch).ravel())
        here, there = np.concatenate(mine), np.concatenate(others)
        return float(np.sqrt(np.mean((here - there) ** 2)) / max(float(here.std()), 1e-9))

    def _independent_rows(self, width: int, most: int) -> int:
        sizes = sorted({size for size in (*COMPANY, most) if size <= most and size * width <= PROOF_SLOTS})
        if not sizes:
            return most
        batch = self._batch(sizes[-1], width)
        alone = [self._session.run(_rows(batch, row, row + 1))[0] for row in range(sizes[-1])]
        held = 1
        for size in sizes:
            together = self._session.run(_rows(batch, 0, size))
            if any(not np.array_equal(together[row], alone[row]) for row in range(size)):
                return held
            held = size
        return most

    def _run(self, batch: Batch, what: str, advice: str) -> Logits:
        try:
            return self._session.run(batch)
        except Exception as error:  # onnxruntime raises many kinds
            reason = str(error).splitlines()[0]
            raise MakeError(f"The graph fails on {what}. {advice} onnxruntime says: {reason}") from error

    def _batch(self, rows: int, width: int, seed: int = 0, *, full: bool = False) -> Batch:
        """Random pieces of random lengths; the second row is one piece over and over, an outlier."""
        rng = np.random.default_rng([seed, rows, width])
        ids = rng.integers(0, self._vocabulary, (rows, width))
        ids[1:2] = ids[1:2, :1]
        lengths = np.full(rows, width) if full else rng.integers(max(1, width // 2), width + 1, rows)
        mask = (np.arange(width) < lengths[:, None]).astype(np.int64)
        ids = np.where(mask, ids, self._layout.pad)
        return Batch(ids, mask, np.zeros_like(ids))


def _rows(batch: Batch, start: int, stop: int) -> Batch:
    return Batch(batch.ids[start:stop], batch.mask[start:stop], batch.types[start:stop])


def _check_shape(got: Logits, rows: int, width: int, task: Task, scores: int) -> None:
    if task is Task.QA:
        if got.shape != (rows, width, 2):
            raise MakeError(
                f"The graph gives {list(got.shape)} for {rows} rows of {width} tokens; question answering "
                "wants a start and an end score for each token."
            )
        return
    per_token = got.ndim == 3 and got.shape[:2] == (rows, width)
    per_text = got.ndim == 2 and got.shape[0] == rows
    if task is Task.NER and not per_token:
        raise MakeError(f"The graph gives {list(got.shape)}, an answer a text; --task ner wants one a token.")
    if task is not Task.NER and per_token:
        raise MakeError(f"The graph gives scores for each token; that is --task ner, not {task}.")
    if task is not Task.NER and not per_text:
        raise MakeError(f"The graph gives {list(got.shape)} for {rows} rows of {width} tokens. {EXPORT}")
    one_of_two = scores == 2 and got.shape[-1] == 1 and task in (Task.CLASSIFY, Task.PAIR)
    if got.shape[-1] != scores and not one_of_two:  # one score, then, is the second label's
        raise MakeError(f"The graph gives {got.shape[-1]} scores, but {scores} labels were named.")
