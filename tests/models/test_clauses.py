"""Clauses of reviews, learnt with the label of the whole."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from models.data.clauses import LONGEST, RUN, SHORTEST, clauses_of
from models.data.rows import Labelled

GOOD = Labelled("房间很干净，前台热情。一次都没有失望过！下次还来", "positive")
BAD = Labelled("快递太慢，打开就坏了；客服不理人", "negative")
TEXTS = st.text("，。！ \n好坏慢快房间很不没有过", max_size=60)


def test_clauses_have_the_label_of_the_whole_and_stand_in_it():
    made = clauses_of([GOOD, BAD], 99, 0)
    assert "下次还来" in {row.text for row in made}
    assert {row.label for row in made} == {"positive", "negative"}
    for row in made:
        assert row.text in (GOOD if row.label == "positive" else BAD).text


def test_so_many_as_were_asked_for_each_once_by_the_seed():
    assert clauses_of([GOOD, BAD], 3, 1) == clauses_of([GOOD, BAD], 3, 1)
    assert len(clauses_of([GOOD, BAD, GOOD], 3, 1)) == 3
    made = clauses_of([GOOD, BAD, GOOD], 99, 1)
    assert len(made) == len({row.text for row in made})


def test_no_text_is_its_own_clause():
    assert clauses_of([Labelled("一点毛病都没有", "positive"), Labelled("很好，", "positive")], 9, 0) == []


@given(st.lists(TEXTS, max_size=4), st.integers(1, 9), st.integers(0, 9))
def test_a_run_is_short_whole_and_less_than_its_text(texts, count, seed):
    made = clauses_of([Labelled(text, "positive") for text in texts], count, seed)
    assert len(made) <= count
    for row in made:
        assert SHORTEST <= len(row.text) <= LONGEST
        assert any(row.text in text and row.text != text.strip() for text in texts)
        assert row.text[0] not in "，。！"
        assert len(re.split("[，。！\\s]+", row.text.strip("，。！"))) <= RUN
