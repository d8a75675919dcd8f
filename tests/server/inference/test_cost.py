"""Predicted seconds, and the rows that pay."""

from __future__ import annotations

import time

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from server.inference.cost import (
    MAX_RUN_SECONDS,
    MAX_RUN_SQUARES,
    MAX_RUN_TOKENS,
    TOLERANCE,
    Cost,
    measure_factor,
)
from server.inference.manifest import CostCurve


def curve(seconds, rows=(1, 2, 4, 8), widths=(8, 16)) -> CostCurve:
    return CostCurve(machine="test", rows=rows, widths=widths, seconds=seconds)


EVEN = curve(((0.001, 0.002), (0.0018, 0.0038), (0.0034, 0.0076), (0.0066, 0.0152)))


def test_seconds_are_read_between_the_points_and_beyond_them():
    cost = Cost(EVEN, factor=2.0)
    assert cost.seconds(1, 8) == pytest.approx(0.002)
    assert cost.seconds(3, 8) == pytest.approx(0.0052)
    assert cost.seconds(16, 8) == pytest.approx(2 * 0.0132)


def test_the_narrowest_width_that_holds_the_text():
    cost = Cost(EVEN)
    assert [cost.width_for(length) for length in (1, 8, 9, 16)] == [8, 8, 16, 16]
    with pytest.raises(ValueError, match="17 tokens do not fit"):
        cost.width_for(17)


def test_rows_are_as_many_as_pay_and_as_ten_milliseconds_hold():
    cost = Cost(EVEN)
    assert cost.most_rows(8) == 8
    assert cost.most_rows(16) == 5  # 0.0095 s; 6 rows would take 0.0114
    assert Cost(EVEN, factor=3.0).most_rows(8) == 3
    assert Cost(EVEN, factor=50.0).most_rows(8) == 1
    assert Cost(EVEN, factor=3.0, max_run_seconds=0.1).most_rows(8) == 8


def test_a_batch_that_loses_to_batch_one_is_not_formed():
    losing = curve(((0.001, 0.001), (0.0025, 0.0019), (0.005, 0.0041), (0.009, 0.0079)))
    cost = Cost(losing)
    assert cost.most_rows(8) == 1
    assert cost.most_rows(16) == 8
    assert Cost(losing, max_rows=3).most_rows(16) == 3


def test_memory_bounds_the_rows_of_wide_runs():
    wide = curve(((0.0001, 0.0001),), rows=(1,), widths=(512, 2048))
    many = curve(((0.0001, 0.0001), (0.0002, 0.0002)), rows=(1, 64), widths=(512, 2048))
    assert [Cost(wide).most_rows(width) for width in (512, 2048)] == [1, 1]
    assert [Cost(many).most_rows(width) for width in (512, 2048)] == [2, 1]


seconds = st.floats(1e-5, 0.02)


@given(st.lists(st.tuples(seconds, seconds), min_size=4, max_size=4), st.floats(0.2, 5))
def test_batching_never_loses_to_batch_one_and_never_runs_long(found, factor):
    cost = Cost(curve(tuple(found)), factor)
    for width in cost.widths:
        rows = cost.most_rows(width)
        assume(rows > 1)
        assert cost.seconds(rows, width) / rows <= cost.seconds(1, width) * TOLERANCE
        assert cost.seconds(rows, width) <= MAX_RUN_SECONDS
        assert rows * width <= MAX_RUN_TOKENS
        assert rows * width**2 <= MAX_RUN_SQUARES


def test_the_factor_is_this_machines_time_over_the_curves():
    ran = []

    def run(width: int) -> None:
        ran.append(width)
        end = time.perf_counter() + 0.004
        while time.perf_counter() < end:
            pass

    factor = measure_factor(EVEN, run)
    assert set(ran) == {16}  # of both, 2 ms are nearer to what is quick and can be measured
    assert factor > 1.9
