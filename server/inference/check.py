"""Which texts can be answered at all: the checks that the HTTP API and the command line share."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence

from server.errors import BadText, TooLong
from server.inference.spans import UNSEEN
from server.inference.values import Task, Text

PAIRED: Mapping[Task, tuple[str, str]] = {
    Task.PAIR: ("`text`", "`text_pair`"),
    Task.QA: ("`question`", "`context`"),
}
"""Tasks of two texts, by the names that callers know: `Text.second` is needed there, and only there."""

_UNSEEN_KINDS = frozenset({"Cc", "Cf", "Co", "Mc", "Me", "Mn", "Zl", "Zp", "Zs"})

_NFKC_FACTOR = 18
"""No character becomes more under NFKC (Unicode Technical Report 15)."""

_EXPANSION = 2
"""A text may grow by so much under NFKC; only rare signs make one grow at all."""


def check_texts(texts: Sequence[Text], task: Task, max_chars: int) -> None:
    """Refuse texts that show nothing, are not Unicode, too long, or one where two are needed.

    Args:
        texts: All of one request.
        task: Of the model asked.
        max_chars: Allowed in each text, counted in code points.

    Raises:
        BadText: With the index of the first such text.
        TooLong: With the index of the first such text.
    """
    good: set[str] = set()  # one text may stand beside many others
    for index, text in enumerate(texts):
        check_text(text, task, max_chars, index, good)


def check_text(text: Text, task: Task, max_chars: int, index: int, good: set[str] | None = None) -> None:
    """`check_texts` for the text at position `index`; `good` holds what need not be checked again."""
    if (text.second is not None) is not (task in PAIRED):
        needed = "two texts" if task in PAIRED else "one text"
        raise BadText(f"The task {task} takes {needed} an item.", index=index)
    good = set() if good is None else good
    sides = (text.first,) if text.second is None else (text.first, text.second)
    for name, side in zip(PAIRED.get(task, ("A text",)), sides, strict=True):
        if side not in good:
            _check(side, name, max_chars, index)
            good.add(side)


def _check(text: str, name: str, max_chars: int, index: int) -> None:
    if len(text) > max_chars:
        raise TooLong(f"{name} has {len(text)} characters; at most {max_chars} are taken.", index=index)
    if not text.isascii() and not is_unicode(text):
        raise BadText(
            f"{name} holds half of a surrogate pair, which is not a Unicode character.", index=index
        )
    if not _can_be_seen(text):
        raise BadText(f"{name} is empty or shows nothing but white space.", index=index)
    _check_expansion(text, name, max_chars, index)


def _can_be_seen(text: str) -> bool:
    """Whether anything is left once spaces, controls and marks that stand alone are dropped."""
    return any(unicodedata.category(char) not in _UNSEEN_KINDS for char in text.strip(UNSEEN))


def _check_expansion(text: str, name: str, max_chars: int, index: int) -> None:
    """Refuse a text that tokenizers would blow up: normalised (NFKC), one character may become eighteen.

    Counted character by character: Python normalises a whole text of many accents in quadratic time.
    """
    if text.isascii() or len(text) * _NFKC_FACTOR <= max_chars * _EXPANSION:
        return
    counts = Counter(text)
    length = sum(count * len(unicodedata.normalize("NFKC", char)) for char, count in counts.items())
    if length > max_chars * _EXPANSION:
        raise TooLong(
            f"{name} has {length} characters once normalised; at most {max_chars * _EXPANSION} are taken.",
            index=index,
        )


def is_unicode(text: str) -> bool:
    """Whether a string holds no half of a surrogate pair."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
