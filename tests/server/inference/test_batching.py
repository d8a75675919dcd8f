"""The pure rule: which tickets run next."""

from __future__ import annotations

import math
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.inference.batching import BULK_SHARE, Lane, Queues, Ticket, plan

MOST_ROWS = dict.fromkeys(range(8, 100, 8), 4) | {16: 6, 32: 1}


def ticket(
    width: int = 8,
    *,
    lane: Lane = Lane.SINGLE,
    arrived: float = 0.0,
    deadline: float = math.inf,
    model: str = "m",
) -> Ticket:
    return Ticket(model, width, lane, MOST_ROWS[width], 0.001 * width, deadline, arrived=arrived)


def queues_of(*tickets: Ticket) -> Queues[Ticket]:
    queues: Queues[Ticket] = Queues()
    for each in tickets:
        queues.add(each)
    return queues


tickets = st.builds(
    ticket,
    st.sampled_from([8, 16, 32]),
    lane=st.sampled_from(Lane),
    arrived=st.integers(0, 20).map(float),
    deadline=st.one_of(st.just(math.inf), st.integers(5, 30).map(float)),
    model=st.sampled_from(["a", "b"]),
)
waiting = st.lists(tickets, max_size=20).map(lambda found: sorted(found, key=lambda each: each.arrived))


@given(waiting, st.integers(0, 35), st.integers(1, 4), st.integers(0, 2 * BULK_SHARE))
def test_a_plan_is_one_width_of_one_model_live_and_within_its_rows(found, now, idle, streak):
    queues = queues_of(*found)
    chosen = plan(queues, now, idle=idle, singles_in_a_row=streak)
    live = [each for each in found if each.deadline > now]
    assert bool(chosen.run) == bool(live)
    assert all(each.deadline > now for each in chosen.run)
    assert all(each.deadline <= now for each in chosen.expired)
    assert len({(each.model, each.width, each.lane) for each in chosen.run}) <= 1
    assert all(len(chosen.run) <= each.most_rows for each in chosen.run)
    assert len(set(chosen.run)) == len(chosen.run)
    assert len(set(chosen.expired)) == len(chosen.expired)
    assert list(queues) == list(queues_of(*found))  # nothing is changed by planning


@given(waiting, st.integers(0, 35))
def test_the_oldest_live_ticket_of_its_lane_is_in_the_plan(found, now):
    live = [each for each in found if each.deadline > now]
    chosen = plan(queues_of(*found), now).run
    if live:
        lane = min(each.lane for each in live)
        oldest = min(each.arrived for each in live if each.lane is lane)
        assert chosen[0].lane is lane
        assert chosen[0].arrived == oldest


def test_rows_of_a_batch_stand_in_order_of_arrival():
    found = [ticket(arrived=float(number)) for number in range(10)]
    assert plan(queues_of(*found), 99.0).run == tuple(found[:4])


def test_idle_threads_share_a_queue_instead_of_filling_one_batch():
    found = [ticket(arrived=float(number)) for number in range(4)]
    assert plan(queues_of(*found), 99.0, idle=2).run == tuple(found[:2])
    assert plan(queues_of(*found[:3]), 99.0, idle=2).run == tuple(found[:2])
    assert plan(queues_of(*found), 99.0, idle=9).run == tuple(found[:1])


def test_single_texts_go_before_older_bulk():
    single, bulk = ticket(arrived=5.0), ticket(arrived=1.0, lane=Lane.BULK)
    assert plan(queues_of(bulk, single), 9.0).run == (single,)


def test_bulk_is_due_after_its_share_of_single_batches():
    single, bulk = ticket(arrived=1.0), ticket(arrived=5.0, lane=Lane.BULK)
    queues = queues_of(single, bulk)
    assert plan(queues, 9.0, singles_in_a_row=BULK_SHARE - 1).run == (single,)
    assert plan(queues, 9.0, singles_in_a_row=BULK_SHARE).run == (bulk,)


def test_an_expired_head_does_not_hide_the_live_one_behind_it():
    late, live, other = ticket(deadline=1.0), ticket(arrived=1.0), ticket(16, arrived=2.0)
    chosen = plan(queues_of(late, live, other), 5.0)
    assert (chosen.run, chosen.expired) == ((live,), (late,))


@given(waiting, st.randoms(use_true_random=False))
def test_loads_are_what_waits_whoever_leaves(found, random):
    queues = queues_of(*found)
    left = list(found)
    random.shuffle(left)
    while left:
        assert queues.remove(gone := left.pop())
        assert not queues.remove(gone)
        assert len(queues) == len(left)
        assert set(queues) == set(left)
        for lane in Lane:
            here = [each for each in left if each.lane is lane]
            assert queues.load(lane).tickets == len(here)
            assert queues.load(lane).seconds == pytest.approx(sum(each.cost for each in here), abs=1e-12)
    assert [queues.load(lane).seconds for lane in Lane] == [0.0, 0.0]


def test_planning_takes_no_longer_when_thousands_wait():
    found = [
        ticket(8 * (1 + number % 12), arrived=float(number), model=f"m{number % 3}")
        for number in range(30_000)
    ]
    queues = queues_of(*found)
    started = time.perf_counter()
    while chosen := plan(queues, 0.0).run:
        for each in chosen:
            assert queues.remove(each)
    # 7,500 plans or more; were each to look at all that waits, it would take minutes.
    assert time.perf_counter() - started < 10
