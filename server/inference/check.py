"""Which texts can be answered at all: the checks that the HTTP API and the command line share."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

from server.errors import BadText, TooLong
from server.inference.spans import UNSEEN
from server.inference.values import Task, Text

PAIRED = frozenset({Task.PAIR, Task.QA})
"""Tasks of two texts: `Text.second` is needed there and not allowed elsewhere."""

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
    for index, text in enumerate(texts):
        check_text(text, task, max_chars, index)


def check_text(text: Text, task: Task, max_chars: int, index: int) -> None:
    """`check_texts` for the text at position `index`."""
    if (text.second is not None) is not (task in PAIRED):
        needed = "two texts" if task in PAIRED else "one text"
        raise BadText(f"The task {task} takes {needed} an item.", index=index)
    _check(text.first, max_chars, index)
    if text.second is not None:
        _check(text.second, max_chars, index)


def _check(text: str, max_chars: int, index: int) -> None:
    if len(text) > max_chars:
        raise TooLong(f"A text has {len(text)} characters; at most {max_chars} are taken.", index=index)
    if not text.isascii() and not _is_unicode(text):
        raise BadText("A text holds a lone surrogate, which is not a Unicode character.", index=index)
    if not _can_be_seen(text):
        raise BadText("A text is empty or shows nothing but white space.", index=index)
    _check_expansion(text, max_chars, index)


def _can_be_seen(text: str) -> bool:
    """Whether anything is left once spaces, controls and marks that stand alone are dropped."""
    return any(unicodedata.category(char) not in _UNSEEN_KINDS for char in text.strip(UNSEEN))


def _check_expansion(text: str, max_chars: int, index: int) -> None:
    """Refuse a text that tokenizers would blow up: normalised (NFKC), one character may become eighteen."""
    if text.isascii() or len(text) * _NFKC_FACTOR <= max_chars * _EXPANSION:
        return
    length = len(unicodedata.normalize("NFKC", text))
    if length > max_chars * _EXPANSION:
        raise TooLong(
            f"A text has {length} characters once normalised; at most {max_chars * _EXPANSION} are taken.",
            index=index,
        )


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
