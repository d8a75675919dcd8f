"""Scores of entities and answers, against values computed by hand and against seqeval."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.data.rows import Mention, Question, Tagged
from models.scores import exact_match, macro_f1_of, micro_f1_of, overlap_f1
from models.tasks.answers import QuestionAnswering
from models.tasks.entities import EntityTagging
from models.tasks.figures import NO_LABEL
from server.inference.values import Answers, Encoded, Entities, Entity, Example, Span, Text, Window


def found(text, *mentions, score=1.0):
    return Entities(tuple(Entity(t, t, text[start:end], start, end, score) for start, end, t in mentions))


def row_of(text, *mentions):
    return Tagged(text, tuple(Mention(*each) for each in mentions))


def test_entity_f1_counts_type_start_and_end():
    rows = [row_of("x" * 20, (0, 2, "a"), (3, 5, "b"), (6, 9, "a"))]
    said = [found("x" * 20, (0, 2, "a"), (3, 5, "a"), (6, 8, "a"))]
    # one hit of three given and three true ones
    assert EntityTagging().score(rows, said) == pytest.approx(1 / 3)
    micro, macro = EntityTagging().figures(rows, said, [row_of("x", (0, 1, "a"))], seed=1)
    assert (micro.metric, macro.metric) == ("micro F1", "macro F1")
    # a: one hit, three given, two true; b: none, none, one
    assert macro.value == pytest.approx((2 / 5 + 0) / 2)


def test_f1_of_counts_by_hand():
    counts = np.array([2.0, 3, 4, 0, 0, 0, 1, 1, 1])
    assert micro_f1_of(counts) == pytest.approx(2 * 3 / 9)
    assert macro_f1_of(counts) == pytest.approx((4 / 7 + 1) / 2)


spans = st.lists(
    st.tuples(st.integers(0, 3), st.integers(1, 3), st.sampled_from("ab")), min_size=1, max_size=5
)


def laid_out(parts):
    """Gaps, lengths and types as mentions that lie apart, and as tags of BIOES."""
    mentions, tags = [], []
    for gap, length, type_ in parts:
        tags += ["O"] * gap
        mentions.append((len(tags), len(tags) + length, type_))
        tags += [f"{part}-{type_}" for part in ("S" if length == 1 else "B" + "I" * (length - 2) + "E")]
    return mentions, tags + ["O"] * (40 - len(tags))


@settings(max_examples=30)
@given(spans, spans)
def test_micro_and_macro_f1_are_those_of_seqeval(true, said):
    metrics = pytest.importorskip("seqeval.metrics")
    scheme = pytest.importorskip("seqeval.scheme").IOBES
    (mentions, tags), (given_, given_tags) = laid_out(true), laid_out(said)
    rows, answers = [row_of("x" * 40, *mentions)], [found("x" * 40, *given_)]
    micro, macro = EntityTagging().figures(rows, answers, [], seed=1)
    for figure, average in ((micro, "micro"), (macro, "macro")):
        theirs = metrics.f1_score(
            [tags], [given_tags], average=average, mode="strict", scheme=scheme, zero_division=0
        )
        assert figure.value == pytest.approx(theirs)


def test_the_baseline_looks_up_the_names_of_train_longest_first():
    train = [row_of("北京大学", (0, 4, "organization")), row_of("北京", (0, 2, "address"))]
    rows = [row_of("去北京大学", (1, 5, "organization")), row_of("去北京", (1, 3, "address"))]
    micro, _ = EntityTagging().figures(rows, [found("去北京大学"), found("去北京")], train, seed=1)
    assert (micro.value, micro.baseline) == (0.0, 1.0)


def test_what_was_taken_for_what_goes_by_equal_places():
    rows = [row_of("x" * 9, (0, 2, "a"), (3, 5, "b"))]
    confusion = EntityTagging().confusion(rows, [found("x" * 9, (0, 2, "b"), (6, 8, "a"))], ["a", "b"])
    assert confusion.counts.tolist() == [[0, 1, 0], [0, 0, 1], [1, 0, 0]]


def encoded_of(text, offsets, *windows):
    examples = tuple(
        Example(np.zeros(stop - start + 3, np.int64), None, Window(start, stop, 2)) for start, stop in windows
    )
    return Encoded(Text(text), np.array(offsets, np.int32), examples)


def test_tags_cover_every_token_of_an_entity_and_leave_blank_tokens_out():
    text = "去 北京大学吧"
    encoded = encoded_of(text, [(0, 1), (2, 2), (2, 4), (4, 6), (6, 7)], (0, 5))
    tags = EntityTagging().outputs(["x", "org"])
    # of two that overlap the longer one is learnt; its end falls inside a token
    row = row_of(text, (2, 5, "org"), (2, 4, "x"), (6, 7, "x"))
    target = EntityTagging().target(row, encoded, encoded.examples[0], ["x", "org"])
    assert target[:2] == [NO_LABEL] * 2
    learnt = [tags[tag] if tag != NO_LABEL else "-" for tag in target[2:-1]]
    assert learnt == ["O", "-", "B-org", "E-org", "S-x"]
    assert target[-1] == NO_LABEL


def test_a_window_without_the_whole_answer_points_at_its_first_token():
    offsets = [(at, at + 1) for at in range(10)]
    encoded = encoded_of("问", offsets, (0, 6), (4, 10))
    row = Question("问", "0123456789", ("567",), 5, 3)
    targets = [QuestionAnswering().target(row, encoded, example, []) for example in encoded.examples]
    assert targets == [[0, 0], [3, 5]]


@pytest.mark.parametrize(
    ("answer", "references", "exact", "f1"),
    [
        ("北京。", ["北京"], True, 1.0),
        ("北京", ["上海", "北京市"], False, 0.8),
        ("在北京大学", ["北京大学"], False, 8 / 9),
        ("北大京", ["北京"], False, 2 / 5),  # the longest common run is one character
        ("iPhone 14", ["iphone 14"], True, 1.0),
        ("iPhone 14 手机", ["iphone 手机"], False, 2 * 2 / 7),
        ("", ["北京"], False, 0.0),
        ("《红楼梦》", ["红楼梦"], True, 1.0),
    ],
)
def test_answers_by_the_rules_of_cmrc(answer, references, exact, f1):
    assert exact_match(answer, references) is exact
    assert overlap_f1(answer, references) == pytest.approx(f1)


def test_figures_of_answers_stand_beside_a_likely_clause():
    context = "都江堰在四川，李冰主持修建了都江堰，今天仍在。"
    row = Question("谁主持修建了都江堰", context, ("李冰",), 7, 2)
    f1, exact = QuestionAnswering().figures([row, row], [span("李冰"), Answers((), None)], [], seed=1)
    assert (f1.metric, f1.value, exact.value) == ("F1", 0.5, 0.5)
    assert f1.baseline == pytest.approx(2 * 2 / (2 + len("李冰主持修建了都江堰")))
    assert exact.baseline == 0


def span(text):
    return Answers((Span(text, 0, len(text), 0.9),), None)
