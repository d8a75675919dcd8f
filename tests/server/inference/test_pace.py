"""What is promised to newcomers while runs take longer than predicted."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.errors import Expired, Overloaded
from server.inference.pace import MEMORY_SECONDS, Pace
from tests.kit.line_kit import Adder, Scene, text

PREDICTED = Adder().seconds(1, 32)
RUNS = st.lists(st.tuples(st.floats(1e-4, 0.1), st.floats(0, 1e4), st.floats(0, 60)), max_size=30)


@given(RUNS, st.floats(0, 100))
def test_it_lies_between_the_prediction_and_a_bound_and_ends_at_the_prediction(runs, later):
    pace, now = Pace(), 5.0
    for predicted, took, apart in runs:
        now += apart
        pace.ran(predicted, took, now)
    assert 1.0 <= pace.at(now + later) <= pace.at(now) <= 8.0
    assert pace.at(now + 20 * MEMORY_SECONDS) == pytest.approx(1.0, abs=1e-3)


@given(st.floats(1.0, 7.0))
def test_a_steady_slowness_is_found_within_a_second_of_work(slowness):
    pace = Pace()
    for step in range(100):
        pace.ran(0.01, 0.01 * slowness, 0.01 * slowness * step)
    assert pace.at(slowness) == pytest.approx(slowness, rel=0.1)


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


def test_what_alone_would_be_late_at_this_pace_is_expired_until_the_slowness_is_forgotten():
    scene = slowed(2 * PREDICTED)
    with pytest.raises(Expired):
        scene.submit(text(30), deadline=scene.clock.now + 1.5 * PREDICTED)
    scene.clock.now += 10 * MEMORY_SECONDS
    scene.submit(text(30), deadline=scene.clock.now + 1.5 * PREDICTED)
