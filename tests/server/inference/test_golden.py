"""What a golden example holds, and when it is not met."""

from __future__ import annotations

import pytest

from server.inference.golden import difference, expected_of
from server.inference.manifest import Expected
from server.inference.values import Answers, Entities, Entity, Label, Labels, Span


def labels(*found):
    return Labels(tuple(Label(label, label, score) for label, score in found))


def entity(type_="per", start=0, end=2, score=0.9):
    return Entity(type_, type_, "..", start, end, score)


PERSON = Expected(label="per", score=0.9, start=0, end=2)


def test_the_best_is_expected():
    assert expected_of(labels(("a", 0.7), ("b", 0.3))) == Expected(label="a", score=0.7)
    assert expected_of(Entities((entity(score=0.5), entity("loc", 3, 5, 0.8)))).label == "loc"
    assert expected_of(Answers((Span("甲", 1, 2, 0.6),), None)) == Expected(
        label="甲", score=0.6, start=1, end=2
    )
    assert expected_of(Entities(())) == expected_of(labels()) == Expected(label="", score=0.0)


@pytest.mark.parametrize(
    ("expected", "answer"),
    [
        (Expected(label="a", score=0.7), labels(("a", 0.715))),
        (PERSON, Entities((entity("loc", 4, 5, 0.99), entity(score=0.89)))),
        (Expected(label="", score=0.0), Entities(())),
    ],
)
def test_within_the_tolerance_nothing_differs(expected, answer):
    assert difference(expected, answer) == ""


@pytest.mark.parametrize(
    ("expected", "answer", "words"),
    [
        (Expected(label="a", score=0.7), labels(("b", 0.7)), "expected a, got b."),
        (Expected(label="a", score=0.7), labels(("a", 0.721)), "score 0.7000, got 0.7210"),
        (Expected(label="a", score=0.7), labels(), "got nothing"),
        (PERSON, Entities((entity(end=3),)), "expected per at 0-2, got per at 0-3"),
        (PERSON, Entities((entity(score=0.87),)), "got 0.8700"),
        (Expected(label="", score=0.0), Entities((entity(),)), "expected nothing"),
        (
            Expected(label="北京。", score=0.9, start=3, end=6),
            Answers((Span("北京", 4, 6, 0.9),), None),
            "got 北京 at 4-6",
        ),
        (
            Expected(label="北京市", score=0.9, start=3, end=6),
            Answers((Span("北京", 3, 5, 0.9),), None),
            "expected 北京市 at 3-6",
        ),
    ],
)
def test_what_differs_is_said(expected, answer, words):
    assert words in difference(expected, answer)
