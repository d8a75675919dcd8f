"""Searches the spans of a sequence: best ones without overlap, and the sum over all. Knows no text."""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from server.inference.decoding.scores import Scores

_CELLS = 1 << 18
"""Spans looked at in one step: bounds the memory, whatever the length."""


class SpanTable:
    """All spans of at most `longest` characters, scored by start plus end. Time is tokens x `longest`.

    There may be none: a single token can be longer than `longest`.

    Args:
        offsets: `[tokens, 2]`, none empty, sorted, without overlap.
        scores: `[tokens, 2]`, start and end.
        longest: Characters of a span, at least 1.
        brevity: What a span's score loses by each e-fold of its characters.
    """

    def __init__(
        self, offsets: NDArray[np.int32], scores: Scores, longest: int, brevity: float = 0.0
    ) -> None:
        count = len(offsets)
        # Each token has a character of its own, so a span of `longest` characters has no more tokens.
        self._width = max(1, min(longest, count))
        self._longest = longest
        # By the number of characters, of which no token has none; the last is for all that are too long.
        self._worth = np.append(-brevity * np.log(np.maximum(np.arange(longest + 1), 1)), -np.inf)
        self._offsets = offsets
        self._starts = scores[:, 0].copy()
        # Padded, so that every start has `width` ends after it.
        self._ends = np.concatenate((scores[:, 1], np.full(self._width - 1, -np.inf)))
        self._until = np.concatenate((offsets[:, 1], np.full(self._width - 1, np.iinfo(np.int32).max)))
        self._best = np.full(count, -np.inf)
        self._stop = np.zeros(count, dtype=np.intp)
        self._walls = [0]
        self.top = -np.inf
        """The best score of all, -inf where there is no span."""
        self.mass = 0.0
        """Sum of e^(score - top) over all spans; apart from `top`, so that it is exact for any scores."""
        step = max(1, _CELLS // self._width)
        for start in range(0, count, step):
            self._weigh(self._search(start, min(start + step, count)))

    def _search(self, start: int, stop: int) -> Scores:
        """Find the best end for the starts of a range; all its spans' scores, `[starts, width]`."""
        far = stop + self._width - 1
        ends = sliding_window_view(self._ends[start:far], self._width)
        until = sliding_window_view(self._until[start:far], self._width)
        characters = np.minimum(until - self._offsets[start:stop, :1], self._longest + 1)
        cells: Scores = self._starts[start:stop, None] + ends + self._worth[characters]
        reach = cells.argmax(axis=1)
        self._best[start:stop] = cells[np.arange(stop - start), reach]
        self._stop[start:stop] = np.arange(start, stop) + reach
        return cells

    def _weigh(self, cells: Scores) -> None:
        """Add a block of spans to the sum over all."""
        top = max(self.top, float(cells.max()))
        if top > -np.inf:
            self.mass = self.mass * float(np.exp(self.top - top)) + float(np.exp(cells - top).sum())
            self.top = top

    def best(self, wanted: int) -> list[tuple[float, int, int]]:
        """Up to `wanted` spans (score, first character, last character's end), best first, apart.

        Takes the found spans out of the table: ask once.
        """
        found: list[tuple[float, int, int]] = []
        while len(found) < wanted and len(self._best):
            first = int(self._best.argmax())
            if self._best[first] == -np.inf:
                break
            last = int(self._stop[first])
            found.append(
                (float(self._best[first]), int(self._offsets[first, 0]), int(self._offsets[last, 1]))
            )
            self._starts[first : last + 1] = self._ends[first : last + 1] = -np.inf
            self._wall(first, last)
        return found

    def _wall(self, first: int, last: int) -> None:
        """Bar tokens `first` to `last`: search anew the starts before them, back to the wall before."""
        near = max(first - self._width + 1, *(wall for wall in self._walls if wall <= first))
        behind = self._ends[last + 1 :].copy()
        self._ends[last + 1 :] = -np.inf
        self._search(near, last + 1)
        self._ends[last + 1 :] = behind
        self._walls.append(last + 1)
