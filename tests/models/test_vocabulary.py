from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.base import Pieces
from models.vocabulary import (
    count_characters,
    count_pieces,
    cut,
    cut_to_characters,
    share_unknown,
    tokenizer_of,
)
from tests.kit import making_kit as kit

TABLE = kit.pieces()
PIECES = Pieces(tuple(t for t, _ in TABLE), tuple(s for _, s in TABLE), start=0, pad=1, end=2, unknown=3)
WHOLE = tokenizer_of(PIECES, range(len(TABLE)))
TEXTS = ["今天的足球比赛", "银行的股票", "足球 足球"]


def ids(tokenizer, text):
    return tokenizer.encode(text, add_special_tokens=False).ids


def small(size, rare=1, texts=TEXTS):
    return cut(PIECES, count_pieces(WHOLE, texts), count_characters(WHOLE, texts), size, rare)


def test_the_likeliest_pieces_win():
    assert WHOLE.encode("今天的足球", add_special_tokens=False).tokens == ["▁", "今", "天", "的", "足球"]


@given(st.lists(st.sampled_from(["<s>", "</s>", "<pad>", "<unk>", "<", "s>", " ", "足球"])).map("".join))
def test_no_text_gives_a_special_token(text):
    assert not {0, 1, 2, 3} & set(ids(WHOLE, text))


def test_full_width_and_runs_of_space_are_one_with_their_plain_form():
    assert ids(WHOLE, "ＡＢ！　　x") == ids(WHOLE, "AB! x")


def test_specials_come_first_then_the_most_used():
    kept = small(120).kept
    assert kept[:4] == (0, 1, 2, 3)
    uses = Counter(i for text in TEXTS for i in ids(WHOLE, text))
    counts = [uses[i] for i in kept[4:]]
    assert counts == sorted(counts, reverse=True)


def test_characters_seen_stay_even_where_they_were_only_part_of_a_word():
    vocabulary = small(110)
    tokens = {PIECES.texts[i] for i in vocabulary.kept}
    assert {"足", "球", "票", "!", "▁"} <= tokens
    assert "汇" not in tokens
    assert "<unk>" not in vocabulary.tokenizer.encode("足球股票", add_special_tokens=False).tokens


def test_a_rare_character_goes_and_becomes_unknown():
    vocabulary = small(106, rare=3)
    assert ids(vocabulary.tokenizer, "银") == [ids(vocabulary.tokenizer, "▁")[0], 3]


@pytest.mark.parametrize("size", [110, 120, 130])
def test_the_size_is_what_was_asked(size):
    everything = [text for text, _ in TABLE[4:]]
    vocabulary = small(size, rare=99, texts=everything)
    assert len(vocabulary.kept) == size == vocabulary.tokenizer.get_vocab_size()


def test_characters_alone_are_kept_as_asked_and_begin_no_word():
    characters = Counter({"足": 5, "球": 4, "银": 1, "汇": 9})
    vocabulary = cut_to_characters(PIECES, characters, size=200, rare=2)
    kept = [PIECES.texts[i] for i in vocabulary.kept]
    assert kept[:4] == ["<s>", "<pad>", "</s>", "<unk>"]
    assert {len(text) for text in kept[4:]} == {1}
    assert {"足", "球", "!", "▁"} <= set(kept)
    assert "银" not in kept
    tokens = vocabulary.tokenizer.encode("足球 A!", add_special_tokens=False).tokens
    assert tokens == ["足", "球", "▁", "A", "!"]
    assert share_unknown(vocabulary.tokenizer, ["足银", "球足"], unknown=3) == 0.25
    assert len(cut_to_characters(PIECES, characters, size=100, rare=2).kept) == 100
