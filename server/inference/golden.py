"""The golden self-test: does a bundle still answer as it did when it was packed?"""

from __future__ import annotations

from server.inference.manifest import Expected
from server.inference.values import Answer, Answers, Entities, Labels

TOLERANCE = 0.02
"""Scores may differ so far between CPUs; the labels may not."""


def expected_of(answer: Answer) -> Expected:
    """The best of an answer, as packing writes it down; the label is empty where nothing was found."""
    if isinstance(answer, Labels) and answer.labels:
        return Expected(label=answer.labels[0].label, score=answer.labels[0].score)
    if isinstance(answer, Entities) and answer.entities:
        entity = max(answer.entities, key=lambda each: each.score)
        return Expected(label=entity.type, score=entity.score, start=entity.start, end=entity.end)
    if isinstance(answer, Answers) and answer.answers:
        span = answer.answers[0]
        return Expected(label=span.text, score=span.score, start=span.start, end=span.end)
    return Expected(label="", score=0.0)


def difference(expected: Expected, answer: Answer) -> str:
    """One sentence on how `answer` departs from what was expected; empty if it does not.

    Of several entities any may be the expected one: two of nearly equal score may change places.
    """
    found = _same_place(expected, answer)
    if (found.label, found.start, found.end) != (expected.label, expected.start, expected.end):
        return f"expected {_words(expected)}, got {_words(found)}."
    if abs(found.score - expected.score) > TOLERANCE:
        return f"expected {_words(expected)} with score {expected.score:.4f}, got {found.score:.4f}."
    return ""


def _same_place(expected: Expected, answer: Answer) -> Expected:
    if isinstance(answer, Entities):
        for entity in answer.entities:
            if (entity.type, entity.start, entity.end) == (expected.label, expected.start, expected.end):
                return expected_of(Entities((entity,)))
    return expected_of(answer)


def _words(expected: Expected) -> str:
    if not expected.label:
        return "nothing"
    place = "" if expected.start is None else f" at {expected.start}-{expected.end}"
    return expected.label + place
