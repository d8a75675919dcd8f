"""Positions in a text, counted as the caller's language counts them; knows nothing of tokens."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum


class OffsetUnit(StrEnum):
    """What one step of an offset is: Python's, JavaScript's or a byte reader's."""

    CODEPOINT = "codepoint"
    UTF16 = "utf16"
    UTF8 = "utf8"


_CODECS = {OffsetUnit.UTF16: ("utf-16-le", 2), OffsetUnit.UTF8: ("utf-8", 1)}


def convert(text: str, offsets: Sequence[int], unit: OffsetUnit) -> list[int]:
    """Code-point offsets into `text` (0 to its length, any order) as offsets in `unit`.

    Takes one walk over the text, whatever the number of offsets, besides sorting them.
    """
    if unit is OffsetUnit.CODEPOINT or text.isascii():
        return list(offsets)
    codec, step = _CODECS[unit]
    found: dict[int, int] = {}
    at = units = 0
    for offset in sorted(set(offsets)):
        units += len(text[at:offset].encode(codec, "surrogatepass")) // step
        at = offset
        found[offset] = units
    return [found[offset] for offset in offsets]
