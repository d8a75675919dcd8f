"""What is counted and timed, under which names, units and buckets. Knows no HTTP; implements `Probe`.

The numbers live in a `Tally`, so that each process answers /metrics for all of them.
"""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric

from server import errors
from server.inference.values import Timings
from server.tally import HEAD, Tally

MAX_MODELS = 64
SECONDS = (
    *(50e-6, 100e-6, 200e-6, 300e-6, 500e-6, 700e-6, 1e-3, 1.5e-3, 2e-3, 3e-3, 5e-3, 7e-3),
    *(10e-3, 15e-3, 20e-3, 30e-3, 50e-3, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0),
)
ROWS = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0)
RATIO = (0.25, 0.5, 0.7, 0.8, 0.9, 1.0, 1.1, 1.25, 1.5, 2.0, 4.0)
REASONS = ("overloaded", "too_much", "expired", "cancelled", "shutting_down")


def _codes(kind: type[errors.ServeError]) -> set[str]:
    return {kind.code}.union(*(_codes(child) for child in kind.__subclasses__()))


OUTCOMES = ("ok", "cancelled", *sorted(_codes(errors.ServeError)))

HISTOGRAMS: dict[str, tuple[str, tuple[float, ...]]] = {
    "qingmo_request_seconds": ("From a request's head to its answer, answered requests alone.", SECONDS),
    "qingmo_queue_seconds": ("What a text or window waited in the line before it ran.", SECONDS),
    "qingmo_tokenise_seconds": ("Cutting a request's texts into tokens.", SECONDS),
    "qingmo_infer_seconds": ("The network's part of a request.", SECONDS),
    "qingmo_decode_seconds": ("Making a request's answers out of scores.", SECONDS),
    "qingmo_batch_rows": ("Texts and windows that ran together.", ROWS),
    "qingmo_batch_cost_ratio": ("Time that a batch took, over the time predicted for it.", RATIO),
}
COUNTERS: dict[str, str] = {
    "qingmo_texts": "Texts answered.",
    "qingmo_tokens": "Tokens that ran, special ones included.",
    "qingmo_padding_tokens": "Slots of batches that held no token: the padding waste.",
    "qingmo_run_seconds": "Time that batches took.",
    "qingmo_run_predicted_seconds": "Time that had been predicted for them.",
}
LABELLED: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "qingmo_requests": ("Requests by outcome: ok, or the code of the refusal.", "outcome", OUTCOMES),
    "qingmo_shed": ("Texts and windows that were not run, by reason.", "reason", REASONS),
}
GAUGES: dict[str, str] = {
    "qingmo_queue_tickets": "Texts and windows that wait now.",
    "qingmo_queue_cost_seconds": "Predicted work that waits now.",
}


class _Layout:
    """Where in the cells of one model each number stands."""

    def __init__(self) -> None:
        self.at: dict[str, int] = {}
        self.size = 0
        for name, (_, bounds) in HISTOGRAMS.items():
            self._take(name, len(bounds) + 2)
        for name, (_, _, values) in LABELLED.items():
            self._take(name, len(values))
        for name in (*COUNTERS, *GAUGES):
            self._take(name, 1)

    def _take(self, name: str, cells: int) -> None:
        self.at[name] = self.size
        self.size += cells


LAYOUT = _Layout()
CELLS = (MAX_MODELS + 1) * LAYOUT.size
"""Cells of one process; the block of index 0 counts requests that name no model we serve."""


class Telemetry:
    """One process's pen, and the eyes on all of them.

    Args:
        versions: Version of each model by its name, the same in all processes.
        tally: The table, with `CELLS` cells a process.
        row: This process's row in it.
    """

    _outcomes: ClassVar[dict[str, int]] = {code: i for i, code in enumerate(OUTCOMES)}
    _reasons: ClassVar[dict[str, int]] = {reason: i for i, reason in enumerate(REASONS)}

    def __init__(self, versions: dict[str, str], tally: Tally, row: int) -> None:
        if len(versions) > MAX_MODELS:
            raise errors.BadBundle(
                f"{len(versions)} bundles are more than the {MAX_MODELS} that one server takes."
            )
        self._versions = versions
        self._blocks = {name: HEAD + i * LAYOUT.size for i, name in enumerate(("", *sorted(versions)))}
        self._tally, self._cells, self._lock = tally, tally.row(row), threading.Lock()
        self._registry = CollectorRegistry()
        self._registry.register(_Collector(self._blocks, versions, tally))

    def page(self) -> bytes:
        """The Prometheus text format, over all processes."""
        return generate_latest(self._registry)

    def answered(self, model: str, seconds: float, texts: int, timings: Timings) -> None:
        """One request was answered `seconds` after its head came in."""
        with self._lock:
            self._observe(model, "qingmo_request_seconds", SECONDS, seconds)
            self._observe(model, "qingmo_tokenise_seconds", SECONDS, timings.tokenise)
            self._observe(model, "qingmo_infer_seconds", SECONDS, timings.infer)
            self._observe(model, "qingmo_decode_seconds", SECONDS, timings.decode)
            self._add(model, "qingmo_texts", texts)

    def outcome(self, model: str, code: str) -> None:
        """One request ended with `code`; `model` is empty when none was found."""
        with self._lock:
            self._add(model, "qingmo_requests", 1, self._outcomes.get(code, self._outcomes["internal"]))

    def ran(
        self, model: str, *, rows: int, width: int, tokens: int, seconds: float, predicted_seconds: float
    ) -> None:
        """See `Probe`."""
        with self._lock:
            self._observe(model, "qingmo_batch_rows", ROWS, rows)
            if predicted_seconds > 0:
                self._observe(model, "qingmo_batch_cost_ratio", RATIO, seconds / predicted_seconds)
            self._add(model, "qingmo_tokens", tokens)
            self._add(model, "qingmo_padding_tokens", rows * width - tokens)
            self._add(model, "qingmo_run_seconds", seconds)
            self._add(model, "qingmo_run_predicted_seconds", predicted_seconds)

    def waited(self, model: str, seconds: float) -> None:
        """See `Probe`."""
        with self._lock:
            self._observe(model, "qingmo_queue_seconds", SECONDS, seconds)

    def shed(self, model: str, reason: str) -> None:
        """See `Probe`."""
        with self._lock:
            self._add(model, "qingmo_shed", 1, self._reasons[reason])

    def depth(self, model: str, tickets: int, cost_seconds: float) -> None:
        """See `Probe`."""
        block = self._blocks[model]
        self._cells[block + LAYOUT.at["qingmo_queue_tickets"]] = tickets
        self._cells[block + LAYOUT.at["qingmo_queue_cost_seconds"]] = cost_seconds

    def _add(self, model: str, name: str, amount: float, offset: int = 0) -> None:
        self._cells[self._blocks[model] + LAYOUT.at[name] + offset] += amount

    def _observe(self, model: str, name: str, bounds: Sequence[float], value: float) -> None:
        start = self._blocks[model] + LAYOUT.at[name]
        self._cells[start + bisect_left(bounds, value)] += 1
        self._cells[start + len(bounds) + 1] += value


def drop_gauges(tally: Tally, row: int) -> None:
    """Take back what a dead process said of its present state; its counts stay."""
    cells = tally.row(row)
    for block in range(HEAD, HEAD + CELLS, LAYOUT.size):
        for name in GAUGES:
            cells[block + LAYOUT.at[name]] = 0.0


class _Collector:
    """Turns the sums over all processes into metric families."""

    def __init__(self, blocks: dict[str, int], versions: dict[str, str], tally: Tally) -> None:
        self._blocks, self._versions, self._tally = blocks, versions, tally

    def describe(self) -> list[Metric]:
        """Nothing beforehand: no other collector is registered that names could clash with."""
        return []

    def collect(self) -> Iterator[Metric]:
        """All families, each over all models."""
        rows = np.frombuffer(self._tally.table(), np.float64).reshape(self._tally.rows, self._tally.cells)
        sums: NDArray[np.float64] = rows.sum(axis=0)
        yield from (self._histogram(name, sums) for name in HISTOGRAMS)
        yield from (self._labelled(name, sums) for name in LABELLED)
        for name, text in COUNTERS.items():
            yield self._plain(CounterMetricFamily(name, text, labels=["model"]), sums)
        for name, text in GAUGES.items():
            yield self._plain(GaugeMetricFamily(name, text, labels=["model"]), sums)
        yield from self._bundles()
        yield from self._processes()

    def _served(self) -> Iterator[tuple[str, int]]:
        return ((model, block) for model, block in self._blocks.items() if model)

    def _histogram(self, name: str, sums: NDArray[np.float64]) -> Metric:
        text, bounds = HISTOGRAMS[name]
        family = HistogramMetricFamily(name, text, labels=["model"])
        edges = [*(f"{bound:g}" for bound in bounds), "+Inf"]
        for model, block in self._served():
            start = block + LAYOUT.at[name]
            counts = np.cumsum(sums[start : start + len(edges)])
            total = float(sums[start + len(edges)])
            family.add_metric([model], list(zip(edges, map(float, counts), strict=True)), total)
        return family

    def _labelled(self, name: str, sums: NDArray[np.float64]) -> Metric:
        text, label, values = LABELLED[name]
        family = CounterMetricFamily(name, text, labels=["model", label])
        for model, block in self._blocks.items():
            for i, value in enumerate(values):
                count = float(sums[block + LAYOUT.at[name] + i])
                if count or (model and value == "ok"):
                    family.add_metric([model, value], count)
        return family

    def _plain(self, family: CounterMetricFamily | GaugeMetricFamily, sums: NDArray[np.float64]) -> Metric:
        for model, block in self._served():
            family.add_metric([model], float(sums[block + LAYOUT.at[family.name]]))
        return family

    def _bundles(self) -> Iterator[Metric]:
        info = GaugeMetricFamily(
            "qingmo_bundle_info", "The bundles served, with version.", labels=["model", "version"]
        )
        for model, version in self._versions.items():
            info.add_metric([model, version], 1)
        yield info
        ready = GaugeMetricFamily("qingmo_processes_ready", "Processes that can answer now.")
        ready.add_metric([], self._tally.ready_rows())
        yield ready
        processes = GaugeMetricFamily("qingmo_processes", "Processes that there should be.")
        processes.add_metric([], self._tally.rows)
        yield processes

    def _processes(self) -> Iterator[Metric]:
        """Memory, CPU time and open files of each process, under Prometheus's own names."""
        families: dict[str, Metric] = {}
        for row, pid in self._tally.alive():
            for metric in ProcessCollector(pid=lambda pid=pid: pid, registry=None).collect():  # type: ignore[misc]
                family = families.setdefault(
                    metric.name, Metric(metric.name, metric.documentation, metric.type)
                )
                for sample in metric.samples:
                    family.add_sample(sample.name, {"process": str(row)}, sample.value)
        yield from families.values()
