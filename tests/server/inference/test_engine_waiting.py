"""Requests that wait in the engine: late, given up, too many, or there when it stops."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest

from server.errors import (
    Expired,
    Overloaded,
    ShuttingDown,
    TooLong,
    TooMany,
)
from server.inference.cost import Cost
from server.inference.engine import Limits
from server.inference.values import Answered, Text
from tests.kit.engine_kit import PLAIN, SECONDS, Gate, ask, asking, busy, sports, until, waiting
from tests.kit.line_kit import Counts


def test_the_deadline_passes_while_waiting(make_engine):
    gate = Gate()
    engine = make_engine(PLAIN, probe=gate, threads=1)

    async def hurried() -> None:
        first = await busy(engine, gate)
        began = time.monotonic()
        late = [asking(engine, sports(), began + 0.5), asking(engine, sports(), began + SECONDS)]
        with pytest.raises(Expired):
            await asyncio.wait_for(late[0], SECONDS)
        assert 0.45 < time.monotonic() - began < SECONDS / 2
        gate.opened.set()
        assert (await asyncio.wait_for(late[1], SECONDS)).answers == (await first).answers

    asyncio.run(hurried())
    assert gate.shed_for == {"expired": 1}
    assert gate.rows == 2
    with pytest.raises(Expired):
        ask(engine, sports(), within=-1.0)
    assert gate.shed_for == {"expired": 2}, "what was late before it came is told, too"


def test_cancelling_frees_the_places(make_engine):
    gate = Gate()
    engine = make_engine(PLAIN, probe=gate, threads=1)

    async def give_up() -> None:
        first = await busy(engine, gate)
        tasks = [asking(engine, sports(20)) for _ in range(5)]
        await until(lambda: waiting(gate) == 100)
        for task in tasks[1:]:
            task.cancel()
        await asyncio.wait(tasks[1:], timeout=SECONDS)
        assert all(task.cancelled() for task in tasks[1:])
        assert waiting(gate) == 20
        gate.opened.set()
        assert len((await asyncio.wait_for(tasks[0], SECONDS)).answers) == 20
        await first

    asyncio.run(give_up())
    assert gate.shed_for == {"cancelled": 80}


def test_what_does_not_fit_is_refused_whole(make_engine):
    gate = Gate()
    engine = make_engine(PLAIN, probe=gate, threads=1, limits=Limits(max_line_tickets=50))

    async def crowd() -> list:
        first = await busy(engine, gate)
        tasks = [asking(engine, sports(20)) for _ in range(5)]
        await until(lambda: sum(task.done() for task in tasks) == 3)
        gate.opened.set()
        await first
        return await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), SECONDS)

    found = asyncio.run(crowd())
    assert [type(each) for each in found] == [Answered, Answered, Overloaded, Overloaded, Overloaded]
    assert all(each.retry_after_seconds > 0 for each in found[2:])
    assert gate.shed_for == {"overloaded": 60}
    assert gate.rows == 41
    with pytest.raises(TooMany):
        ask(engine, sports(51))


def test_single_texts_pass_a_long_document(make_engine):
    gate = Gate()
    engine = make_engine(PLAIN, probe=gate, threads=1)

    async def both() -> None:
        order: list[str] = []
        first = await busy(engine, gate)
        long = asking(engine, [Text("好" * 1500)])
        long.add_done_callback(lambda _: order.append("long"))
        await until(lambda: waiting(gate) > 50)
        windows = waiting(gate)
        short = asking(engine, sports())
        short.add_done_callback(lambda _: order.append("short"))
        await until(lambda: waiting(gate) == windows + 1)
        gate.opened.set()
        await asyncio.wait_for(asyncio.gather(first, long, short), SECONDS)
        assert order == ["short", "long"]

    asyncio.run(both())


def test_draining_answers_what_was_accepted_and_refuses_the_rest(make_engine):
    gate = Gate()
    engine = make_engine(PLAIN, probe=gate, threads=1)

    async def stop() -> None:
        accepted = [await busy(engine, gate), asking(engine, sports(20)), asking(engine, sports(2))]
        await until(lambda: waiting(gate) == 22)
        assert not await engine.drain(0.0)
        with pytest.raises(ShuttingDown):
            await asking(engine, sports())
        given_up = accepted.pop()
        draining = asyncio.ensure_future(engine.drain(SECONDS))
        given_up.cancel()
        await asyncio.wait([given_up], timeout=SECONDS)
        await asyncio.sleep(0.01)
        assert not draining.done()
        gate.opened.set()
        assert await draining
        assert [len((await each).answers) for each in accepted] == [1, 20]

    asyncio.run(stop())
    assert not engine.ready


def test_closing_tells_those_who_still_wait(make_engine):
    gate = Gate()
    engine = make_engine(PLAIN, probe=gate, threads=1)

    async def stop() -> None:
        first = await busy(engine, gate)
        others = [asking(engine, sports(40)), asking(engine, [Text("好" * 3000)])]
        await until(lambda: waiting(gate) > 140)
        threading.Timer(0.05, gate.opened.set).start()
        engine.close()
        for other in others:
            with pytest.raises(ShuttingDown):
                await asyncio.wait_for(other, SECONDS)
        assert (await asyncio.wait_for(first, SECONDS)).answers

    asyncio.run(stop())
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("inference-")]


def test_long_texts_are_read_within_bounds(make_engine):
    counts = Counts()
    engine = make_engine(PLAIN, probe=counts, limits=Limits(max_encoding_chars=5_000))

    async def crowd() -> list:
        tasks = [asking(engine, [Text("好" * 3000)]) for _ in range(4)]
        return await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), SECONDS)

    found = asyncio.run(crowd())
    assert [type(each) for each in found] == [Answered, Overloaded, Overloaded, Overloaded]
    assert len(ask(engine, [Text("好" * 9000)]).answers) == 1
    assert counts.shed_for == {"overloaded": 3}


@pytest.mark.parametrize("texts", [[Text("好" * 15)], sports(120)])
def test_work_that_takes_longer_than_its_deadline_is_not_overload(make_engine, texts):
    counts = Counts()
    engine = make_engine(PLAIN, probe=counts)
    engine.predictors["m0"].cost = Cost(engine.predictors["m0"].bundle.manifest.cost, factor=1e5)
    with pytest.raises(Expired, match="Even with nothing waiting") as refused:
        ask(engine, texts, within=1.0)
    assert refused.value.retry_after_seconds is None
    assert counts.shed_for == {"expired": len(texts)}


@pytest.mark.parametrize(
    ("count", "limits", "error"),
    [
        (30, Limits(max_line_tickets=50), TooMany),
        (30, Limits(max_request_seconds=1e-4), TooMany),
        (1, Limits(max_line_tickets=50), TooLong),
    ],
)
def test_what_is_too_much_is_not_read_to_its_end(make_engine, count, limits, error):
    counts = Counts()
    engine = make_engine(PLAIN, probe=counts, limits=limits)
    with pytest.raises(error, match="windows or more") as refused:
        ask(engine, [Text("好" * 2000)] * count)
    alone = len(engine.predictors["m0"].encode(Text("好" * 2000)).examples)
    assert f" {alone} windows or more" in refused.value.message
    assert counts.shed_for == {"too_much": count}


def test_a_deadline_that_passes_while_texts_are_read_ends_the_reading_and_is_told(make_engine):
    counts = Counts()
    engine = make_engine(PLAIN, probe=counts, threads=1, limits=Limits(max_encoding_chars=10**8))

    async def behind() -> None:
        first = asking(engine, [Text("好" * 50_000)] * 2)
        await asyncio.sleep(0)
        began = time.monotonic()
        with pytest.raises(Expired):
            await asyncio.wait_for(asking(engine, [Text("好" * 3000)] * 3, began + 0.001), SECONDS)
        given_up = asking(engine, [Text("好" * 3000)] * 4)
        await asyncio.sleep(0)
        given_up.cancel()
        await asyncio.wait([first, given_up], timeout=SECONDS)

    asyncio.run(behind())
    assert (counts.shed_for["expired"], counts.shed_for["cancelled"]) == (3, 4)


def test_a_deadline_holds_while_others_are_read_and_is_known_beforehand(make_engine):
    """The pool that reads long texts has a line of its own."""
    counts = Counts()
    limits = Limits(max_encoding_chars=10**8, max_line_tickets=10**6, max_request_seconds=1e6)
    engine = make_engine(PLAIN, probe=counts, threads=1, limits=limits)

    async def behind() -> None:
        first = asking(engine, [Text("好" * 50_000)] * 60)
        await asyncio.sleep(0)
        began = time.monotonic()
        with pytest.raises(Expired, match="before the answer was there"):
            await asyncio.wait_for(asking(engine, [Text("好" * 3000)], began + 0.1), SECONDS)
        assert time.monotonic() - began < 0.6
        first.cancel()
        await asyncio.wait([first], timeout=SECONDS)
        await asyncio.wait_for(asking(engine, [Text("好" * 3000)]), SECONDS)
        second = asking(engine, [Text("好" * 50_000)] * 60)
        await asyncio.sleep(0)
        with pytest.raises(Overloaded, match="being read already"):
            await asyncio.wait_for(asking(engine, [Text("好" * 3000)], time.monotonic() + 0.1), SECONDS)
        second.cancel()
        await asyncio.wait([second], timeout=SECONDS)

    asyncio.run(behind())
    assert counts.shed_for == {"expired": 1, "cancelled": 120, "overloaded": 1}
