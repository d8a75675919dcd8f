"""The waiting line on a clock that is told the time: every ticket one fate, whatever happens."""

from __future__ import annotations

import math
from contextlib import suppress

import pytest

from server.errors import (
    Expired,
    ModelFailed,
    NotReady,
    Overloaded,
    ServeError,
    ShuttingDown,
    TooLong,
    TooMany,
)
from server.inference.admission import LineLimits
from server.inference.batching import BULK_SHARE, Lane
from tests.kit.line_kit import POISON, Adder, Scene, job_of, text


def test_a_text_costs_its_width_not_its_tokens():
    # Nine tokens run at width 16: three of them are over what two of 16 would cost.
    scene = Scene(LineLimits(10_000, 1.5 * Adder().seconds(1, 16)))
    scene.submit(text(9))
    scene.submit(text(9))
    with pytest.raises(Overloaded):
        scene.submit(text(9))


def test_the_lone_text_never_waits():
    scene = Scene()
    for length in (3, 30, 9):
        _, reply = scene.submit(text(length))
        assert scene.line.work_once()
        assert reply.result(0).queue == 0.0
        assert len(scene.adder.batches[-1][1]) == 1
        scene.clock.now += 1


def test_nobody_starves_while_single_texts_keep_coming():
    scene = Scene()
    _, bulk = scene.submit(text(8), text(20), text(30))
    rounds = 0
    while not bulk.done():
        for length in (4, 12, 28):
            scene.submit(text(length))
        assert scene.line.work_once()
        rounds += 1
        assert rounds <= 3 * (BULK_SHARE + 1)


def test_single_texts_are_not_held_up_by_a_long_document():
    scene = Scene()
    scene.submit(*[text(32)] * 400)
    assert scene.line.work_once()
    _, reply = scene.submit(text(6))
    assert scene.line.work_once()
    assert reply.result(0).queue == 0.0


def test_the_rarest_width_is_served_in_its_turn():
    scene = Scene()
    _, rare = scene.submit(text(30))
    for _ in range(20):
        scene.clock.now += 0.001
        scene.submit(text(4))
    scene.line.work_once()
    assert rare.done()


def test_cancelling_one_of_a_batch_harms_none():
    scene = Scene()
    submitted = [scene.submit(text(5, first)) for first in (10, 20, 30)]
    # While the batch runs, its middle one is given up.
    scene.adder.before = lambda: scene.line.cancel(submitted[1][0], "cancelled")
    scene.work_off()
    assert len(scene.adder.batches) == 1
    assert [reply.result(0).logits[0].item() for _, reply in (submitted[0], submitted[2])] == [14, 34]
    assert not submitted[1][1].done()


def test_a_cancelled_ticket_frees_its_place():
    scene = Scene(LineLimits(1, 10.0))
    job, _ = scene.submit(text(5))
    with pytest.raises(Overloaded):
        scene.submit(text(5))
    scene.line.cancel(job, "cancelled")
    scene.submit(text(5))
    assert scene.counts.shed_for == {"cancelled": 1}


def test_answers_go_to_their_own_callers_when_one_leaves_before_the_batch():
    scene = Scene()
    submitted = [scene.submit(text(5, first)) for first in (10, 20, 30, 40)]
    scene.line.cancel(submitted[1][0], "cancelled")
    scene.work_off()
    for first, (_, reply) in zip((10, 20, 30, 40), submitted, strict=True):
        assert first == 20 or reply.result(0).logits[0].item() == first + 4


def test_a_poisonous_text_fails_alone():
    scene = Scene()
    submitted = [scene.submit(text(5, first)) for first in (10, POISON, 30)]
    scene.work_off()
    assert [reply.exception(0) is None for _, reply in submitted] == [True, False, True]
    assert isinstance(submitted[1][1].exception(0), ModelFailed)
    _, later = scene.submit(text(5))
    scene.work_off()
    assert later.result(0)


def test_a_failed_text_of_a_list_is_named_and_frees_the_others_places():
    scene = Scene()
    job, reply = scene.submit(text(5), text(20, POISON), *[text(30)] * 20)
    scene.line.work_once()
    scene.line.work_once()
    error = reply.exception(0)
    assert isinstance(error, ModelFailed)
    assert error.index == 1
    assert len(scene.line) == 0
    assert job.over


def test_the_deadline_is_measured_against_what_waits():
    scene = Scene()
    for _ in range(10):
        scene.submit(text(30))
    with pytest.raises(Overloaded) as refused:
        scene.submit(text(30), deadline=scene.clock.now + 0.005)
    assert refused.value.retry_after_seconds > 0.01
    scene.submit(text(30), deadline=scene.clock.now + 1.0)


def test_work_that_is_too_much_for_its_deadline_is_told_so_however_full_the_line():
    scene = Scene(LineLimits(2, 1.0))
    needed = Adder().seconds(1, 32)
    for _ in range(3):
        with pytest.raises(Expired):
            scene.submit(text(30), deadline=scene.clock.now + needed * 0.9)
        with suppress(Overloaded):  # the third
            scene.submit(text(30), deadline=scene.clock.now + 1.0)
    with pytest.raises(Overloaded):
        scene.submit(text(30), deadline=scene.clock.now + needed * 1.1)


def test_what_runs_is_counted_as_going_before():
    scene = Scene()
    enough = Adder().seconds(1, 32) + 1e-4
    seen = []

    def ask() -> None:
        try:
            scene.submit(text(30), deadline=scene.clock.now + enough)
        except Overloaded as refused:
            seen.append(refused.retry_after_seconds)

    scene.adder.before = ask
    scene.submit(*[text(30)] * 4)
    assert scene.line.work_once()
    assert seen == [pytest.approx(0.01, abs=0.01)]
    scene.submit(text(30), deadline=scene.clock.now + enough)


def test_a_closed_line_refuses_and_tells_all_who_wait():
    scene = Scene()
    replies = [scene.submit(text(5))[1] for _ in range(3)]
    scene.line.close()
    assert all(isinstance(reply.exception(0), ShuttingDown) for reply in replies)
    with pytest.raises(ShuttingDown):
        scene.submit(text(5))
    assert scene.counts.shed_for["shutting_down"] == 3


@pytest.mark.parametrize("error", [NotReady, ShuttingDown, Expired, ModelFailed])
def test_a_job_has_one_fate(error):
    job, reply = job_of(Adder(), text(3))
    assert job.fail(error("first"))
    assert not job.fail(ServeError("second"))
    job.settle()
    job.settle()
    assert isinstance(reply.exception(0), error)


def test_a_run_is_told_with_its_real_tokens_and_shared_by_its_rows():
    scene = Scene()
    _, short = scene.submit(text(3))
    _, longer = scene.submit(text(7), lane=Lane.SINGLE)
    assert scene.line.work_once()
    assert scene.counts.tokens == 10
    took = Adder().seconds(2, 8)
    assert [reply.result(0).infer for reply in (short, longer)] == [pytest.approx(took / 2)] * 2


def test_a_request_is_charged_no_more_than_its_batches_took():
    scene = Scene()
    began = scene.clock.now
    _, reply = scene.submit(*[text(length) for length in (3, 4, 5, 6, 7, 20)])
    scene.work_off()
    assert reply.result(0).infer == pytest.approx(scene.clock.now - began)


@pytest.mark.parametrize("patience", [600.0, math.inf])
def test_a_great_job_does_not_lock_the_lists_out(patience):
    scene = Scene(LineLimits(10_000, 0.05))
    _, great = scene.submit(*[text(32)] * 5000, deadline=scene.clock.now + patience)
    for _ in range(50):
        scene.line.work_once()
        _, reply = scene.submit(text(9), text(32), deadline=scene.clock.now + 0.05)
        for _ in range(20):
            scene.line.work_once()
        assert reply.result(0)
    assert not great.done()


def test_a_job_that_is_too_much_is_refused_while_it_is_written():
    scene = Scene(LineLimits(10, 1.0, 0.02))
    now = scene.clock.now
    few, _ = job_of(scene.adder, *[text(8)] * 10)
    scene.line.refuse_great(few, 10)
    for examples in ([text(8)] * 11, [text(32)] * 5 * 2 + [text(32)] * 30):
        with pytest.raises(TooMany):
            scene.line.refuse_great(job_of(scene.adder, *examples)[0], 2)
    with pytest.raises(TooLong):
        scene.line.refuse_great(job_of(scene.adder, *[text(8)] * 11)[0], 1)
    with pytest.raises(Expired, match="Even with nothing waiting"):
        scene.line.refuse_great(job_of(scene.adder, *[text(8)] * 10, deadline=now + 0.001)[0], 10)
