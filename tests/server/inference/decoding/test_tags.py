"""The best lawful tag sequence, against trying them all."""

from __future__ import annotations

from itertools import pairwise, product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from server.errors import BadBundle
from server.inference.decoding.tags import TagScheme

BIO = ("B-x", "O", "I-x", "I-y", "B-y")
BIOES = ("O", "B-x", "I-x", "E-x", "S-x", "B-y", "M-y", "L-y", "U-y")
scores = st.floats(-20, 0, width=32)


def _may(left: str, right: str, closed: bool) -> bool:
    inside = right[0] in "IMEL"
    is_open = left[0] in "BIM"
    if inside:
        return is_open and left[2:] == right[2:]
    return not (closed and is_open)


@given(st.sampled_from([BIO, BIOES]), st.data())
def test_repaired_sequences_are_lawful_and_the_best_of_their_stretch(names, data):
    length = data.draw(st.integers(1, 4))
    table = data.draw(arrays(np.float64, (length, len(names)), elements=scores))
    table[:, names.index("O")] = -30.0  # no token is outside by itself: one stretch
    closed = names is BIOES
    found = [names[tag] for tag in TagScheme(names).best(table)]

    def total(tags: tuple[str, ...]) -> float:
        return sum(row[names.index(tag)] for row, tag in zip(table, tags, strict=True))

    every = [
        tags
        for tags in product(names, repeat=length)
        if all(_may(left, right, closed) for left, right in pairwise(("O", *tags, "O")))
    ]
    assert tuple(found) in every
    assert total(tuple(found)) == pytest.approx(max(map(total, every)))


@given(st.sampled_from([BIO, BIOES]), st.data())
def test_any_scores_give_a_lawful_sequence_and_lawful_ones_stay(names, data):
    table = data.draw(arrays(np.float64, (12, len(names)), elements=scores))
    tags = [names[tag] for tag in TagScheme(names).best(table)]
    assert all(_may(left, right, names is BIOES) for left, right in pairwise(["O", *tags, "O"]))
    best = [names[tag] for tag in table.argmax(axis=1)]
    if all(_may(left, right, names is BIOES) for left, right in pairwise(["O", *best, "O"])):
        assert tags == best


def one_hot(names: tuple[str, ...], tags: str) -> np.ndarray:
    return np.array([[0.0 if name == tag else -9.0 for name in names] for tag in tags.split()])


@pytest.mark.parametrize(
    ("broken", "mended"),
    [
        ("O I-x I-x O", "O B-x I-x O"),
        ("B-x I-y O O", "B-x B-y O O"),
        ("I-x", "B-x"),
        ("B-x I-x O I-y", "B-x I-x O B-y"),
    ],
)
def test_a_missing_beginning_is_mended(broken, mended):
    table = one_hot(BIO, broken)
    for row, tag in zip(table, mended.split(), strict=True):
        row[BIO.index(tag)] += 8.0 if row[BIO.index(tag)] else 0.0
    assert [BIO[tag] for tag in TagScheme(BIO).best(table)] == mended.split()


@pytest.mark.parametrize("tags", [(), ("B-x", "I-x"), ("O", "O"), ("O", "X-x"), ("O", "LOC"), ("O", "B-")])
def test_tags_of_no_scheme_are_refused(tags):
    with pytest.raises(BadBundle):
        TagScheme(tags)
