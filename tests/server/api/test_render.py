"""Offsets in other units point at the same characters."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from server.api.render import in_unit, results
from server.inference.values import Answers, Entities, Entity, Label, Labels, Span, Text

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40)


@st.composite
def marked(draw):
    text = draw(TEXTS)
    edges = sorted(draw(st.lists(st.integers(0, len(text)), min_size=2, max_size=8)))
    spans = [Span(text[a:b], a, b, 0.5) for a, b in zip(edges[::2], edges[1::2], strict=False)]
    return text, tuple(draw(st.permutations(spans)))


@settings(deadline=None, max_examples=50)
@given(marked())
def test_utf8_offsets_cut_the_bytes(case):
    text, spans = case
    for span in in_unit(spans, text, "utf8"):
        assert text.encode()[span.start : span.end].decode() == span.text


@settings(deadline=None, max_examples=50)
@given(marked())
def test_utf16_offsets_cut_the_units(case):
    text, spans = case
    units = text.encode("utf-16-le")
    for span in in_unit(spans, text, "utf16"):
        assert units[2 * span.start : 2 * span.end].decode("utf-16-le") == span.text


@settings(deadline=None, max_examples=50)
@given(marked())
def test_code_points_stay_and_so_does_the_order(case):
    text, spans = case
    assert in_unit(spans, text, "codepoint") == spans
    assert [span.text for span in in_unit(spans, text, "utf8")] == [span.text for span in spans]


def test_each_kind_of_answer_has_its_result():
    label, entity, span = Label("1", "一", 0.5), Entity("per", "人", "b", 1, 2, 0.5), Span("b", 1, 2, 0.5)
    answers = [Labels((label,), True), Entities((entity,)), Answers((span,), None)]
    labels, entities, spans = results(answers, [Text("a"), Text("好b"), Text("?", "好b")], "utf8")
    assert labels.shortened
    assert (entities.entities[0].start, entities.entities[0].end) == (3, 4)
    assert (spans.answers[0].start, spans.no_answer_score) == (3, None)
