"""Who is let into the waiting line."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.errors import Expired, Overloaded, TooLong, TooMany
from server.inference.admission import (
    Backlog,
    LineLimits,
    backlog_of,
    refuse_full,
    refuse_great,
    refuse_hopeless,
    refuse_late,
    seconds_of,
)
from server.inference.batching import BULK_SHARE, QUANTUM_SECONDS, Lane, Queues, Ticket, in_rounds

LIMITS = LineLimits(max_tickets=10, max_seconds=2.0, max_request_seconds=5.0)


def ticket(cost: float, lane: Lane = Lane.SINGLE) -> Ticket:
    return Ticket("m", 8, lane, 4, cost, math.inf)


def queues_of(*tickets: Ticket) -> Queues[Ticket]:
    queues: Queues[Ticket] = Queues()
    for each in tickets:
        queues.add(each)
    return queues


def test_bulk_does_not_stand_before_single_texts_but_for_its_share():
    queues = queues_of(ticket(0.4), ticket(100.0, Lane.BULK))
    single = backlog_of(queues, Lane.SINGLE, 0.1, 1, (0, 0))
    assert single == Backlog(1, pytest.approx(0.5 + 0.4 / BULK_SHARE))
    assert backlog_of(queues, Lane.BULK, 0.1, 2, (0, 0)) == Backlog(1, pytest.approx(100.5 / 2))


def test_bulk_of_later_rounds_does_not_go_before_a_newcomer():
    found = [ticket(1.0, Lane.BULK) for _ in range(5)]
    in_rounds(found, 7)
    rounds = [each.turn for each in found]
    assert rounds == [7 + int(number / QUANTUM_SECONDS) for number in range(5)]
    queues = queues_of(*found)
    assert backlog_of(queues, Lane.BULK, 0.0, 1, (6, 7)) == Backlog(5, 1.0)
    assert backlog_of(queues, Lane.BULK, 0.0, 1, (6, rounds[2])) == Backlog(5, 3.0)
    assert queues.bulk_seconds(8, rounds[1]) == 1.0
    assert queues.remove(found[1])
    assert queues.bulk_seconds(0, rounds[-1]) == 4.0


def test_a_full_lane_says_when_to_come_back():
    with pytest.raises(Overloaded) as refused:
        refuse_full(Backlog(10, 1.5), LIMITS)
    assert refused.value.retry_after_seconds == 1.5
    with pytest.raises(Overloaded):
        refuse_full(Backlog(3, 2.1), LIMITS)
    refuse_full(Backlog(9, 1.5), LIMITS)


@pytest.mark.parametrize(("texts", "error"), [(1, TooLong), (2, TooMany)])
def test_what_is_never_taken_is_told_the_limits_and_not_to_come_back(texts, error):
    refuse_great(10, 5.0, texts, LIMITS)
    for tickets, seconds in ((11, 0.1), (1, 5.01)):
        with pytest.raises(error, match=r"at most 10 windows and 5\.0 s") as refused:
            refuse_great(tickets, seconds, texts, LIMITS)
        assert refused.value.retry_after_seconds is None


def test_what_would_be_late_is_refused_at_once():
    refuse_late(Backlog(5, 1.0), 0.2, 1.3)
    with pytest.raises(Overloaded) as refused:
        refuse_late(Backlog(5, 1.0), 0.4, 1.3)
    assert refused.value.retry_after_seconds == 1.0


def test_what_would_be_late_in_an_empty_line_is_not_told_to_come_back():
    refuse_hopeless(0.4, 0.4)
    with pytest.raises(Expired, match=r"nothing waiting.* 0\.400 s.* deadline is in 0\.300 s") as refused:
        refuse_hopeless(0.4, 0.3)
    assert refused.value.retry_after_seconds is None


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
