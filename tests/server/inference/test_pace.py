"""What is promised to newcomers while runs take longer than predicted."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.errors import Overloaded
from server.inference.pace import IDLE_SECONDS, Pace
from tests.kit.line_kit import POISON, Adder, Scene, text

PREDICTED = Adder().seconds(1, 32)
RUNS = st.lists(st.tuples(st.floats(1e-4, 0.1), st.floats(0, 1e4), st.floats(0, 60)), max_size=30)


@given(RUNS, st.floats(0, 100))
def test_it_lies_between_the_prediction_and_a_bound_and_ends_at_the_prediction(runs, later):
    pace, now = Pace(), 5.0
    for predicted, took, apart in runs:
        now += apart
        pace.ran(predicted, took, now)
    assert 1.0 <= pace.at(now + later) <= pace.at(now) <= 8.0
    assert pace.at(now + 20 * IDLE_SECONDS) == pytest.approx(1.0, abs=1e-3)


@given(st.floats(1.0, 7.0), st.floats(1.0, 7.0))
def test_a_change_of_pace_is_found_within_seconds_of_work(before, after):
    pace, now = Pace(), 0.0
    for slowness in (before, after):
        for _ in range(300):
            now += 0.01 * slowness
            pace.ran(0.01, 0.01 * slowness, now)
        assert pace.at(now) == pytest.approx(slowness, rel=0.1)


def test_one_run_that_was_stopped_for_a_minute_is_forgotten_after_a_second_of_work():
    pace = Pace()
    pace.ran(0.01, 60.0, 60.0)
    assert pace.at(60.0) < 1.2
    for step in range(1, 101):
        pace.ran(0.01, 0.01, 60.0 + 0.01 * step)
    assert pace.at(61.0) < 1.03


def slowed(seconds: float) -> Scene:
    """A line whose last second of predicted work took two and more."""
    scene = Scene()
    scene.adder.before = lambda: setattr(scene.clock, "now", scene.clock.now + seconds)
    for _ in range(round(1.0 / PREDICTED)):
        scene.submit(text(30))
        scene.line.work_once()
    return scene


def test_what_would_be_late_at_this_pace_is_refused_at_once():
    deadline = 5.5 * PREDICTED
    for seconds, taken in ((0.0, True), (2 * PREDICTED, False)):
        scene = slowed(seconds)
        for _ in range(4):
            scene.submit(text(30))
        if taken:
            scene.submit(text(30), deadline=scene.clock.now + deadline)
        else:
            with pytest.raises(Overloaded) as refused:
                scene.submit(text(30), deadline=scene.clock.now + deadline)
            assert refused.value.retry_after_seconds > 2 * 4 * PREDICTED


def test_nobody_is_refused_on_an_idle_line_for_how_it_was():
    scene = slowed(2 * PREDICTED)
    scene.submit(text(30), deadline=scene.clock.now + 1.5 * PREDICTED)
    with pytest.raises(Overloaded):
        scene.submit(text(30), deadline=scene.clock.now + 4.6 * PREDICTED)


def test_rows_that_ran_again_alone_are_not_slowness():
    scene = Scene()
    for _ in range(200):
        scene.submit(text(30, POISON), text(30), text(30), text(30))
        scene.line.work_once()
    scene.submit(text(30))
    scene.submit(text(30), deadline=scene.clock.now + 2.5 * PREDICTED)
