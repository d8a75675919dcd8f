"""How much the generator can send at all, measured against a server that does nothing."""

from __future__ import annotations

import sys
from pathlib import Path

from loadtest.driver import Driver, prepared
from loadtest.load import Call, Kind, Plan
from loadtest.results import Ceiling
from loadtest.target import Serving, Target

NULL = f"{sys.executable} -m loadtest.nullserver"
CONNECTIONS = {Kind.LONE: 1, Kind.CLOSED: 64}


def ceilings(driver: Driver, cores: tuple[int, ...], folder: Path, seconds: float) -> tuple[Ceiling, ...]:
    """Requests a second of the lone client and of locust, and what each adds to a lone answer (p50)."""
    serving = Serving(NULL, folder, "null", 1, cores)
    calls = prepared([Call("/v1/classify", b'{"text": "x"}')], folder, "null")
    found = []
    with Target(serving, folder / "null.log") as target:
        for kind, connections in CONNECTIONS.items():
            plan = Plan(
                kind=kind, url=target.url, calls=calls, seconds=seconds, warmup=0.5, connections=connections
            )
            load = driver.run(plan, target)
            p50 = load.latency.p50 if load.latency else 0.0
            found.append(
                Ceiling(kind=kind.value, connections=connections, throughput=load.throughput, p50_ms=p50)
            )
    return tuple(found)
