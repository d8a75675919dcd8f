"""One bundle wired up: started, self-tested, and its answers the same in any company."""

from __future__ import annotations

import concurrent.futures
import math

import msgspec
import numpy as np
import pytest

from server.errors import BadBundle, NotReady
from server.inference.batching import Lane
from server.inference.bundle import load_bundle
from server.inference.golden import expected_of
from server.inference.job import Job
from server.inference.manifest import Expected, Golden
from server.inference.predictor import Predictor
from server.inference.values import Options, Task, Text
from tests.kit import bundle_kit as kit


def predictor(tmp_path, task=Task.CLASSIFY, *, started=True, **fields) -> Predictor:
    made = Predictor(load_bundle(kit.write_bundle(tmp_path / "tiny", task, **fields)))
    if started:
        made.start()
    return made


@pytest.mark.parametrize(
    ("task", "label"), [(Task.CLASSIFY, "news_sports"), (Task.PAIR, "1"), (Task.NER, "per")]
)
def test_a_text_is_answered(tmp_path, task, label):
    assert expected_of(predictor(tmp_path, task).answer(kit.GOLDEN[task])).label == label


def test_a_question_is_answered_from_the_window_that_holds_the_answer(tmp_path):
    context = "的" * 60 + "甲公园乙" + "的" * 60
    answer = predictor(tmp_path, Task.QA).answer(Text("看花", context))
    assert (answer.answers[0].text, answer.answers[0].start) == ("甲公园乙", 60)


def test_a_predictor_that_was_not_started_says_so(tmp_path):
    with pytest.raises(NotReady):
        predictor(tmp_path, started=False).answer(Text("球"))


GOOD = Golden(text="今天看球", expected=Expected(label="news_sports", score=0.9993))


@pytest.mark.parametrize(
    ("expected", "words"),
    [
        (Expected(label="news_tech", score=0.9993), "expected news_tech, got news_sports"),
        (Expected(label="news_sports", score=0.97), "with score 0.9700, got 0.99"),
        (Expected(label="", score=0.0), "expected nothing"),
    ],
)
def test_a_golden_example_that_comes_out_otherwise(tmp_path, expected, words):
    broken = msgspec.structs.replace(GOOD, expected=expected)
    with pytest.raises(BadBundle) as refused:
        predictor(tmp_path, golden=(GOOD, broken))
    assert "golden example 1" in refused.value.message
    assert words in refused.value.message


def test_golden_scores_may_differ_a_little(tmp_path):
    near = Expected(label="news_sports", score=0.9993 - 0.019)
    predictor(tmp_path, golden=(msgspec.structs.replace(GOOD, expected=near),))


@pytest.mark.parametrize(
    ("graph", "task", "words"),
    [
        (kit.gather_graph(Task.PAIR), Task.CLASSIFY, "scores of shape [2] for a text of 8 tokens"),
        (kit.gather_graph(Task.NER), Task.CLASSIFY, "needs [3]"),
        (kit.gather_graph(Task.QA), Task.NER, "needs [8, 5]"),
        (kit.gather_graph(Task.NER), Task.QA, "needs [8, 2]"),
        (kit.gather_graph(Task.CLASSIFY, kit.table(Task.CLASSIFY) * np.nan), Task.CLASSIFY, "not finite"),
        (
            kit.gather_graph(Task.CLASSIFY, kit.table(Task.CLASSIFY, 3)),
            Task.CLASSIFY,
            "fails on a sample",
        ),
    ],
)
def test_a_graph_that_does_not_do_the_task(tmp_path, graph, task, words):
    with pytest.raises(BadBundle) as refused:
        predictor(tmp_path, task, graph=graph, golden=())
    assert words in refused.value.message


def test_this_machines_speed_is_measured(tmp_path):
    made = predictor(tmp_path)
    assert made.cost.factor > 0
    assert made.seconds(1, 8) == pytest.approx(kit.usual_cost().seconds[0][0] * made.cost.factor)


def test_a_graph_whose_rows_meddle_with_each_other_runs_them_alone(tmp_path):
    meddling = predictor(tmp_path, graph=kit.dense_graph(Task.CLASSIFY, "dynamic"), golden=())
    assert {meddling.cost.most_rows(width) for width in kit.WIDTHS} == {1}


@pytest.mark.parametrize("kind", ["float", "int8"])
def test_a_graph_whose_rows_do_not_meddle_runs_them_together(tmp_path, kind):
    curve = kit.usual_cost()
    quick = msgspec.structs.replace(curve, seconds=tuple((0.001 + r * 1e-5,) * 3 for r in curve.rows))
    made = predictor(tmp_path, graph=kit.dense_graph(Task.CLASSIFY, kind), golden=(), cost=quick)
    assert max(made.cost.most_rows(width) for width in kit.WIDTHS) > 1


def test_tickets_cost_their_width_and_not_their_tokens(tmp_path):
    made = predictor(tmp_path)
    encoded = [made.encode(Text("好" * count)) for count in (3, 7, 20)]  # and two special tokens each
    job = Job(concurrent.futures.Future())
    for place, each in enumerate(encoded):
        made.fill(job, place, each, math.inf, Lane.SINGLE)
    assert [ticket.width for ticket in job.tickets] == [8, 16, 32]
    assert [ticket.cost for ticket in job.tickets] == [made.seconds(1, width) for width in (8, 16, 32)]
    assert [ticket.text for ticket in job.tickets] == [0, 1, 2]
    bulk = Job(concurrent.futures.Future())
    for place, each in enumerate(encoded):
        made.fill(bulk, place, each, math.inf, Lane.BULK)
    for ticket in bulk.tickets:
        assert ticket.cost * ticket.most_rows == pytest.approx(made.seconds(ticket.most_rows, ticket.width))


@pytest.mark.parametrize("task", Task)
def test_a_long_text_is_windows_that_fit_the_widest_run(tmp_path, task):
    made = predictor(tmp_path, task, golden=())
    long = "好" * 300
    encoded = made.encode(Text(long, long if task in (Task.PAIR, Task.QA) else None))
    assert all(example.length <= kit.WIDTHS[-1] for example in encoded.examples)
    logits = [made.run([each], made.cost.width_for(each.length))[0] for each in encoded.examples]
    made.decode(encoded, logits, Options())
