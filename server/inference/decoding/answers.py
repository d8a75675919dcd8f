"""Extractive question answering: the best spans of the context. Sees windows' merged scores, no window."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from msgspec import UNSET
from numpy.typing import NDArray

from server.errors import BadBundle, BadOption
from server.inference.decoding.scores import Scores, by_token
from server.inference.decoding.span_table import SpanTable
from server.inference.manifest import Manifest
from server.inference.spans import without_marks
from server.inference.values import Answers, Encoded, Options, Span

TOP_K = 1
"""How many answers are given when the caller does not say."""

MOST_ANSWERS = 20
"""How many answers are given at most, whatever the caller asks: each further one is another search."""

LONGEST_ANSWER = 256
"""How many characters a caller may allow an answer."""


class AnswersDecoder:
    """Every span of the context competes in one softmax of start plus end logits, over all windows.

    Windows are merged token by token first, so a span has one score, wherever windows lie. Where the
    bundle can say "no answer", the first token's start plus end, the least of all windows (as SQuAD 2.0
    does it, Rajpurkar et al. 2018), takes part in that softmax: its share is `no_answer_score`. Further
    answers never overlap better ones. None begins or ends with a mark that ends or joins clauses, unless it
    is nothing else: readers learn from answers that are clauses. `threshold` drops answers under it.

    A span of n characters counts n to the power of -`brevity`: start and end are judged apart from one
    another, which makes long spans likelier than they are.
    """

    def __init__(self, manifest: Manifest) -> None:
        if manifest.no_answer and not manifest.layout.prefix:
            raise BadBundle(f"The bundle {manifest.name} knows no_answer, but has no token before the text.")
        self._no_answer = manifest.no_answer
        self._longest = manifest.max_answer_chars
        self._brevity = 0.0 if manifest.brevity is UNSET else manifest.brevity

    def decode(self, encoded: Encoded, logits: Sequence[NDArray[np.float32]], options: Options) -> Answers:
        """See `Decoder`.

        Raises:
            BadOption: `max_answer_chars` is out of range.
        """
        longest = self._limit(options)
        scores = by_token(encoded, logits, 2)
        null = self._null(logits)
        table = SpanTable(*_visible(encoded.offsets, scores), longest, self._brevity)
        top = max(table.top, null)
        if top == -np.inf:
            return Answers((), None, encoded.shortened)
        total = table.mass * np.exp(table.top - top) + np.exp(null - top)
        context = encoded.text.second or ""
        found = [
            _span(context, start, end, float(np.exp(score - top) / total))
            for score, start, end in table.best(min(options.top_k or TOP_K, MOST_ANSWERS))
        ]
        lowest = options.threshold or 0.0
        return Answers(
            tuple(span for span in found if span.score >= lowest),
            float(np.exp(null - top) / total) if self._no_answer else None,
            encoded.shortened,
        )

    def _limit(self, options: Options) -> int:
        """Characters that an answer may have."""
        longest = self._longest if options.max_answer_chars is None else options.max_answer_chars
        if options.max_answer_chars is not None and not 1 <= longest <= LONGEST_ANSWER:
            raise BadOption(f"max_answer_chars is {longest}; it may be 1 to {LONGEST_ANSWER}.")
        return longest

    def _null(self, logits: Sequence[NDArray[np.float32]]) -> float:
        """The score of "no answer"; -inf, which takes no part, where it was not trained."""
        if not self._no_answer:
            return -np.inf
        return min(float(rows[0].sum(dtype=np.float64)) for rows in logits)


def _span(context: str, start: int, end: int, score: float) -> Span:
    start, end = without_marks(context, start, end)
    return Span(context[start:end], start, end, score)


def _visible(offsets: NDArray[np.int32], scores: Scores) -> tuple[NDArray[np.int32], Scores]:
    """Tokens with characters of their own; one without lends its scores to the token before it."""
    visible = np.flatnonzero(offsets[:, 1] > offsets[:, 0])
    if not len(visible):
        return offsets[:0], scores[:0]
    return offsets[visible], np.maximum.reduceat(scores, visible, axis=0)
