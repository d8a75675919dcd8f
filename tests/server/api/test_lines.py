"""JSON lines to Texts."""

from __future__ import annotations

import json

import pytest

from server.api.lines import Lines
from server.errors import BadRequest, BadText
from server.inference.values import Task, Text


def lines_of(task: Task, *values: object, keep_going: bool = False) -> Lines:
    return Lines([json.dumps(value).encode() for value in values], task, 10, keep_going=keep_going)


@pytest.mark.parametrize(
    ("task", "value", "text"),
    [
        (Task.CLASSIFY, "a", Text("a")),
        (Task.CLASSIFY, {"text": "a"}, Text("a")),
        (Task.NER, {"text": "a"}, Text("a")),
        (Task.PAIR, {"text": "a", "text_pair": "b"}, Text("a", "b")),
        (Task.QA, {"question": "a", "context": "b"}, Text("a", "b")),
    ],
)
def test_a_line_is_what_the_route_takes(task, value, text):
    assert list(lines_of(task, value).texts()) == [text]


@pytest.mark.parametrize(
    ("task", "value", "kind"),
    [
        (Task.CLASSIFY, 1, BadRequest),
        (Task.CLASSIFY, " ", BadText),
        (Task.CLASSIFY, "好\ud83d", BadText),
        (Task.PAIR, {"text": "a", "text_pair": "\udc00"}, BadText),
        (Task.PAIR, {"text": "a", "text_pair": ["b"]}, BadRequest),
        (Task.CLASSIFY, {"text": ["a"]}, BadRequest),
        (Task.CLASSIFY, {"text": "a", "top_k": 1}, BadRequest),
        (Task.PAIR, "a", BadRequest),
        (Task.QA, {"question": "a", "context": ""}, BadText),
    ],
)
def test_a_bad_line_ends_the_reading_with_its_number(task, value, kind):
    lines = lines_of(task, value)
    assert list(lines.texts()) == []
    assert isinstance(lines.failed, kind)
    assert lines.failed.message.startswith("Line 1: ")


def test_bad_lines_keep_their_places():
    lines = lines_of(Task.CLASSIFY, "a", 1, "b" * 11, "c", keep_going=True)
    assert list(lines.texts()) == [Text("a"), Text("c")]
    assert [isinstance(each, Text) for each in lines.read] == [True, False, False, True]
    assert lines.failed is None
