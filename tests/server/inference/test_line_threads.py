"""The waiting line with its real threads and real event loops; every wait is bounded."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest

from server.errors import ModelFailed, NotReady, ShuttingDown
from tests.kit.line_kit import DEADLY, POISON, SECONDS, Adder, Counts, Gate, example_of, job_of, submit


def test_a_lone_text_is_run_at_once_by_a_sleeping_thread(make_line):
    adder = Adder()
    line = make_line(adder, threads=2)
    for first in range(5):
        time.sleep(0.01)  # let the threads fall asleep
        _, reply = submit(line, adder, first)
        done = reply.result(SECONDS)
        assert done.logits[0].item() == first + 2
        assert done.queue < 0.5


def test_batches_form_while_the_thread_is_busy(make_line):
    gate = Gate()
    line = make_line(gate)
    replies = [submit(line, gate, 1)[1]]
    assert gate.entered.acquire(timeout=SECONDS)
    replies += [submit(line, gate, first)[1] for first in range(2, 6)]
    gate.opened.set()
    assert [reply.result(SECONDS).logits[0].item() for reply in replies] == [3, 4, 5, 6, 7]
    assert [len(batch) for _, batch in gate.batches] == [1, 4]


def test_cancelling_one_of_a_running_batch_leaves_the_others_answered(make_line):
    gate = Gate()
    line = make_line(gate)
    submit(line, gate, 1)
    assert gate.entered.acquire(timeout=SECONDS)
    submitted = [submit(line, gate, first) for first in (10, 20, 30)]
    line.cancel(submitted[0][0], "cancelled")  # while it waits
    gate.opened.set()
    assert submitted[1][1].result(SECONDS).logits[0].item() == 22
    assert submitted[2][1].result(SECONDS).logits[0].item() == 32
    assert not submitted[0][1].done()


def test_an_exception_fails_its_batch_alone_and_the_thread_lives(make_line):
    adder = Adder()
    line = make_line(adder)
    _, poisoned = submit(line, adder, POISON)
    assert isinstance(poisoned.exception(SECONDS), ModelFailed)
    _, reply = submit(line, adder, 5)
    assert reply.result(SECONDS).logits[0].item() == 7
    assert not line.why_dead


def test_a_dead_thread_is_said_and_nobody_waits_for_it(make_line):
    gate = Gate()
    line = make_line(gate)
    _, deadly = submit(line, gate, DEADLY)
    assert gate.entered.acquire(timeout=SECONDS)
    _, behind = submit(line, gate, 2)
    gate.opened.set()
    assert isinstance(deadly.exception(SECONDS), NotReady)
    assert isinstance(behind.exception(SECONDS), NotReady)
    assert "SystemExit" in line.why_dead
    with pytest.raises(NotReady):
        submit(line, gate, 3)


def test_a_broken_probe_is_a_dead_thread_not_a_silent_one(make_line):
    class Broken(Counts):
        def ran(self, model, **numbers):
            raise RuntimeError("broken")

    adder = Adder()
    line = make_line(adder, probe=Broken())
    _, reply = submit(line, adder, 1)
    assert isinstance(reply.exception(SECONDS), NotReady)
    assert "RuntimeError" in line.why_dead


def test_closing_lets_the_running_batch_end_and_tells_the_rest(make_line):
    gate = Gate()
    line = make_line(gate)
    _, running = submit(line, gate, 1)
    assert gate.entered.acquire(timeout=SECONDS)
    _, waiting = submit(line, gate, 2)
    closer = threading.Thread(target=line.close)
    closer.start()
    assert isinstance(waiting.exception(SECONDS), ShuttingDown)
    gate.opened.set()
    assert running.result(SECONDS).logits[0].item() == 3
    closer.join(SECONDS)
    assert not closer.is_alive()
    with pytest.raises(ShuttingDown):
        submit(line, gate, 3)


def test_every_loop_is_woken_once_a_batch(make_line):
    gate = Gate()
    line = make_line(gate)

    async def ask() -> list[float]:
        loop = asyncio.get_running_loop()
        jobs = []
        for first in range(4):
            job, _ = job_of(gate, example_of(first))
            job.reply = loop.create_future()
            line.submit(job)
            jobs.append(job)
            if first == 0:
                assert await asyncio.to_thread(gate.entered.acquire, timeout=SECONDS)
        gate.opened.set()
        done = await asyncio.wait_for(asyncio.gather(*[job.reply for job in jobs]), SECONDS)
        return [each.logits[0].item() for each in done]

    assert asyncio.run(ask()) == [0, 1, 2, 3]
    assert len(gate.batches) == 2


def test_one_who_has_left_the_loop_does_not_keep_his_mates_from_their_answers(make_line):
    gate = Gate()
    line = make_line(gate)

    async def ask() -> list[float]:
        loop = asyncio.get_running_loop()
        jobs = []
        for first in range(4):
            job, _ = job_of(gate, example_of(first))
            job.reply = loop.create_future()
            line.submit(job)
            jobs.append(job)
            if first == 0:
                assert await asyncio.to_thread(gate.entered.acquire, timeout=SECONDS)
        jobs[1].reply.cancel()  # as when the answer is under way already
        gate.opened.set()
        done = await asyncio.wait_for(asyncio.gather(*[job.reply for job in jobs[2:]]), SECONDS)
        return [each.logits[0].item() for each in done]

    assert asyncio.run(ask()) == [2, 3]


def test_a_loop_that_is_gone_does_not_hurt_the_thread(make_line):
    gate = Gate()
    line = make_line(gate)

    async def leave() -> None:
        job, _ = job_of(gate, example_of(1))
        job.reply = asyncio.get_running_loop().create_future()
        line.submit(job)
        assert await asyncio.to_thread(gate.entered.acquire, timeout=SECONDS)

    asyncio.run(leave())
    gate.opened.set()
    _, reply = submit(line, gate, 5)
    assert reply.result(SECONDS).logits[0].item() == 7
    assert not line.why_dead


def test_idle_threads_use_no_time(make_line):
    make_line(Adder(), threads=4)
    time.sleep(0.05)
    began = time.process_time()
    time.sleep(0.5)
    assert time.process_time() - began < 0.05
