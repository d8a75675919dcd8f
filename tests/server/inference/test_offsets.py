"""Offsets in the caller's unit point at the same characters."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from server.inference.offsets import OffsetUnit, convert

texts = st.text(
    st.one_of(st.characters(exclude_categories=("Cs",)), st.sampled_from("aé北😀𠀀")), max_size=40
)


@given(texts, st.data())
def test_the_slice_in_each_unit_is_the_slice_in_code_points(text, data):
    offsets = data.draw(st.lists(st.integers(0, len(text)), max_size=6))
    assert convert(text, offsets, OffsetUnit.CODEPOINT) == offsets
    for unit, codec, step in ((OffsetUnit.UTF16, "utf-16-le", 2), (OffsetUnit.UTF8, "utf-8", 1)):
        encoded = text.encode(codec)
        for offset, there in zip(offsets, convert(text, offsets, unit), strict=True):
            assert encoded[: there * step].decode(codec) == text[:offset]


def test_known_values():
    assert convert("a😀北", [0, 1, 2, 3], OffsetUnit.UTF16) == [0, 1, 3, 4]
    assert convert("a😀北", [3, 2, 1], OffsetUnit.UTF8) == [8, 5, 1]
    assert convert("", [0], OffsetUnit.UTF8) == [0]
