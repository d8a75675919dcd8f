"""One stretch of load: what to send and how (Plan), what came back (Load). Walks between processes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
from msgspec import Struct

LEVELS = (*(level / 100 for level in range(101)), 0.999)
SATURATED_SHARE = 0.9
LATE_LIMIT_MS = 5.0


class Kind(StrEnum):
    """How requests follow each other."""

    LONE = "lone"  # one connection, the next request after the last answer, a plain blocking client
    CLOSED = "closed"  # N connections, each sends again when it is answered (locust)
    OPEN = "open"  # Poisson arrivals at a given rate, whatever the server does


class Call(Struct, frozen=True):
    """One request: the path and the JSON body, ready to send."""

    path: str
    body: bytes


class Plan(Struct, frozen=True, kw_only=True):
    """What one generator process does. `rate` (requests a second) is for open loops alone.

    `key` opens a server that wants one. `server_pids` are the processes whose CPU time is read at both ends
    of the measured stretch.
    """

    kind: Kind
    url: str
    calls: str
    seconds: float
    warmup: float = 1.0
    connections: int = 1
    rate: float = 0.0
    seed: int = 0
    timeout: float = 75.0
    spin: bool = True
    server_pids: tuple[int, ...] = ()
    key: str = ""

    @property
    def headers(self) -> dict[str, str]:
        """What each request says besides."""
        return {"Authorization": f"Bearer {self.key}"} if self.key else {}


class Latency(Struct, frozen=True, kw_only=True):
    """Milliseconds. `curve[i]` is the quantile at `LEVELS[i]`; the last of it is the 99.9th percentile."""

    mean: float
    p50: float
    p95: float
    p99: float
    max: float
    curve: tuple[float, ...]


class ErrorCount(Struct, frozen=True):
    """How many requests ended so: an HTTP status, or the name of a transport failure."""

    code: str
    count: int


class Load(Struct, frozen=True, kw_only=True):
    """What one stretch of load measured; requests that failed are in `errors` and not in the latencies.

    `late_p99_ms` is how late the generator sent, 99th percentile, in an open loop; the latencies hold it.
    `server_cpu_seconds` is the CPU time the server spent over the stretch, None where it was not watched and
    of open loops, whose `seconds` last until the last answer, so that `throughput` is the server's own.
    `saturated` tells that the generator itself was the limit, so that the figures speak of it.
    """

    kind: Kind
    connections: int
    rate: float
    seconds: float
    answered: int
    throughput: float
    latency: Latency | None
    errors: tuple[ErrorCount, ...]
    generator_share: float
    late_p99_ms: float
    server_cpu_seconds: float | None
    saturated: bool

    @property
    def failed(self) -> int:
        """Requests that were not answered with a 200."""
        return sum(error.count for error in self.errors)

    def keeps(self, bound_ms: float) -> bool:
        """Whether all were answered, with a 99th percentile within the bound, by a generator in time."""
        return (
            self.latency is not None
            and self.latency.p99 <= bound_ms
            and not self.failed
            and not self.saturated
        )

    @property
    def cpu_ms_a_request(self) -> float | None:
        """The server's CPU time an answered request, in milliseconds."""
        if self.server_cpu_seconds is None or not self.answered:
            return None
        return self.server_cpu_seconds / self.answered * 1e3


@dataclass(slots=True)
class Seen:
    """What a generator collects while it drives: latencies and lateness in seconds, failures by code."""

    latencies: list[float] = field(default_factory=list)
    lateness: list[float] = field(default_factory=list)
    errors: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0
    generator_cpu_seconds: float = 0.0
    server_cpu_seconds: float | None = None


def latency_of(seconds: Sequence[float]) -> Latency | None:
    """Quantiles of some latencies given in seconds; None where there are none."""
    if not seconds:
        return None
    values = np.asarray(seconds, dtype=np.float64) * 1e3
    p50, p95, p99 = (float(value) for value in np.quantile(values, (0.5, 0.95, 0.99)))
    curve = tuple(round(float(value), 4) for value in np.quantile(values, LEVELS))
    return Latency(mean=float(values.mean()), p50=p50, p95=p95, p99=p99, max=float(values.max()), curve=curve)


def load_of(plan: Plan, seen: Seen) -> Load:
    """The figures of one stretch from what the generator collected."""
    seconds = seen.seconds or plan.seconds
    late = float(np.quantile(seen.lateness, 0.99)) * 1e3 if seen.lateness else 0.0
    share = seen.generator_cpu_seconds / seconds
    busy = plan.kind is Kind.CLOSED and share > SATURATED_SHARE
    return Load(
        kind=plan.kind,
        connections=plan.connections,
        rate=plan.rate,
        seconds=seconds,
        answered=len(seen.latencies),
        throughput=len(seen.latencies) / seconds,
        latency=latency_of(seen.latencies),
        errors=tuple(ErrorCount(code, count) for code, count in sorted(seen.errors.items())),
        generator_share=share,
        late_p99_ms=late,
        server_cpu_seconds=seen.server_cpu_seconds,
        saturated=busy or late > LATE_LIMIT_MS,
    )
