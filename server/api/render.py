"""Answers as the wire has them: only what changes on the way out, which is the unit of offsets."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TypeVar

from server.api.wire import AnswersResult, EntitiesResult, LabelsResult, OffsetUnit, Result
from server.inference.values import Answer, Answers, Entities, Entity, Labels, Span, Text

Marked = TypeVar("Marked", Entity, Span)


def results(answers: Iterable[Answer], texts: Sequence[Text], unit: OffsetUnit = "codepoint") -> list[Result]:
    """A result for each answer; offsets in `unit` of the text that the answer was cut from."""
    return [_result(answer, text, unit) for answer, text in zip(answers, texts, strict=True)]


def _result(answer: Answer, text: Text, unit: OffsetUnit) -> Result:
    match answer:
        case Labels():
            return LabelsResult(answer.labels, answer.shortened)
        case Entities():
            return EntitiesResult(in_unit(answer.entities, text.first, unit))
        case Answers():
            spans = in_unit(answer.answers, text.second or "", unit)
            return AnswersResult(spans, answer.no_answer_score, answer.shortened)


def in_unit(marks: tuple[Marked, ...], text: str, unit: OffsetUnit) -> tuple[Marked, ...]:
    """The same marks, with code-point offsets turned into `unit`."""
    if unit == "codepoint" or not marks:
        return marks
    at = _positions(text, {edge for mark in marks for edge in (mark.start, mark.end)}, unit)
    return tuple(replace(mark, start=at[mark.start], end=at[mark.end]) for mark in marks)


def _positions(text: str, edges: set[int], unit: OffsetUnit) -> dict[int, int]:
    """Units before each edge. One pass over the text, however many edges."""
    codec, width = ("utf-16-le", 2) if unit == "utf16" else ("utf-8", 1)
    at, before, last = {}, 0, 0
    for edge in sorted(edges):
        before += len(text[last:edge].encode(codec)) // width
        at[edge], last = before, edge
    return at
