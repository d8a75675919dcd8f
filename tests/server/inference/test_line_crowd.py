"""Many at once in front of the waiting line."""

from __future__ import annotations

import concurrent.futures
import random
import threading
from collections import Counter

from server.errors import ModelFailed, Overloaded
from server.inference.admission import LineLimits
from server.inference.line import Line
from tests.kit.line_kit import POISON, SECONDS, Adder, Counts, submit


class Customer(threading.Thread):
    """Sends 200 requests one upon another, gives some up, poisons some, and counts what became of them."""

    def __init__(self, line: Line, adder: Adder, seed: int) -> None:
        super().__init__()
        self.line, self.adder, self.dice = line, adder, random.Random(seed)
        self.fates: Counter[str] = Counter()
        self.open: list[tuple[concurrent.futures.Future, list[int]]] = []

    def run(self) -> None:
        for _ in range(200):
            self.ask()
            if len(self.open) > 20:
                self.hear(*self.open.pop(0))
        for reply, firsts in self.open:
            self.hear(reply, firsts)

    def ask(self) -> None:
        firsts = [self.dice.randrange(1, 500) for _ in range(self.dice.choice([1, 1, 1, 5]))]
        if self.dice.random() < 0.05:
            firsts[-1] = POISON
        try:
            job, reply = submit(self.line, self.adder, *firsts)
        except Overloaded:
            self.fates["refused"] += 1
            return
        if self.dice.random() < 0.1:
            self.line.cancel(job, "cancelled")
            self.fates["cancelled"] += 1
        else:
            self.open.append((reply, firsts))

    def hear(self, reply: concurrent.futures.Future, firsts: list[int]) -> None:
        try:
            done = reply.result(SECONDS)
        except ModelFailed:
            assert POISON in firsts
            self.fates["failed"] += 1
        else:
            assert [row.item() for row in done.logits] == [first + 2 for first in firsts]
            self.fates["ok"] += 1


def test_many_at_once_each_get_their_own_answer(make_line):
    """Accepted = ok + failed + cancelled, and every answer is that of its own text."""
    adder, counts = Adder(), Counts()
    line = make_line(adder, threads=3, probe=counts, limits=LineLimits(60, 1e9))
    customers = [Customer(line, adder, seed) for seed in range(4)]
    for customer in customers:
        customer.start()
    for customer in customers:
        customer.join(3 * SECONDS)
        assert not customer.is_alive()
    fates = sum((customer.fates for customer in customers), Counter())
    assert fates.total() == 800
    assert fates["ok"] > 200
    assert fates["failed"] > 0
    assert len(line) == 0
    assert counts.depths["adder"] == (0, 0.0)
    assert not line.why_dead
