"""Makes the character spans of raw tokens honest: sorted, apart, nothing invisible at their ends.

Knows what tokenizers do to spans, and no vocabulary.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

Spans = NDArray[np.int32]

_FIRST_MARK = "\u0300"

# What tokenizers drop or take for a space: white space, controls, zero-width and bidirectional marks, U+FFFD
# and its neighbours, and the lower block with which sentencepiece writes a space.
_UNSEEN_RANGES = (
    *((0x00, 0x20), (0x7F, 0xA0), (0xAD, 0xAD), (0x61C, 0x61C), (0x1680, 0x1680), (0x180E, 0x180E)),
    *((0x2000, 0x200F), (0x2028, 0x202F), (0x205F, 0x206F), (0x2581, 0x2581), (0x3000, 0x3000)),
    *((0xFEFF, 0xFEFF), (0xFFF9, 0xFFFD)),
)
UNSEEN = "".join(chr(code) for first, last in _UNSEEN_RANGES for code in range(first, last + 1))
"""All characters that leave no token, or none but a space."""

_UNSEEN = frozenset(UNSEEN)

MARKS = "。，、；：！？…" + UNSEEN
"""What ends or joins clauses, and what parts words."""


def without_marks(text: str, start: int, end: int) -> tuple[int, int]:
    """The span without marks at either end; whole where it is nothing else."""
    words = text[start:end]
    left, right = words.lstrip(MARKS), words.rstrip(MARKS)
    return (end - len(left), start + len(right)) if left else (start, end)


def tidy(text: str, raw: Iterable[tuple[int, int]], blanks: Iterable[bool]) -> Spans:
    """Spans `[tokens, 2]` into `text`, half open, such that a character belongs to one token at most.

    What two tokens claim goes to the first; one left without characters, or standing for white space or
    invisible characters alone, gets an empty span. A character that the normaliser melted into the one
    before it (an accent) belongs to that one's token, so that the text cut out is the text that was written.

    Args:
        text: What the raw spans point into.
        raw: Half-open code-point spans as a tokenizer gives them: they may overlap, and hold spaces.
        blanks: True where a token stands for no character (a word-boundary mark).
    """
    edges: list[int] = []
    taken = 0
    for (start, end), blank in zip(raw, blanks, strict=True):
        if start <= taken:
            start = taken  # noqa: PLW2901
        elif edges and text[taken] >= _FIRST_MARK:
            _adopt(text, edges, start)
        while start < end and text[start] in _UNSEEN:
            start += 1  # noqa: PLW2901
        while start < end and text[end - 1] in _UNSEEN:
            end -= 1  # noqa: PLW2901
        taken = start if blank or end < start else end
        edges += (start, taken)
    if edges and taken < len(text):
        _adopt(text, edges, len(text))
    return np.array(edges, dtype=np.int32).reshape(-1, 2)


def _adopt(text: str, edges: list[int], limit: int) -> None:
    """Stretch the last token, if it has characters, over the melted ones before `limit`."""
    if edges[-2] == edges[-1]:
        return
    while edges[-1] < limit and _melts(text[edges[-1]]):
        edges[-1] += 1


def _melts(char: str) -> bool:
    """Whether normalising may melt it into the character before: an accent, a jamo, a voicing mark."""
    return unicodedata.category(char)[0] == "M" or "\u1160" <= char <= "\u11ff" or char in "\uff9e\uff9f"
