"""The load-making process for lone requests and open loops: `python -m loadtest.generator PLAN RESULT`.

Closed loops are locust's (locustfile.py). A lone client is a plain blocking socket, so that as little as
possible is added to the server's latency. An open loop sends at its own scheduled times and counts latency
from them.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import socket
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import msgspec

from loadtest.arrivals import poisson
from loadtest.load import Call, Kind, Load, Plan, Seen, load_of
from loadtest.usage import Stretch
from loadtest.wire import Address, Pool, Reader, raw

CONNECTIONS = 512
NEAR = 0.002


def read_calls(path: str) -> list[Call]:
    """The requests of a plan, as workload.py wrote them."""
    return msgspec.json.decode(Path(path).read_bytes(), type=list[Call])


def requests_of(plan: Plan) -> list[bytes]:
    """The whole bytes of every request of the plan, made before the clock starts."""
    address = Address.of(plan.url)
    lines = "".join(f"{name}: {value}\r\n" for name, value in plan.headers.items())
    return [raw(address, call, lines) for call in read_calls(plan.calls)]


class LoneClient:
    """One kept connection and one request at a time, on a blocking socket."""

    def __init__(self, address: Address, timeout: float) -> None:
        self._socket = socket.create_connection((address.host, address.port), timeout=timeout)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._reader = Reader()

    def ask(self, request: bytes) -> int:
        """Status of one request."""
        self._reader.reset()
        self._socket.sendall(request)
        while True:
            data = self._socket.recv(65536)
            if not data:
                raise ConnectionResetError("closed before the answer")
            if self._reader.feed(data):
                return self._reader.status

    def close(self) -> None:
        """Hangs up."""
        self._socket.close()


def lone(plan: Plan) -> Seen:
    """One request after another for `plan.seconds`, after `plan.warmup` that is not counted."""
    address, requests, seen = Address.of(plan.url), itertools.cycle(requests_of(plan)), Seen()
    try:
        with contextlib.closing(LoneClient(address, plan.timeout)) as client:
            _ask_until(client, requests, time.perf_counter() + plan.warmup, Seen())
            with Stretch(plan.server_pids) as stretch:
                _ask_until(client, requests, time.perf_counter() + plan.seconds, seen)
    except OSError as error:
        seen.errors[type(error).__name__] += 1
        return seen
    return _timed(seen, stretch)


def _ask_until(client: LoneClient, requests: itertools.cycle[bytes], end: float, seen: Seen) -> None:
    while (started := time.perf_counter()) < end:
        status = client.ask(next(requests))
        if status == 200:
            seen.latencies.append(time.perf_counter() - started)
        else:
            seen.errors[str(status)] += 1


def _timed(seen: Seen, stretch: Stretch) -> Seen:
    seen.seconds = stretch.seconds
    seen.generator_cpu_seconds = stretch.own_cpu_seconds
    seen.server_cpu_seconds = stretch.watched_cpu_seconds
    return seen


async def open_loop(plan: Plan) -> Seen:
    """Poisson arrivals at `plan.rate`, each answered or failed, latency counted from when it was due."""
    requests = requests_of(plan)
    due = poisson(plan.rate, plan.warmup + plan.seconds, plan.seed)
    pool, seen = Pool(Address.of(plan.url), CONNECTIONS, plan.timeout), Seen()
    tasks: set[asyncio.Task[None]] = set()
    with Stretch(()) as stretch:
        start = time.perf_counter() + 0.05
        for at, request in zip(due, itertools.cycle(requests), strict=False):
            await _until(start + at, spin=plan.spin)
            target = seen if at >= plan.warmup else Seen()
            task = asyncio.create_task(_one(pool, request, start + at, target))
            tasks.add(task)
            task.add_done_callback(tasks.discard)
        await asyncio.gather(*tasks)
    took = time.perf_counter() - start - plan.warmup
    pool.close()
    seen.generator_cpu_seconds = stretch.own_cpu_seconds
    seen.seconds = max(plan.seconds, took)
    return seen


async def _until(when: float, *, spin: bool) -> None:
    """Sleeps until shortly before `when`, then spins: timers alone are late by up to a millisecond.

    Spinning takes the whole core, so it is done only where the load has a core of its own.
    """
    wait = when - time.perf_counter()
    if wait > NEAR or (wait > 0 and not spin):
        await asyncio.sleep(wait - NEAR if spin else wait)
    while spin and time.perf_counter() < when:  # noqa: ASYNC110 - the clock sets no event
        await asyncio.sleep(0)


async def _one(pool: Pool, request: bytes, due: float, seen: Seen) -> None:
    try:
        status = await pool.ask(request, lambda: seen.lateness.append(time.perf_counter() - due))
    except OSError as error:
        seen.errors[type(error).__name__] += 1
        return
    if status == 200:
        seen.latencies.append(time.perf_counter() - due)
    else:
        seen.errors[str(status)] += 1


def drive(plan: Plan) -> Load:
    """Runs one plan in this process."""
    if plan.kind is Kind.LONE:
        return load_of(plan, lone(plan))
    if plan.kind is Kind.OPEN:
        return load_of(plan, asyncio.run(open_loop(plan)))
    raise ValueError("closed loops are driven by locust, see locustfile.py")


def main(arguments: Sequence[str]) -> None:
    """Reads the plan from the first path, writes what came of it to the second."""
    plan = msgspec.json.decode(Path(arguments[0]).read_bytes(), type=Plan)
    Path(arguments[1]).write_bytes(msgspec.json.encode(drive(plan)))


if __name__ == "__main__":
    main(sys.argv[1:])
