"""How often two models say the same."""

from __future__ import annotations

import pytest

from models.table.agreement import agreement
from server.inference.values import Answers, Entities, Entity, Label, Labels, Span


def label(name, score):
    return Labels((Label(name, name, score), Label("other", "other", 0.1)))


def entities(*marks):
    return Entities(tuple(Entity(type_, type_, "", at, at + 1, 0.5) for type_, at in marks))


@pytest.mark.parametrize(
    ("one", "same", "other"),
    [
        (label("a", 0.9), label("a", 0.5), label("b", 0.9)),
        (entities(("per", 1), ("loc", 3)), entities(("per", 1), ("loc", 3)), entities(("per", 1))),
        (Answers((Span("x", 1, 2, 0.9),), None), Answers((Span("x", 1, 2, 0.4),), 0.1), Answers((), None)),
    ],
)
def test_agreement_is_of_what_is_said_not_of_scores(one, same, other):
    assert agreement([one, one], [same, other]) == 0.5
