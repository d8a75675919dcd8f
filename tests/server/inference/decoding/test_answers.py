"""Answers cut exactly from the context, against trying every span."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from msgspec.structs import replace

from server.errors import BadBundle, BadOption, ModelFailed
from server.inference.decoding import decoder_for
from server.inference.decoding.span_table import SpanTable
from server.inference.encoding import Encoder
from server.inference.values import Answers, Encoded, Options, Task, Text
from tests.kit.manifest_kit import manifest
from tests.kit.text_strategies import PLANTED, any_text, trouble
from tests.kit.tokenizer_kit import KINDS, layout

TOKENIZERS = {kind: make() for kind, make in KINDS.items()}
SHORT = {
    kind: Encoder(tokenizer, Task.QA, layout(max_length=24, overlap=6))
    for kind, tokenizer in TOKENIZERS.items()
}
HUGE = {kind: Encoder(tokenizer, Task.QA, layout(max_length=9999)) for kind, tokenizer in TOKENIZERS.items()}
PLAIN = decoder_for(manifest(Task.QA))
NULL = decoder_for(manifest(Task.QA, no_answer=True))
kinds = st.sampled_from(sorted(KINDS))
finite = st.floats(width=32, allow_nan=False, allow_infinity=False)
mild = st.floats(-30, 30, width=32)


def ask(encoded: Encoded, logits: list[np.ndarray], decoder=PLAIN, **options) -> Answers:
    answer = decoder.decode(encoded, logits, Options(**options))
    assert isinstance(answer, Answers)
    return answer


def by_id(encoded: Encoded, seed: int) -> list[np.ndarray]:
    """A network whose scores depend on the token alone."""
    table = np.random.default_rng(seed).normal(0, 3, (2000, 2)).astype(np.float32)
    return [table[example.ids] for example in encoded.examples]


def marking(encoded: Encoded, start: int, end: int) -> list[np.ndarray]:
    """A network that has learnt one answer: start and end high on its first and last token."""
    rows = []
    for example in encoded.examples:
        window = example.window
        logits = np.zeros((example.length, 2), dtype=np.float32)
        for token in range(window.start, window.stop):
            left, right = encoded.offsets[token]
            if left < right:
                logits[window.at + token - window.start] = 20 * (left == start), 20 * (right == end)
        rows.append(logits)
    return rows


@settings(max_examples=150)
@given(kinds, trouble, st.sampled_from(PLANTED), trouble)
def test_a_planted_answer_is_found_exactly(kind, prefix, surface, suffix):
    encoded = SHORT[kind].encode(Text("在哪里？", prefix + surface + "。" + suffix))
    start, end = len(prefix), len(prefix) + len(surface)
    (found,) = ask(encoded, marking(encoded, start, end)).answers
    assert (found.start, found.end, found.text) == (start, end, surface)
    assert found.score > 0.9


@given(kinds, st.text("。，、；：！？… \n李四在京x", max_size=30), st.integers(0, 99), st.integers(1, 5))
def test_no_answer_begins_or_ends_with_a_mark_unless_it_is_nothing_else(kind, context, seed, top_k):
    encoded = SHORT[kind].encode(Text("谁？", context))
    for found in ask(encoded, by_id(encoded, seed), top_k=top_k).answers:
        assert found.text == context[found.start : found.end]
        assert found.text.strip("。，、；：！？… \n") in ("", found.text)


def test_an_answer_without_its_marks_still_stands_where_it_says():
    encoded = SHORT["characters"].encode(Text("谁？", "他说：，李四。然后"))
    (found,) = ask(encoded, marking(encoded, 2, 7)).answers
    assert (found.start, found.end, found.text) == (4, 6, "李四")
    encoded = SHORT["characters"].encode(Text("谁？", "。。"))
    (found,) = ask(encoded, marking(encoded, 0, 2)).answers
    assert (found.start, found.end, found.text) == (0, 2, "。。"), "an answer of marks alone stays"


@given(kinds, any_text, st.integers(0, 99), st.integers(1, 5), st.integers(1, 30))
def test_windows_find_what_one_long_row_finds(kind, context, seed, top_k, longest):
    windows, whole = (encoders[kind].encode(Text("谁？", context)) for encoders in (SHORT, HUGE))
    found, expected = (
        ask(encoded, by_id(encoded, seed), NULL, top_k=top_k, max_answer_chars=longest)
        for encoded in (windows, whole)
    )
    assert found == expected


@given(kinds, any_text, st.data(), st.integers(1, 20), st.integers(1, 40))
def test_any_finite_scores_give_slices_apart_best_first(kind, context, data, top_k, longest):
    encoded = SHORT[kind].encode(Text("谁？", context))
    logits = [
        data.draw(arrays(np.float32, (example.length, 2), elements=finite, fill=finite))
        for example in encoded.examples
    ]
    answer = ask(encoded, logits, NULL, top_k=top_k, max_answer_chars=longest)
    scores = [span.score for span in answer.answers]
    assert scores == sorted(scores, reverse=True)
    assert answer.no_answer_score is not None
    assert all(0 <= score <= 1 for score in (*scores, answer.no_answer_score))
    assert sum(scores) + answer.no_answer_score <= 1 + 1e-9
    assert len(answer.answers) <= top_k
    for span in answer.answers:
        assert span.text == context[span.start : span.end] == span.text.strip() != ""
        assert len(span.text) <= longest
    for left, right in combinations(answer.answers, 2):
        assert left.end <= right.start or right.end <= left.start


@given(st.integers(0, 30), st.integers(1, 12), st.sampled_from([0.0, 0.5, 3.0]), st.data())
def test_the_table_agrees_with_trying_every_span(count, longest, brevity, data):
    steps = data.draw(
        st.lists(st.tuples(st.integers(0, 2), st.integers(1, 3)), min_size=count, max_size=count)
    )
    edges = np.cumsum(np.array(steps, dtype=np.int32).reshape(-1)).reshape(-1, 2).astype(np.int32)
    scores = data.draw(arrays(np.float64, (count, 2), elements=mild))
    spans = [
        (
            float(scores[i, 0] + scores[j, 1] - brevity * np.log(edges[j, 1] - edges[i, 0])),
            int(edges[i, 0]),
            int(edges[j, 1]),
        )
        for i in range(count)
        for j in range(i, count)
        if edges[j, 1] - edges[i, 0] <= longest
    ]
    table = SpanTable(edges, scores, longest, brevity)
    assert table.mass * np.exp(table.top) == pytest.approx(sum(np.exp(score) for score, _, _ in spans))
    found = table.best(5)
    for score, start, end in found:
        assert score == pytest.approx(max(spans)[0])
        assert any((start, end) == span[1:] and score == pytest.approx(span[0]) for span in spans)
        spans = [span for span in spans if span[2] <= start or end <= span[1]]
    assert len(found) == 5 or not spans


def test_long_contexts_are_searched_in_blocks_with_the_same_answer():
    generator = np.random.default_rng(1)
    count = 9_000
    edges = np.stack((np.arange(count), np.arange(count) + 1), axis=1).astype(np.int32)
    scores = generator.normal(0, 1, (count, 2))
    scores[8_191, 0] = scores[8_200, 1] = 20.0
    table = SpanTable(edges, scores, 64)
    assert table.best(1) == [(40.0, 8_191, 8_201)]
    assert (table.top, table.mass) == (40.0, pytest.approx(1.0, abs=1e-3))


def test_no_answer_is_the_least_null_of_the_windows_in_the_same_softmax():
    encoded = SHORT["characters"].encode(Text("谁", "北" * 40))
    logits = [np.full((example.length, 2), -40, dtype=np.float32) for example in encoded.examples]
    assert len(logits) > 2
    for null, rows in zip((3, 1, 4), logits, strict=False):
        rows[0] = null, 0
    for rows in logits[3:]:
        rows[0] = 9
    logits[0][encoded.examples[0].window.at] = 0, 0
    answer = ask(encoded, logits, NULL)
    null, best = np.exp(1), 1
    assert answer.no_answer_score == pytest.approx(null / (null + best))
    assert answer.answers[0].score == pytest.approx(best / (null + best))
    assert ask(encoded, logits, PLAIN).no_answer_score is None
    assert ask(encoded, logits, PLAIN).answers[0].score == pytest.approx(1)


def test_a_context_of_which_nothing_is_left_has_no_answer():
    encoded = HUGE["wordpiece"].encode(Text("谁", "\u200b"))
    logits = [np.zeros((4, 2), dtype=np.float32)]
    assert ask(encoded, logits, PLAIN) == Answers((), None)
    assert ask(encoded, logits, NULL) == Answers((), 1.0)


def test_a_later_token_of_a_character_lends_its_score_to_it():
    encoded = HUGE["byte_level"].encode(Text("谁", "在𠀀店"))
    logits = [np.zeros((encoded.examples[0].length, 2), dtype=np.float32)]
    spans = encoded.offsets.tolist()
    last = max(at for at, span in enumerate(spans) if span == [2, 2])
    logits[0][encoded.examples[0].window.at + last] = 30
    assert ask(encoded, logits).answers[0].text == "𠀀"


def test_the_bundles_limit_counts_and_a_threshold_drops():
    decoder = decoder_for(manifest(Task.QA, max_answer_chars=3))
    encoded = HUGE["characters"].encode(Text("谁", "北京大学"))
    logits = marking(encoded, 0, 4)
    assert len(ask(encoded, logits, decoder).answers[0].text) <= 3
    assert ask(encoded, logits, decoder, max_answer_chars=4).answers[0].text == "北京大学"
    assert ask(encoded, logits, decoder, threshold=0.99).answers == ()


@pytest.mark.parametrize("longest", [0, 257])
def test_a_limit_out_of_range_is_refused(longest):
    encoded = HUGE["characters"].encode(Text("谁", "北京"))
    with pytest.raises(BadOption):
        ask(encoded, marking(encoded, 0, 1), max_answer_chars=longest)


def test_more_answers_than_twenty_are_not_given():
    encoded = HUGE["characters"].encode(Text("谁", "北" * 60))
    logits = marking(encoded, 0, 1)
    assert len(ask(encoded, logits, top_k=1000, max_answer_chars=1).answers) == 20


def test_scores_that_are_not_finite_fail_the_model():
    encoded = HUGE["characters"].encode(Text("谁", "北京"))
    logits = marking(encoded, 0, 1)
    logits[0][0, 0] = np.nan
    with pytest.raises(ModelFailed):
        ask(encoded, logits)


def test_no_answer_without_a_token_for_it_is_refused():
    bare = layout()
    with pytest.raises(BadBundle):
        decoder_for(
            manifest(
                Task.QA,
                no_answer=True,
                inputs=type(bare)(middle=(), prefix=(), suffix=(), pad=0, max_length=64, overlap=1),
            )
        )


def test_of_equal_scores_a_brief_bundle_takes_the_shortest():
    encoded = HUGE["characters"].encode(Text("谁？", "北京上海天津重庆"))
    (example,) = encoded.examples
    logits = np.zeros((example.length, 2), dtype=np.float32)
    at = example.window.at
    logits[at : at + 8] = 1.0
    logits[at + 2, 0] = logits[at + 3, 1] = 4.0
    logits[at + 7, 1] = 4.3
    brief = decoder_for(replace(manifest(Task.QA), brevity=0.5))
    assert ask(encoded, [logits]).answers[0].text == "上海天津重庆"
    assert ask(encoded, [logits], brief).answers[0].text == "上海"
    shares = ask(encoded, [logits], brief, top_k=8).answers
    assert sum(span.score for span in shares) <= 1 + 1e-9
