"""Entities cut exactly from the text, over windows as over one long row."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from server.errors import BadBundle, ModelFailed
from server.inference.decoding import decoder_for
from server.inference.encoding import Encoder
from server.inference.values import Encoded, Entities, Entity, Options, Task, Text
from tests.kit.manifest_kit import manifest
from tests.kit.text_strategies import NAMES, any_text, trouble
from tests.kit.tokenizer_kit import KINDS, layout

TAGS = ("O", "B-地", "I-地", "B-人", "I-人")
CLOSED = ("B-地", "M-地", "E-地", "S-地", "O")
DECODER = decoder_for(manifest(Task.NER, tags=TAGS, labels=("地",)))
TOKENIZERS = {kind: make() for kind, make in KINDS.items()}
SHORT = {
    kind: Encoder(tokenizer, Task.NER, layout(max_length=18, overlap=6))
    for kind, tokenizer in TOKENIZERS.items()
}
HUGE = {kind: Encoder(tokenizer, Task.NER, layout(max_length=9999)) for kind, tokenizer in TOKENIZERS.items()}
kinds = st.sampled_from(sorted(KINDS))
finite = st.floats(width=32, allow_nan=False, allow_infinity=False)

Network = Callable[[Encoded], list[np.ndarray]]


def entities(encoded: Encoded, logits: list[np.ndarray], decoder=DECODER, **options) -> tuple[Entity, ...]:
    answer = decoder.decode(encoded, logits, Options(**options))
    assert isinstance(answer, Entities)
    return answer.entities


def by_id(seed: int, width: int) -> Network:
    """A network whose scores depend on the token alone."""
    table = np.random.default_rng(seed).normal(0, 3, (2000, width)).astype(np.float32)
    return lambda encoded: [table[example.ids] for example in encoded.examples]


def marking(start: int, end: int, tags: tuple[str, ...] = TAGS, type_: str = "地") -> Network:
    """A network that has learnt one entity: its tokens' tags, and O with certainty elsewhere."""

    def run(encoded: Encoded) -> list[np.ndarray]:
        spans = encoded.offsets.tolist()
        inside = [at for at, (left, right) in enumerate(spans) if start <= left < right <= end]
        parts = _parts(len(inside), "E-" + type_ in tags)
        wanted = dict.fromkeys(range(len(spans)), "O")
        wanted.update((at, f"{part}-{type_}") for at, part in zip(inside, parts, strict=True))
        rows = []
        for example in encoded.examples:
            logits = np.zeros((example.length, len(tags)), dtype=np.float32)
            for token in range(example.window.start, example.window.stop):
                logits[example.window.at + token - example.window.start, tags.index(wanted[token])] = 9
            rows.append(logits)
        return rows

    return run


def _parts(count: int, closed: bool) -> list[str]:
    if not closed:
        return ["B", *"I" * (count - 1)]
    return ["S"] if count == 1 else ["B", *"M" * (count - 2), "E"]


@settings(max_examples=150)
@given(kinds, trouble, st.sampled_from(NAMES), trouble, st.sampled_from([TAGS, CLOSED]))
def test_a_planted_entity_is_found_exactly(kind, prefix, surface, suffix, tags):
    suffix = "。" + suffix
    encoded = SHORT[kind].encode(Text(prefix + surface + suffix))
    start, end = len(prefix), len(prefix) + len(surface)
    decoder = decoder_for(manifest(Task.NER, tags=tags, labels=("地",)))
    (found,) = entities(encoded, marking(start, end, tags)(encoded), decoder)
    assert (found.start, found.end, found.text, found.type) == (start, end, surface, "地")
    assert found.score > 0.99


@given(kinds, any_text, st.integers(0, 99))
def test_windows_find_what_one_long_row_finds(kind, text, seed):
    network = by_id(seed, len(TAGS))
    windows, whole = SHORT[kind].encode(Text(text)), HUGE[kind].encode(Text(text))
    assert entities(windows, network(windows)) == entities(whole, network(whole))


@given(kinds, any_text, st.data())
def test_any_finite_scores_give_sorted_slices_apart(kind, text, data):
    encoded = SHORT[kind].encode(Text(text))
    logits = [
        data.draw(arrays(np.float32, (example.length, len(TAGS)), elements=finite, fill=finite))
        for example in encoded.examples
    ]
    found = entities(encoded, logits)
    for entity in found:
        assert entity.text == text[entity.start : entity.end] == entity.text.strip() != ""
        assert 0 <= entity.score <= 1
    assert all(left.end <= right.start for left, right in pairwise(found))
    kept = entities(encoded, logits, threshold=0.5)
    assert kept == tuple(entity for entity in found if entity.score >= 0.5)


def test_an_entity_across_every_window_is_one():
    encoded = SHORT["characters"].encode(Text("在" + "北" * 80 + "的"))
    (found,) = entities(encoded, marking(1, 81)(encoded))
    assert (found.start, found.end) == (1, 81)


def test_the_score_is_the_geometric_mean_of_the_tags_probabilities():
    encoded = HUGE["characters"].encode(Text("北京"))
    logits = np.log(
        np.array([[1, 1, 1, 1, 1], [2, 4, 2, 1, 1], [1, 1, 9, 1, 8], [1, 1, 1, 1, 1]], dtype=np.float32)
    )
    (found,) = entities(encoded, [logits])
    assert found == Entity("地", "地".upper(), "北京", 0, 2, pytest.approx((0.4 * 0.45) ** 0.5))


def test_names_come_from_the_labels_and_else_from_the_tags():
    made = manifest(Task.NER, tags=("O", "B-loc", "I-loc", "B-per", "I-per"), labels=("loc",))
    encoded = HUGE["characters"].encode(Text("北京"))
    logits = np.zeros((4, 5), dtype=np.float32)
    logits[1, 1] = logits[2, 3] = 5
    found = entities(encoded, [logits], decoder_for(made))
    assert [(entity.type, entity.name) for entity in found] == [("loc", "LOC"), ("per", "per")]


def test_later_tokens_of_a_character_have_no_vote():
    encoded = HUGE["byte_level"].encode(Text("𠀀"))
    assert len(encoded.offsets) > 2
    logits = marking(0, 1)(encoded)
    logits[0][-2, :] = [0, 0, 0, 0, 99]  # the last byte disagrees
    (found,) = entities(encoded, logits)
    assert (found.type, found.start, found.end) == ("地", 0, 1)


def test_a_text_of_which_nothing_is_left_has_no_entities():
    encoded = HUGE["wordpiece"].encode(Text("\u200b"))
    assert entities(encoded, [np.zeros((2, 5), dtype=np.float32)]) == ()


@pytest.mark.parametrize("spoil", [np.nan, np.inf, -np.inf])
def test_scores_that_are_not_finite_fail_the_model(spoil):
    encoded = HUGE["characters"].encode(Text("北京"))
    logits = np.zeros((4, 5), dtype=np.float32)
    logits[0, 0] = spoil
    with pytest.raises(ModelFailed):
        entities(encoded, [logits])
    with pytest.raises(ModelFailed):
        entities(encoded, [np.zeros((3, 5), dtype=np.float32)])


def test_a_manifest_without_tags_is_refused():
    with pytest.raises(BadBundle):
        decoder_for(manifest(Task.NER))


@pytest.mark.parametrize(
    ("text", "tagged", "left"),
    [
        ("📣郎平上任", (0, 3), ["郎平"]),
        ("去腾讯🎉🎉", (1, 5), ["腾讯"]),
        ("看👍🏽好", (1, 3), []),
        ("游戏★世界来了", (0, 5), ["游戏★世界"]),
    ],
)
@pytest.mark.parametrize("kind", sorted(KINDS))
def test_no_entity_begins_or_ends_with_a_symbol(kind, text, tagged, left):
    encoded = HUGE[kind].encode(Text(text))
    found = entities(encoded, marking(*tagged)(encoded))
    assert [entity.text for entity in found] == left
    assert all(text[entity.start : entity.end] == entity.text for entity in found)
