"""Makes the character spans of raw tokens honest: sorted, apart, without outer white space.

Knows what tokenizers do to spans, and no vocabulary.
"""

from __future__ import annotations

import re
import unicodedata

import numpy as np
from numpy.typing import NDArray

Spans = NDArray[np.int32]

_WHITE = re.compile(r"\s")
_LAST_WHITE = 0x3000
_FIRST_MARK = 0x300
_IS_WHITE = np.array([chr(code).isspace() for code in range(_LAST_WHITE + 2)])


def tidy(text: str, raw: Spans, blank: NDArray[np.bool_]) -> Spans:
    """Spans `[tokens, 2]` into `text`, half open, such that every character is owned by one token at most.

    A token that shares all its characters with earlier ones, or stands for white space alone, gets an
    empty span. A character that the normaliser melted into the one before it (an accent) belongs to
    that one's token, so that the text cut out is the text that was written.

    Args:
        text: What the raw spans point into.
        raw: Half-open code-point spans as a tokenizer gives them: they may overlap and hold white space.
        blank: `[tokens]`, true where a token stands for no character (a word-boundary mark).
    """
    if not len(raw):
        return raw
    spans = _apart(raw, blank)
    if _WHITE.search(text):
        spans = _trimmed(text, spans)
    if int((spans[:, 1] - spans[:, 0]).sum()) < len(text) and not text.isascii():
        _adopt_marks(text, spans)
    return spans


def _apart(raw: Spans, blank: NDArray[np.bool_]) -> Spans:
    """What two tokens claim goes to the first."""
    starts = np.maximum.accumulate(raw[:, 0])
    ends = np.where(blank, starts, raw[:, 1])
    spans = np.empty_like(raw)
    taken = np.maximum.accumulate(ends)
    spans[0, 0] = starts[0]
    np.maximum(starts[1:], taken[:-1], out=spans[1:, 0])
    np.maximum(ends, spans[:, 0], out=spans[:, 1])
    return spans


def _codes(text: str) -> NDArray[np.uint32]:
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype="<u4")


def _trimmed(text: str, spans: Spans) -> Spans:
    """The spans without the white space at their two ends."""
    white = _IS_WHITE[np.minimum(_codes(text), _LAST_WHITE + 1)]
    count = len(text)
    at = np.arange(count + 1, dtype=np.int32)
    following = at.copy()
    following[:-1][white] = count
    following = np.minimum.accumulate(following[::-1])[::-1]
    behind = at.copy()
    behind[1:][white] = 0
    behind = np.maximum.accumulate(behind)
    starts = np.minimum(following[spans[:, 0]], spans[:, 1])
    ends = np.maximum(behind[spans[:, 1]], starts)
    return np.stack((starts, ends), axis=1)


def _adopt_marks(text: str, spans: Spans) -> None:
    """Stretch each token, in place, over the marks behind it that no token owns."""
    until = np.append(spans[1:, 0], np.int32(len(text)))
    codes = np.append(_codes(text), np.uint32(0))
    loose = (spans[:, 1] > spans[:, 0]) & (until > spans[:, 1]) & (codes[spans[:, 1]] >= _FIRST_MARK)
    for token in np.flatnonzero(loose).tolist():
        end, stop = int(spans[token, 1]), int(until[token])
        while end < stop and _melts(text[end]):
            end += 1
        spans[token, 1] = end


def _melts(char: str) -> bool:
    """Whether normalising may melt it into the character before: an accent, a jamo, a voicing mark."""
    return unicodedata.category(char)[0] == "M" or "\u1160" <= char <= "\u11ff" or char in "\uff9e\uff9f"
