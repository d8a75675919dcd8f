"""The load-making process for closed loops, in locust: N users, each sending again as soon as it is answered.

Run by driver.py as `locust -f`, with the plan's path in QINGMO_LOAD_PLAN and the result's in
QINGMO_LOAD_RESULT. Locust's own statistics round to whole milliseconds, too coarse for answers of one
millisecond, so every latency is kept here. Importing locust patches sockets: no other file imports it.
"""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Mapping
from pathlib import Path

import gevent
import msgspec
from locust import FastHttpUser, events, task
from locust.env import Environment

from loadtest.load import Call, Plan, Seen, load_of
from loadtest.usage import Stretch

PLAN = msgspec.json.decode(Path(os.environ["QINGMO_LOAD_PLAN"]).read_bytes(), type=Plan)
CALLS = itertools.cycle(msgspec.json.decode(Path(PLAN.calls).read_bytes(), type=list[Call]))
HEADERS: Mapping[str, str] = {
    "Content-Type": "application/json",
    "Accept-Encoding": "identity",
    **PLAN.headers,
}


class Recorder:
    """Keeps what falls into the measured stretch."""

    def __init__(self) -> None:
        self.seen: Seen | None = None

    def on_request(
        self, response_time: float, exception: BaseException | None, response: object, **_: object
    ) -> None:
        """Locust's event for one request that ended; `response_time` in milliseconds."""
        if self.seen is None:
            return
        if exception is None:
            self.seen.latencies.append(response_time / 1e3)
        else:
            status = int(getattr(response, "status_code", 0) or 0)
            self.seen.errors[str(status) if status else type(exception).__name__] += 1

    def measure(self, environment: Environment) -> None:
        """Waits for the warm-up, records for the plan's seconds, writes the result, ends locust."""
        time.sleep(PLAN.warmup)
        seen = self.seen = Seen()
        with Stretch(PLAN.server_pids) as stretch:
            time.sleep(PLAN.seconds)
            self.seen = None
        seen.seconds = stretch.seconds
        seen.generator_cpu_seconds = stretch.own_cpu_seconds
        seen.server_cpu_seconds = stretch.watched_cpu_seconds
        Path(os.environ["QINGMO_LOAD_RESULT"]).write_bytes(msgspec.json.encode(load_of(PLAN, seen)))
        if environment.runner is not None:
            environment.runner.quit()


RECORDER = Recorder()
events.request.add_listener(RECORDER.on_request)


@events.test_start.add_listener
def _begin(environment: Environment, **_: object) -> None:
    gevent.spawn(RECORDER.measure, environment)


class Asker(FastHttpUser):
    """One connection that is never idle."""

    host = PLAN.url
    network_timeout = PLAN.timeout
    connection_timeout = PLAN.timeout
    insecure = False

    @task
    def ask(self) -> None:
        """The next request of the plan."""
        call = next(CALLS)
        self.client.post(call.path, data=call.body, headers=dict(HEADERS), name=call.path)
