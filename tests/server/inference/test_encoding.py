"""Texts become windows of tokens that know their characters, whatever the tokenizer and the text."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server.errors import BadBundle
from server.inference.encoding import Encoder
from server.inference.values import Encoded, Task, Text
from tests.kit.text_strategies import PLANTED, TROUBLE, any_text, trouble
from tests.kit.tokenizer_kit import KINDS, SPECIAL, characters, layout, unigram, wordpiece

TOKENIZERS = {kind: make() for kind, make in KINDS.items()}
ENCODERS = {kind: Encoder(tokenizer, Task.NER, layout()) for kind, tokenizer in TOKENIZERS.items()}
kinds = st.sampled_from(sorted(KINDS))


def content(encoded: Encoded) -> list[int]:
    """The content ids, put together again from the windows."""
    ids: dict[int, int] = {}
    for example in encoded.examples:
        window = example.window
        stop = window.at + window.stop - window.start
        ids.update(zip(range(window.start, window.stop), example.ids[window.at : stop].tolist(), strict=True))
    return [ids[token] for token in range(len(ids))]


def within(encoded: Encoded, start: int, end: int) -> list[tuple[int, int, int]]:
    """Tokens (id, start, end) with characters inside a range of the text."""
    return [
        (number, int(first) - start, int(last) - start)
        for number, (first, last) in zip(content(encoded), encoded.offsets, strict=True)
        if first < last and start < last and first < end
    ]


@given(kinds, any_text)
def test_offsets_are_sorted_apart_and_without_outer_white_space(kind, text):
    offsets = ENCODERS[kind].encode(Text(text)).offsets.tolist()
    for start, end in offsets:
        assert 0 <= start <= end <= len(text)
        assert text[start:end] == text[start:end].strip()
    for left, right in pairwise(offsets):
        assert left[1] <= right[0]


SUFFIXES = ("", "。", " 的", "在上海", "😀", "🇨🇳")


@settings(max_examples=150)
@given(kinds, trouble, st.sampled_from(PLANTED), st.sampled_from(SUFFIXES))
def test_what_is_planted_has_the_same_tokens_under_any_prefix(kind, prefix, surface, suffix):
    alone = within(ENCODERS[kind].encode(Text(surface)), 0, len(surface))
    planted = within(
        ENCODERS[kind].encode(Text(prefix + surface + suffix)), len(prefix), len(prefix) + len(surface)
    )
    assert (planted[0][1], planted[-1][2]) == (0, len(surface))
    if kind not in ("byte_level", "unigram"):  # these may merge a space into the first token: other ids
        assert planted == alone


@pytest.mark.parametrize("kind", KINDS)
def test_each_troublesome_prefix_leaves_a_planted_word_in_place(kind):
    for prefix in TROUBLE:
        text = prefix + "北京大学"
        tokens = within(ENCODERS[kind].encode(Text(text)), len(prefix), len(text))
        assert (tokens[0][1], tokens[-1][2]) == (0, 4), repr(prefix)


@given(st.sampled_from(["wordpiece", "unigram", "characters"]), any_text)
def test_an_unknown_token_covers_one_character_at_most(kind, text):
    encoded = ENCODERS[kind].encode(Text(text))
    unknown = 3 if kind == "unigram" else SPECIAL.index("[UNK]")
    for number, (start, end) in zip(content(encoded), encoded.offsets.tolist(), strict=True):
        melted = [char for char in text[start + 1 : end] if ord(char) < 0x300]
        assert number != unknown or not melted


@given(kinds, any_text)
def test_what_a_user_types_never_becomes_a_special_token(kind, text):
    special = {0, 2, 3, 4} if kind in ("wordpiece", "characters") else {0, 1, 2}
    for typed in (text, text + "</s>", "[SEP]" + text, "<s>", "[PAD][CLS]", "﹤/s﹥"):
        assert special.isdisjoint(content(ENCODERS[kind].encode(Text(typed))))


def test_a_special_token_of_any_look_is_ordinary_text_when_typed():
    tokenizer = characters()
    tokenizer.add_special_tokens(["北京"])
    encoded = Encoder(tokenizer, Task.NER, layout()).encode(Text("在北京"))
    assert encoded.offsets.tolist() == [[0, 1], [1, 2], [2, 3]]


def test_what_is_cut_further_gains_no_word_boundary():
    mark = TOKENIZERS["unigram"].token_to_id("▁")
    assert content(ENCODERS["unigram"].encode(Text("北</s>京😀😀京"))).count(mark) == 1


def test_accents_and_melted_characters_belong_to_their_letter():
    for text, ends in (("cafe\u0301店", [1, 2, 3, 5, 6]), ("ᄒ\u1161\u11ab店", [3, 4])):
        spans = [span[1:] for span in within(ENCODERS["unigram"].encode(Text(text)), 0, len(text))]
        assert [end for _, end in spans] == ends


def test_one_character_that_becomes_many_tokens_is_owned_by_the_first():
    encoded = ENCODERS["unigram"].encode(Text("½店"))
    assert encoded.offsets.tolist() == [[0, 0], [0, 1], [1, 1], [1, 1], [1, 2]]


@given(kinds, any_text, st.integers(8, 40), st.integers(0, 20))
def test_windows_hold_every_token_in_order(kind, text, max_length, overlap):
    encoder = Encoder(TOKENIZERS[kind], Task.NER, layout(max_length=max_length, overlap=overlap))
    encoded, whole = encoder.encode(Text(text)), ENCODERS[kind].encode(Text(text))
    assert content(encoded) == content(whole)
    assert np.array_equal(encoded.offsets, whole.offsets)
    assert not encoded.shortened
    for example in encoded.examples:
        window = example.window
        assert example.length == 2 + window.stop - window.start <= max_length
        assert (example.ids[0], example.ids[-1], window.at, example.types) == (2, 3, 1, None)


@given(kinds, any_text)
def test_a_class_needs_the_same_tokens_and_no_characters(kind, text):
    encoded = Encoder(TOKENIZERS[kind], Task.CLASSIFY, layout()).encode(Text(text))
    assert content(encoded) == content(Encoder(TOKENIZERS[kind], Task.NER, layout()).encode(Text(text)))
    assert encoded.offsets.shape == (0, 2)


@pytest.mark.parametrize("task", [Task.PAIR, Task.QA])
@pytest.mark.parametrize("shared", [0, 1])
def test_a_text_beside_many_others_is_cut_once(task, shared):
    encoder = Encoder(TOKENIZERS["unigram"], task, layout(max_length=20_000))

    def seconds(count: int, long: str) -> float:
        sides = [(long, f"好{number}")[:: -1 if shared else 1] for number in range(count)]
        began = time.perf_counter()
        for first, second in sides:
            encoder.encode(Text(first, second))
        return time.perf_counter() - began

    alone = min(seconds(1, "北京很好" * 2_500 + str(number)) for number in range(3))
    assert min(seconds(60, "上海很好" * 2_500 + str(number)) for number in range(3)) < 15 * alone


def test_a_text_of_which_nothing_is_left_is_one_window():
    encoded = ENCODERS["wordpiece"].encode(Text("\u200b\x00"))
    assert encoded.offsets.shape == (0, 2)
    assert [example.ids.tolist() for example in encoded.examples] == [[2, 3]]


@given(st.integers(1, 80), st.integers(1, 80))
def test_a_pair_that_does_not_fit_loses_the_end_of_its_longer_side(first, second):
    encoder = Encoder(characters(), Task.PAIR, layout(max_length=34, types="token_type_ids"))
    encoded = encoder.encode(Text("北" * first, "京" * second))
    (example,) = encoded.examples
    north, capital = (example.ids.tolist().count(number) for number in encoder_ids("北京"))
    assert encoded.shortened == (first + second > 31)
    assert north + capital == min(31, first + second)
    assert north == first or north >= capital
    assert capital == second or capital >= north - 1
    assert example.types is not None
    assert example.types.tolist() == [0] * (north + 2) + [1] * (capital + 1)
    assert (example.window.start, example.window.stop, example.window.at) == (0, north, 1)


def encoder_ids(text: str) -> list[int]:
    return content(ENCODERS["characters"].encode(Text(text)))


@given(st.integers(1, 40), st.integers(1, 200))
def test_a_question_stands_before_every_window_of_its_context(question, context):
    encoder = Encoder(characters(), Task.QA, layout(max_length=33, overlap=5))
    encoded = encoder.encode(Text("谁" * question, "北" * context))
    (who,), (north,) = encoder_ids("谁"), encoder_ids("北")
    kept = min(question, 10)
    assert encoded.shortened == (question > 10)
    for example in encoded.examples:
        window = example.window
        assert window.at == kept + 2
        assert example.length <= 33
        assert example.ids.tolist() == [2, *[who] * kept, 3, *[north] * (window.stop - window.start), 3]
    assert content(encoded) == [north] * context
    assert encoded.offsets.tolist() == [[at, at + 1] for at in range(context)]


@pytest.mark.parametrize("limits", [{"max_length": 4}, {"overlap": -1}])
def test_a_layout_without_room_or_with_gaps_is_refused(limits):
    with pytest.raises(BadBundle):
        Encoder(wordpiece(), Task.NER, layout(**limits))


def test_one_text_too_many_or_too_few_is_the_callers_bug():
    with pytest.raises(ValueError, match="one text"):
        ENCODERS["unigram"].encode(Text("a", "b"))
    with pytest.raises(ValueError, match="two texts"):
        Encoder(unigram(), Task.QA, layout()).encode(Text("a"))


def test_threads_share_an_encoder():
    texts = [Text(prefix + surface) for prefix in TROUBLE for surface in PLANTED[::4]]
    shared = {kind: Encoder(tokenizer, Task.NER, layout()) for kind, tokenizer in TOKENIZERS.items()}
    with ThreadPoolExecutor(4) as pool:
        for kind, encoder in shared.items():
            found = list(pool.map(encoder.encode, texts, timeout=30))
            assert [content(one) for one in found] == [content(ENCODERS[kind].encode(text)) for text in texts]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("unit", ["北", "a", "😀", "😀a", "e\u0301", " ", "</s>", "ﷺ"])
def test_work_grows_with_length_and_not_faster(kind, unit):
    """By tokens and windows, not by the clock: 10,000 characters give at most what 1,000 give ten times."""
    short, long = (ENCODERS[kind].encode(Text((unit * n)[:n] + "店")) for n in (1_000, 10_000))
    assert len(long.offsets) <= 10 * len(short.offsets) + 20
    assert len(long.examples) <= 10 * len(short.examples) + 10
    assert within(long, 10_000, 10_001)[0][1:] == (0, 1)
