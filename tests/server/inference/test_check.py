"""Which texts can be answered."""

from __future__ import annotations

import sys
import time
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.errors import BadText, TooLong
from server.inference.check import PAIRED, check_texts
from server.inference.values import Task, Text

GOOD = Text("好")


@pytest.mark.parametrize(
    "bad",
    [
        *("", " ", "\n\t\r", "\u3000", "\u2003\u00a0", "好\ud83d", "\udc00", "a\udfff", "\ud800" * 3),
        *("\u200b", "\ufeff", "\x00\x07", "\u200d\ufe0f ", "\u0301", "\ue000", "\ufffd"),
    ],
)
def test_blank_texts_and_lone_surrogates_are_named(bad):
    with pytest.raises(BadText) as refused:
        check_texts([GOOD, Text(bad)], Task.CLASSIFY, 10)
    assert refused.value.index == 1
    with pytest.raises(BadText):
        check_texts([Text("好", bad)], Task.QA, 10)
    refused.value.message.encode()  # the sentence itself can be sent


@pytest.mark.parametrize(("task", "names"), PAIRED.items())
def test_of_two_texts_the_bad_one_is_named(task, names):
    for place, name in enumerate(names):
        for bad, error in ((" ", BadText), ("\ud83d", BadText), ("好" * 11, TooLong)):
            sides = ["好", "好"]
            sides[place] = bad
            with pytest.raises(error, match=f"^{name} ") as refused:
                check_texts([Text("好", "好"), Text(*sides)], task, 10)
            assert refused.value.index == 1


def test_a_text_beside_many_others_is_checked_once():
    shared = "好" * 49_999 + "…"

    def seconds(count: int) -> float:
        texts = [Text(f"好{number}", shared) for number in range(count)]
        began = time.perf_counter()
        check_texts(texts, Task.QA, 50_000)
        return time.perf_counter() - began

    alone = min(seconds(1) for _ in range(3))
    assert min(seconds(128) for _ in range(3)) < 20 * alone


def test_a_long_text_is_named_and_the_limit_said():
    check_texts([Text("好" * 10)], Task.NER, 10)
    with pytest.raises(TooLong, match="11 characters; at most 10") as refused:
        check_texts([GOOD, GOOD, Text("好" * 11)], Task.NER, 10)
    assert refused.value.index == 2


@pytest.mark.parametrize("task", Task)
def test_each_task_takes_its_number_of_texts(task):
    right, wrong = (
        (Text("好"), Text("好", "的"))
        if task in (Task.CLASSIFY, Task.NER)
        else (Text("好", "的"), Text("好"))
    )
    check_texts([right], task, 10)
    with pytest.raises(BadText):
        check_texts([right, wrong], task, 10)


SEEN = st.characters(categories=["L", "N", "P", "S", "Cn"], exclude_characters="\u2581\ufffc\ufffd")
ANY = st.text(st.characters(exclude_categories=["Cs"]))


@given(ANY, SEEN, ANY)
def test_all_else_is_taken(before, seen, after):
    check_texts([Text(before + seen + after)], Task.NER, 1000)


def test_a_text_that_grows_when_normalised_is_refused_before_it_does():
    check_texts([Text("\ufdfa" + "好" * 99)], Task.NER, 100)
    check_texts([Text("\ufdfa" * 11)], Task.NER, 100)
    check_texts([Text("…" * 66)], Task.NER, 100)
    with pytest.raises(TooLong, match="216 characters once normalised; at most 200") as refused:
        check_texts([GOOD, Text("\ufdfa" * 12)], Task.NER, 100)
    assert refused.value.index == 1


def test_accents_in_an_order_that_costs_python_a_sort_are_checked_at_once():
    """A whole text of them takes seconds to normalise, in which an event loop would stand still."""
    text = "a" + "\u0315\u0316" * 24_999 + "好"
    began = time.perf_counter()
    check_texts([Text(text)], Task.CLASSIFY, 50_000)
    assert time.perf_counter() - began < 0.5


def test_no_character_grows_more_than_the_check_reckons_with():
    grown = (len(unicodedata.normalize("NFKC", chr(code))) for code in range(sys.maxunicode + 1))
    assert max(grown) == 18
