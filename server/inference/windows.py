"""Where windows lie over a sequence of tokens, and which of them speaks for which token."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from server.inference.values import Window

Range = tuple[int, int]


def ranges(count: int, room: int, overlap: int) -> list[Range]:
    """Half-open ranges of at most `room` tokens that cover `count`, each sharing `overlap` with the next.

    Always one at least. `overlap` counts up to half of `room`, so that the number stays linear in `count`.
    """
    stride = room - min(overlap, room // 2)
    more = max(count - room, 0)
    steps = -(-more // stride)
    return [(step * stride, min(step * stride + room, count)) for step in range(steps + 1)]


def owned(windows: Sequence[Window]) -> list[Range]:
    """For each window the tokens it decides: those that it sees with more context than its neighbours.

    Where two windows overlap, the border lies in the middle of what they share. The windows are in order
    of the text; together the ranges hold every token once.
    """
    borders = [(left.stop + right.start + 1) // 2 for left, right in pairwise(windows)]
    return list(zip([windows[0].start, *borders], [*borders, windows[-1].stop], strict=True))
