"""Turns a text into the network's inputs, with the way back to its characters; training uses the same.

Knows the layout of inputs and windows; how a text falls into pieces is the cutter's.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from server.errors import BadBundle
from server.inference.manifest import Layout
from server.inference.pieces import Cutter
from server.inference.values import Encoded, Example, Task, Text, Window
from server.inference.windows import ranges

QUESTION_SHARE = 3
"""A question gets at most one in so many tokens of the room; the rest is the context's."""

_Ids = NDArray[np.int64]


class Encoder:
    """Texts to Examples for one task. Takes the tokenizer over; safe to share between threads.

    Raises:
        BadBundle: The layout leaves no room for text, or would leave gaps between windows.
    """

    def __init__(self, tokenizer: Tokenizer, task: Task, layout: Layout) -> None:
        self._cutter = Cutter(tokenizer)
        self._cut = self._cutter.cut if task is Task.NER else self._cutter.ids
        two = task in (Task.PAIR, Task.QA)
        if two:  # one text may stand beside many others: cut it once
            self._cut = lru_cache(maxsize=2)(self._cut)
        self._cut_context = lru_cache(maxsize=2)(self._cutter.cut)
        self._layout = layout
        self._prefix, self._middle, self._suffix = (
            np.array(ids, dtype=np.int64) for ids in (layout.prefix, layout.middle, layout.suffix)
        )
        special = len(self._prefix) + len(self._suffix)
        self._room = layout.max_length - special - (len(self._middle) if two else 0)
        if self._room < QUESTION_SHARE:
            raise BadBundle(f"A max_length of {layout.max_length} leaves no room for text.")
        if layout.overlap < 0:
            raise BadBundle(f"The windows' overlap is {layout.overlap} tokens; it cannot be negative.")
        self._encode = {Task.PAIR: self._pair, Task.QA: self._question}.get(task, self._single)

    def encode(self, text: Text) -> Encoded:
        """The text as Examples of at most `max_length` tokens, one at least.

        Pairs come as one Example, the longer side shortened from its end where they do not fit. Other
        texts come in overlapping windows; a question stands before each window of its context.

        Raises:
            ValueError: A task of two texts was given one, or the other way round.
        """
        return self._encode(text)

    def _single(self, text: Text) -> Encoded:
        if text.second is not None:
            raise ValueError("this task takes one text")
        pieces = self._cut(text.first)
        windows = ranges(len(pieces.ids), self._room, self._layout.overlap)
        at = len(self._prefix)
        examples = tuple(
            Example(
                np.concatenate((self._prefix, pieces.ids[start:stop], self._suffix)),
                None,
                Window(start, stop, at),
            )
            for start, stop in windows
        )
        return Encoded(text, pieces.offsets, examples)

    def _question(self, text: Text) -> Encoded:
        question, context = self._cut(text.first), self._cut_context(_second(text))
        kept = min(len(question.ids), self._room // QUESTION_SHARE)
        head = np.concatenate((self._prefix, question.ids[:kept], self._middle))
        examples = tuple(
            self._two(head, context.ids[start:stop], Window(start, stop, len(head)))
            for start, stop in ranges(len(context.ids), self._room - kept, self._layout.overlap)
        )
        return Encoded(text, context.offsets, examples, shortened=kept < len(question.ids))

    def _pair(self, text: Text) -> Encoded:
        first, second = self._cut(text.first), self._cut(_second(text))
        wanted = len(first.ids), len(second.ids)
        kept = _shares(*wanted, self._room)
        head = np.concatenate((self._prefix, first.ids[: kept[0]], self._middle))
        example = self._two(head, second.ids[: kept[1]], Window(0, kept[0], len(self._prefix)))
        return Encoded(text, first.offsets, (example,), shortened=kept != wanted)

    def _two(self, head: _Ids, second: _Ids, window: Window) -> Example:
        """`head` is all before the second text."""
        ids = np.concatenate((head, second, self._suffix))
        if self._layout.types is None or not self._layout.second_type:
            return Example(ids, None, window)
        types = np.zeros(len(ids), dtype=np.int64)
        types[len(head) :] = self._layout.second_type
        return Example(ids, types, window)


def _second(text: Text) -> str:
    if text.second is None:
        raise ValueError("this task takes two texts")
    return text.second


def _shares(first: int, second: int, room: int) -> tuple[int, int]:
    """How many tokens of each side fit: the longer side gives way, down to the shorter one's length."""
    half = room // 2
    if first + second <= room:
        return first, second
    if second <= half:
        return room - second, second
    if first <= room - half:
        return first, room - first
    return room - half, half
