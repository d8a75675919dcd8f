"""Pairs and altered texts made from raw ones."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise, permutations

from hypothesis import given
from hypothesis import strategies as st

from models.data.altered import altered
from models.data.twins import SHORTEST, near_pairs, twin_pairs
from server.inference.values import Text

TEXTS = (
    "花呗怎么还款",
    "借呗怎么提前还款",
    "花呗为什么不能用了",
    "借呗额度怎么提高",
    "余额宝可以提现吗",
    "银行卡没有到账怎么办",
    "我的花呗什么时候还款",
    "花呗账单在哪里查询，还款日是几号",
)
WORDS = ("花呗", "借呗", "还款", "额度", "余额", "提现", "银行", "到账", "账单")
LABELS = ("different", "same")


def test_pairs_of_both_kinds_are_made_and_equal_texts_are_never_different():
    pairs = twin_pairs(TEXTS, WORDS, LABELS, 400, 1)
    kinds = Counter(pair.label for pair in pairs)
    assert kinds.total() == 400
    assert 0.4 < kinds["same"] / 400 < 0.6
    assert not [pair for pair in pairs if pair.label == "different" and pair.text == pair.second]
    assert sum(pair.text != pair.second for pair in pairs if pair.label == "same") > 60
    assert pairs == twin_pairs(TEXTS, WORDS, LABELS, 400, 1)
    assert pairs != twin_pairs(TEXTS, WORDS, LABELS, 400, 2)


def test_a_word_is_changed_in_both_kinds_so_that_it_tells_nothing():
    pairs = twin_pairs(TEXTS, WORDS, LABELS, 400, 3)
    strange = {"花呗额度", "账单怎么", "余额怎么", "到账怎么", "银行怎么"}
    for kind in LABELS:
        assert any(odd in pair.text for pair in pairs if pair.label == kind for odd in strange), kind


@given(
    st.lists(st.text("花呗借还款怎么我的了，吗？", min_size=1, max_size=20), max_size=8), st.integers(0, 9)
)
def test_pairs_are_made_of_any_texts_or_none(texts, seed):
    pairs = twin_pairs(texts, WORDS, LABELS, 5, seed)
    usable = [text for text in texts if len(text) >= SHORTEST]
    assert len(pairs) == (5 if len(usable) > 1 else 0)
    assert all(pair.text and pair.second for pair in pairs)


def test_near_pairs_are_two_raw_texts_that_share_much():
    pairs = near_pairs(TEXTS, WORDS, 200, 1)
    assert {text for pair in pairs for text in (pair.first, pair.second)} <= set(TEXTS)
    assert not [pair for pair in pairs if pair.first == pair.second]
    shared = [len(set(pair.first) & set(pair.second)) for pair in pairs]
    anyhow = [len(set(one) & set(other)) for one, other in permutations(TEXTS, 2)]
    assert sum(shared) / len(shared) > 1.5 * sum(anyhow) / len(anyhow)
    assert pairs == near_pairs(TEXTS, WORDS, 200, 1)
    assert near_pairs(TEXTS[:1], WORDS, 5, 1) == near_pairs([], WORDS, 5, 1) == []


def test_altered_texts_are_new_and_made_of_what_stands_in_such_places():
    texts = [Text(text) for text in TEXTS]
    made = altered(texts, 5, 1)
    assert 8 < len(made) == len(set(made))
    assert not set(made) & set(texts)
    assert {character for text in made for character in text.first} <= set("".join(TEXTS))
    assert made == altered(texts, 5, 1)
    assert altered(texts, 0, 1) == []


def test_both_texts_of_a_pair_are_altered():
    made = altered([Text(one, other) for one, other in pairwise(TEXTS)], 8, 1)
    assert any(text.first not in TEXTS for text in made)
    assert any(text.second not in TEXTS for text in made)


@given(st.lists(st.text(max_size=12), max_size=5), st.integers(0, 9))
def test_any_text_can_be_altered(texts, seed):
    assert all(isinstance(text.first, str) for text in altered([Text(text) for text in texts], 2, seed))
