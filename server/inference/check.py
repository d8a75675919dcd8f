"""Which texts can be answered at all: the checks that the HTTP API and the command line share."""

from __future__ import annotations

from collections.abc import Sequence

from server.errors import BadText, TooLong
from server.inference.values import Task, Text

PAIRED = frozenset({Task.PAIR, Task.QA})
"""Tasks of two texts: `Text.second` is needed there and not allowed elsewhere."""


def check_texts(texts: Sequence[Text], task: Task, max_chars: int) -> None:
    """Refuse texts that are blank, not Unicode, too long, or one where two are needed.

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
    if not text or text.isspace():
        raise BadText("A text is empty or holds nothing but white space.", index=index)
    if not text.isascii() and not _is_unicode(text):
        raise BadText("A text holds a lone surrogate, which is not a Unicode character.", index=index)


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
