"""A long mixed load, a quarter of it hostile, and what must hold under it: one fate for every request.

Lengths are random; requests are cancelled, malformed or too late by turns. Never may there be a 500, a
request without an end, or memory that keeps growing.
"""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from loadtest.load import Call
from loadtest.target import Target
from loadtest.usage import allocated_mb, resident_mb
from loadtest.wire import Address, Connection, raw

HANG_SECONDS = 30.0
SETTLED = 0.2
GROWTH = 1.05
MALFORMED = (
    b"",
    b"{",
    b"[]",
    b"null",
    b'{"text": ""}',
    b'{"text": "  \\n "}',
    b'{"text": 7}',
    b'{"text": []}',
    b'{"text": ["\xe5\xa5\xbd", ""]}',
    b'{"text": "\xff\xfe"}',
    b'{"text": "\\ud800"}',
    b'{"text": "a", "model": "no-such-model"}',
    b'{"text": "a", "top_k": -1}',
    b"[" * 20_000,
)


class Manner(StrEnum):
    """How one request behaves."""

    PLAIN = "plain"
    CANCELLED = "cancelled"
    MALFORMED = "malformed"
    LATE = "late"


ALLOWED = {
    Manner.PLAIN: frozenset({200, 503}),
    Manner.CANCELLED: frozenset({200, 503}),
    Manner.MALFORMED: frozenset({400, 404, 413, 422}),
    Manner.LATE: frozenset({200, 503, 504}),
}


@dataclass(slots=True)
class Soaked:
    """What came of it; `wrong` lists answers that must not be, the others are read at every hundredth.

    A leak shows in what is allocated; `resident_mb` is the newest reading of all memory.
    """

    asked: int = 0
    fates: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    allocated_mb: list[float] = field(default_factory=list)
    resident_mb: float = 0.0
    p99_ms: list[float] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def growth(self) -> float | None:
        """Most memory allocated after the first fifth, over that at its end; None without readings."""
        settled = int(len(self.allocated_mb) * SETTLED)
        if len(self.allocated_mb) < 5 or not self.allocated_mb[settled]:
            return None
        return max(self.allocated_mb[settled:]) / self.allocated_mb[settled]

    @property
    def held(self) -> bool:
        """No wrong answer, some right ones, and no growth beyond the limit."""
        return not self.problem

    @property
    def problem(self) -> str:
        """What did not hold, in words; empty where all did."""
        if self.wrong:
            return "; ".join(self.wrong[:10])
        if not any(fate.endswith(" 200") for fate in self.fates):
            return "No request was answered with a 200."
        grown = self.growth is not None and self.growth > GROWTH
        return "Memory grew by more than 5 % after the first fifth." if grown else ""


@dataclass(frozen=True, slots=True)
class Storm:
    """How hard to soak: `hostile` is the share of cancelled, malformed and late requests together."""

    requests: int
    seconds: float = 0.0
    connections: int = 32
    hostile: float = 0.25
    max_chars: int = 2000
    seed: int = 0


class Soak:
    """Drives one storm against a server of ours; `say` hears how many hundredths of the way are done."""

    def __init__(
        self, storm: Storm, target: Target, texts: Sequence[str], say: Callable[[int], None]
    ) -> None:
        self._storm, self._target, self._say = storm, target, say
        self._address = Address.of(target.url)
        self._draw = random.Random(storm.seed)
        self._stream = "。".join(texts) * (1 + storm.max_chars // max(sum(map(len, texts)), 1))
        self._latencies: list[float] = []
        self._looked = 0
        self._started = time.perf_counter()
        self.soaked = Soaked()

    async def run(self) -> Soaked:
        """Until the number of requests, or the time, is reached; every request ends before it returns."""
        self._started = time.perf_counter()
        async with asyncio.TaskGroup() as group:
            for _ in range(self._storm.connections):
                group.create_task(self._client())
        self.soaked.seconds = time.perf_counter() - self._started
        return self.soaked

    def _progress(self) -> float:
        if self._storm.seconds:
            return (time.perf_counter() - self._started) / self._storm.seconds
        return self.soaked.asked / self._storm.requests

    async def _client(self) -> None:
        connection: Connection | None = None
        while self._progress() < 1:
            self.soaked.asked += 1
            self._look()
            manner = self._manner()
            try:
                connection = connection if connection and connection.open else await self._connect()
            except OSError as error:
                self._judge(manner, f"not taken ({error})")
                return
            started = time.perf_counter()
            fate = await self._one(connection, manner)
            self._latencies.append(time.perf_counter() - started)
            self._judge(manner, "answered more than once" if connection.unasked else fate)
        if connection is not None:
            connection.close()

    async def _connect(self) -> Connection:
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(HANG_SECONDS):
            _, made = await loop.create_connection(Connection, self._address.host, self._address.port)
        return made

    def _manner(self) -> Manner:
        if self._draw.random() >= self._storm.hostile:
            return Manner.PLAIN
        return self._draw.choice((Manner.CANCELLED, Manner.MALFORMED, Manner.LATE))

    async def _one(self, connection: Connection, manner: Manner) -> int | str:
        """The status, or what happened instead: cancelled, hung or lost."""
        asking = asyncio.ensure_future(connection.ask(self._request(manner)))
        patience = self._draw.uniform(0.0, 0.02) if manner is Manner.CANCELLED else HANG_SECONDS
        done, _ = await asyncio.wait((asking,), timeout=patience)
        if not done:
            asking.cancel()
            connection.close()
            return "cancelled" if manner is Manner.CANCELLED else "hung"
        error = asking.exception()
        if error is not None:
            connection.close()
            return f"lost ({error})"
        status = asking.result()
        return "200 without labels" if status == 200 and not _labels_all(connection.body) else status

    def _request(self, manner: Manner) -> bytes:
        if manner is Manner.MALFORMED:
            return raw(self._address, Call("/v1/classify", self._draw.choice(MALFORMED)))
        length = int(self._draw.paretovariate(1.2) * 10)
        length = min(max(length, 1), self._storm.max_chars)
        at = self._draw.randrange(max(len(self._stream) - length, 1))
        asked = {"text": self._stream[at : at + length]}
        late = f"X-Request-Timeout-Ms: {self._draw.randint(1, 5)}\r\n" if manner is Manner.LATE else ""
        return raw(self._address, Call("/v1/classify", json.dumps(asked, ensure_ascii=False).encode()), late)

    def _judge(self, manner: Manner, fate: int | str) -> None:
        self.soaked.fates[f"{manner.value} {fate}"] += 1
        fine = fate in ALLOWED[manner] or fate == "cancelled"
        if not fine and len(self.soaked.wrong) < 100:
            self.soaked.wrong.append(f"request {self.soaked.asked}, {manner.value}: {fate}")

    def _look(self) -> None:
        """Reads memory and latency at every hundredth of the way."""
        hundredth = int(self._progress() * 100)
        if hundredth <= self._looked:
            return
        self._looked = hundredth
        self._say(hundredth)
        self.soaked.allocated_mb.append(allocated_mb(self._target.pids))
        self.soaked.resident_mb = resident_mb(self._target.pids)
        if self._latencies:
            ordered = sorted(self._latencies)
            self.soaked.p99_ms.append(ordered[int(len(ordered) * 0.99)] * 1e3)
            self._latencies.clear()


def _labels_all(body: bytes) -> bool:
    """Whether an answer names a label, with a score, for every text."""
    try:
        results = json.loads(body)["results"]
        return bool(results) and all(0 <= each["labels"][0]["score"] <= 1 for each in results)
    except (ValueError, TypeError, LookupError):
        return False
