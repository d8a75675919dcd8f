"""How often two models say the same of a text."""

from __future__ import annotations

from collections.abc import Sequence

from server.inference.values import Answer, Answers, Entities, Labels


def agreement(one: Sequence[Answer], other: Sequence[Answer]) -> float:
    """Share (0..1) of texts of which both say the same, whatever the scores."""
    return sum(_said(a) == _said(b) for a, b in zip(one, other, strict=True)) / len(one)


def _said(answer: Answer) -> tuple[object, ...]:
    """The best label, all entities, or where the best span stands."""
    match answer:
        case Labels():
            return tuple(label.label for label in answer.labels[:1])
        case Entities():
            return tuple((each.type, each.start, each.end) for each in answer.entities)
        case Answers():
            return tuple((each.start, each.end) for each in answer.answers[:1])
