"""Labels with their scores: one of many, many at once, one score for two."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from server.errors import BadBundle, ModelFailed
from server.inference.decoding import decoder_for
from server.inference.encoding import Encoder
from server.inference.values import Encoded, Labels, Options, Task, Text
from tests.kit.manifest_kit import manifest
from tests.kit.tokenizer_kit import characters, layout

NAMES = ("a", "b", "c", "d", "e", "f", "g")
finite = st.floats(width=32, allow_nan=False, allow_infinity=False)
ENCODER = Encoder(characters(), Task.CLASSIFY, layout(max_length=16, overlap=4))
ENCODED = ENCODER.encode(Text("北京"))
LONG = ENCODER.encode(Text("北京" * 20))


def ask(made, logits, encoded: Encoded = ENCODED, **options) -> Labels:
    answer = decoder_for(made).decode(
        encoded, [np.array(row, dtype=np.float32) for row in logits], Options(**options)
    )
    assert isinstance(answer, Labels)
    return answer


def scores(answer: Labels) -> list[tuple[str, float]]:
    return [(label.label, pytest.approx(label.score)) for label in answer.labels]


@given(arrays(np.float32, (3, 7), elements=finite), st.booleans(), st.integers(1, 9), st.floats(0, 1))
def test_any_finite_scores_give_sorted_answers_in_range(logits, many, top_k, threshold):
    made = manifest(Task.CLASSIFY, labels=NAMES, thresholds=() if many else None)
    answer = ask(made, logits, top_k=top_k, threshold=threshold)
    found = [label.score for label in answer.labels]
    assert found == sorted(found, reverse=True)
    assert all(threshold <= score <= 1 for score in found)
    assert len(found) <= top_k
    assert all(label.name == label.label.upper() for label in answer.labels)


def test_softmax_over_the_mean_of_the_windows():
    answer = ask(manifest(Task.CLASSIFY, labels="xyz"), [[0, 3, 0], [0, 1, 4], [3, 2, -4]], LONG)
    expected = np.exp([1, 2, 0]) / np.exp([1, 2, 0]).sum()
    assert scores(answer) == [("y", expected[1]), ("x", expected[0]), ("z", expected[2])]


def test_five_labels_by_default_and_all_when_asked():
    made = manifest(Task.PAIR, labels=NAMES)
    assert [label.label for label in ask(made, [range(7)]).labels] == list("gfedc")
    every = ask(made, [range(7)], top_k=7)
    assert len(every.labels) == 7
    assert sum(label.score for label in every.labels) == pytest.approx(1)


def test_equal_scores_keep_the_bundles_order():
    assert [label.label for label in ask(manifest(Task.CLASSIFY, labels="xyz"), [[1, 1, 1]]).labels] == list(
        "xyz"
    )


def test_a_threshold_drops_labels_under_it():
    made = manifest(Task.CLASSIFY, labels="xy")
    assert [label.label for label in ask(made, [[0, 2]], threshold=0.5).labels] == ["y"]
    assert ask(made, [[0, 0]], threshold=0.6).labels == ()


def test_several_labels_at_once_each_over_its_own_threshold():
    logits = [[0.0, 1.0, -1.0]]
    half = 1 / (1 + np.exp(1))
    assert scores(ask(manifest(Task.CLASSIFY, labels="xyz", thresholds=()), logits)) == [
        ("y", 1 - half),
        ("x", 0.5),
    ]
    own = manifest(Task.CLASSIFY, labels="xyz", thresholds=(0.6, 0.9, 0.2))
    assert scores(ask(own, logits)) == [("z", half)]
    assert len(ask(own, logits, threshold=0.0).labels) == 3
    assert len(ask(own, logits, threshold=0.0, top_k=2).labels) == 2


def test_one_score_for_two_labels_is_the_second_ones():
    answer = ask(manifest(Task.PAIR, labels=("no", "yes")), [[2.0]])
    assert scores(answer) == [("yes", 1 / (1 + np.exp(-2))), ("no", 1 / (1 + np.exp(2)))]


@pytest.mark.parametrize("logits", [[[0, np.nan]], [[np.inf, 0]], [[0, 0, 0]], [[0, 0], [0, -np.inf]]])
def test_scores_that_are_not_finite_or_too_many_fail_the_model(logits):
    with pytest.raises(ModelFailed):
        ask(manifest(Task.CLASSIFY, labels="xy"), logits)


def test_a_shortened_pair_says_so():
    encoded = Encoder(characters(), Task.PAIR, layout(max_length=16)).encode(Text("北" * 30, "京"))
    assert ask(manifest(Task.PAIR, labels="xy"), [[0, 1]], encoded).shortened


@pytest.mark.parametrize("broken", [{}, {"labels": "xy", "thresholds": (0.5,)}])
def test_a_manifest_without_labels_or_with_odd_thresholds_is_refused(broken):
    with pytest.raises(BadBundle):
        decoder_for(manifest(Task.CLASSIFY, **broken))
