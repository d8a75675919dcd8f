"""Counts that several processes share: made with real forks, read as Prometheus reads them."""

from __future__ import annotations

import os
import threading
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from server import errors
from server.errors import BadBundle
from server.inference.probe import Probe
from server.inference.values import Timings
from server.tally import FRESH_SECONDS, HEAD, SEEN, Tally
from server.telemetry import CELLS, MAX_MODELS, OUTCOMES, SECONDS, Telemetry, drop_gauges

MODELS = {"ner": "2" * 64, "topic": "1" * 64}


def samples(telemetry: Telemetry) -> dict[tuple[str, ...], float]:
    families = text_string_to_metric_families(telemetry.page().decode())
    return {(s.name, *(v for _, v in sorted(s.labels.items()))): s.value for f in families for s in f.samples}


def work(telemetry: Telemetry, times: int) -> None:
    probe: Probe = telemetry
    for _ in range(times):
        probe.ran("topic", rows=4, width=16, tokens=50, seconds=0.002, predicted_seconds=0.004)
        probe.waited("topic", 0.0001)
        probe.shed("ner", "cancelled")
        telemetry.answered("topic", 0.001, 4, Timings(0.0001, 0.0002, 0.0003, 0.0004))
        telemetry.outcome("topic", "ok")
        telemetry.outcome("", "not_found")


def test_processes_add_up_and_gauges_of_the_dead_are_dropped():
    tally = Tally(3, CELLS)
    for row in range(3):
        pid = os.fork()
        if pid == 0:
            telemetry = Telemetry(MODELS, tally, row)
            telemetry.depth("topic", 5, 0.5)
            work(telemetry, row + 1)
            os._exit(0)
        assert os.waitpid(pid, 0)[1] == 0
    reader = Telemetry(MODELS, tally, 0)
    seen = samples(reader)
    assert seen[("qingmo_requests_total", "topic", "ok")] == 6
    assert seen[("qingmo_requests_total", "", "not_found")] == 6
    assert seen[("qingmo_shed_total", "ner", "cancelled")] == 6
    assert seen[("qingmo_texts_total", "topic")] == 24
    assert seen[("qingmo_padding_tokens_total", "topic")] == 6 * 14
    assert seen[("qingmo_batch_cost_ratio_bucket", "0.5", "topic")] == 6
    assert seen[("qingmo_batch_cost_ratio_bucket", "0.25", "topic")] == 0
    assert seen[("qingmo_request_seconds_sum", "topic")] == pytest.approx(0.006)
    assert seen[("qingmo_bundle_info", "topic", "1" * 64)] == 1
    assert seen[("qingmo_queue_tickets", "topic")] == 15
    drop_gauges(tally, 1)
    seen = samples(reader)
    assert seen[("qingmo_queue_tickets", "topic")] == 10
    assert seen[("qingmo_queue_cost_seconds", "topic")] == 1.0
    assert seen[("qingmo_requests_total", "topic", "ok")] == 6


def test_a_successor_goes_on_counting():
    tally = Tally(1, CELLS)
    work(Telemetry(MODELS, tally, 0), 2)
    tally.bury(0)
    work(Telemetry(MODELS, tally, 0), 3)
    assert samples(Telemetry(MODELS, tally, 0))[("qingmo_requests_total", "topic", "ok")] == 5


def test_threads_lose_no_count():
    telemetry = Telemetry(MODELS, Tally(1, CELLS), 0)
    threads = [threading.Thread(target=work, args=(telemetry, 500)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    seen = samples(telemetry)
    assert seen[("qingmo_requests_total", "topic", "ok")] == 2000
    assert seen[("qingmo_batch_rows_sum", "topic")] == 8000


@settings(max_examples=15, deadline=None)
@given(st.lists(st.floats(0, 20), min_size=1, max_size=30))
def test_a_histogram_holds_what_was_observed(values):
    telemetry = Telemetry(MODELS, Tally(1, CELLS), 0)
    for value in values:
        telemetry.waited("ner", value)
    seen = samples(telemetry)
    assert seen[("qingmo_queue_seconds_count", "ner")] == len(values)
    assert seen[("qingmo_queue_seconds_sum", "ner")] == pytest.approx(sum(values))
    for bound in SECONDS:
        below = sum(value <= bound for value in values)
        assert seen[("qingmo_queue_seconds_bucket", f"{bound:g}", "ner")] == below


def test_every_refusal_has_an_outcome():
    kinds = [
        kind
        for kind in vars(errors).values()
        if isinstance(kind, type) and issubclass(kind, errors.ServeError)
    ]
    assert {kind.code for kind in kinds} <= set(OUTCOMES)


def test_too_many_models_are_refused():
    with pytest.raises(BadBundle, match="65"):
        Telemetry({str(i): "" for i in range(MAX_MODELS + 1)}, Tally(1, CELLS), 0)


def test_who_says_nothing_for_long_is_not_ready():
    tally = Tally(2, 0)
    tally.beat(0, ready=True)
    assert tally.ready_rows() == 1
    tally.beat(1, ready=False)
    assert tally.ready_rows() == 1
    tally.beat(1, ready=True)
    assert tally.ready_rows() == 2
    tally.row(1)[SEEN] = time.monotonic() - FRESH_SECONDS - 1
    assert tally.ready_rows() == 1
    tally.bury(0)
    assert tally.ready_rows() == 0
    assert [row for row, _ in tally.alive()] == [1]


def test_rows_do_not_touch_each_other_and_stop_is_for_all():
    tally = Tally(3, 4)
    for row in range(3):
        for cell in range(HEAD + 4):
            tally.row(row)[cell] = row
    assert not tally.stopping
    tally.stop()
    assert tally.stopping
    assert [set(tally.row(row)) for row in range(3)] == [{0.0}, {1.0}, {2.0}]
