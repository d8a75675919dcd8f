"""Who is let into the waiting line."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.errors import Overloaded, TooMany
from server.inference.admission import Backlog, LineLimits, backlog_of, refuse_full, refuse_late, seconds_of
from server.inference.batching import BULK_SHARE, Lane, Queues, Ticket

LIMITS = LineLimits(max_tickets=10, max_seconds=2.0)


def ticket(cost: float, lane: Lane = Lane.SINGLE) -> Ticket:
    return Ticket("m", 8, lane, 4, cost, 0.0, math.inf)


def queues_of(*tickets: Ticket) -> Queues[Ticket]:
    queues: Queues[Ticket] = Queues()
    for each in tickets:
        queues.add(each)
    return queues


def test_bulk_does_not_stand_before_single_texts_but_for_its_share():
    queues = queues_of(ticket(0.4), ticket(100.0, Lane.BULK))
    assert backlog_of(queues, Lane.SINGLE, 0.1, 1) == Backlog(1, pytest.approx(0.5 + 0.4 / BULK_SHARE))
    assert backlog_of(queues, Lane.BULK, 0.1, 2) == Backlog(1, pytest.approx(100.5 / 2))


def test_a_full_lane_says_when_to_come_back():
    with pytest.raises(Overloaded) as refused:
        refuse_full(Backlog(10, 1.5), LIMITS)
    assert refused.value.retry_after_seconds == 1.5
    with pytest.raises(Overloaded):
        refuse_full(Backlog(3, 1.5), LIMITS, 1, 0.6)
    refuse_full(Backlog(9, 1.5), LIMITS, 1, 0.4)


def test_one_great_request_is_taken_by_an_empty_lane_and_by_no_other():
    refuse_full(Backlog(0, 0.01), LIMITS, 10, 60.0)
    with pytest.raises(Overloaded):
        refuse_full(Backlog(1, 0.01), LIMITS, 9, 60.0)


def test_more_tickets_than_ever_fit_are_not_told_to_come_back():
    with pytest.raises(TooMany) as refused:
        refuse_full(Backlog(0, 0.0), LIMITS, 11, 0.1)
    assert refused.value.retry_after_seconds is None


def test_what_would_be_late_is_refused_at_once():
    refuse_late(Backlog(5, 1.0), 0.2, 1.3)
    with pytest.raises(Overloaded) as refused:
        refuse_late(Backlog(5, 1.0), 0.4, 1.3)
    assert refused.value.retry_after_seconds == 1.0


@given(st.floats(0, 100), st.floats(0, 100))
def test_the_longer_the_line_the_later_the_return(one, other):
    def retry(seconds: float) -> float:
        with pytest.raises(Overloaded) as refused:
            refuse_full(Backlog(10, seconds), LIMITS)
        assert refused.value.retry_after_seconds is not None
        return refused.value.retry_after_seconds

    assert (retry(one) <= retry(other)) or one > other
    assert retry(one) > 0


def test_work_of_one_request_is_shared_by_the_threads_but_one_window_is_not():
    assert seconds_of([ticket(0.3)], 2) == 0.3
    assert seconds_of([ticket(0.3)] * 4, 2) == pytest.approx(0.6)
