"""Measures what one run of a graph costs at each width and number of rows."""

from __future__ import annotations

import platform
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from server.inference.cores import cpu_features
from server.inference.manifest import CostCurve, Layout
from server.inference.runtime import Session
from server.inference.values import Batch

WIDTHS = (8, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512)
ROWS = (1, 2, 4, 8, 16)
INSTRUCTIONS = {
    "avx512_vnni": "AVX-512 VNNI",
    "avx_vnni": "AVX VNNI",
    "avx512f": "AVX-512",
    "avx2": "AVX2",
    "asimddp": "dot product",
}
"""What decides how fast int8 is, widest first: processors of one name may differ in it."""
BUDGET_SECONDS = 20.0
ROUNDS = 15  # enough to find the quiet moments of a shared machine

# A run stays on the calling thread, so its CPU time is its cost, whoever else uses the machine.
_EXACT = time.get_clock_info("thread_time").resolution < 1e-6
_clock = time.thread_time if _EXACT else time.perf_counter


def standard_widths(max_length: int) -> tuple[int, ...]:
    """The widths to run for windows of up to `max_length` tokens; the last one is `max_length`."""
    return (*(width for width in WIDTHS if width < max_length), max_length)


def measure_cost(
    graph: Path,
    layout: Layout,
    widths: Sequence[int],
    rows: Sequence[int] = ROWS,
    budget: float = BUDGET_SECONDS,
) -> CostCurve:
    """Seconds of one run on one thread, the least of several rounds over the whole table.

    Going round the table gives every cell the machine's quiet moments alike. A run never costs more
    than a larger one was seen to take, which takes out what noise is left.

    Args:
        graph: The ONNX file.
        layout: Names of its inputs and outputs.
        widths: Rising.
        rows: Rising from 1; the largest are left out where two rounds over them would not fit the budget.
        budget: Seconds that the measurement may take, about.
    """
    session = Session(graph, layout, graph.stem)
    rows = _affordable(session, layout, widths, rows, budget)
    cells = [(i, j) for i in range(len(rows)) for j in range(len(widths))]
    batches = {(i, j): _batch(layout, rows[i], widths[j]) for i, j in cells}
    best = np.full((len(rows), len(widths)), np.inf)
    started = time.perf_counter()
    for done in range(ROUNDS):
        for cell in cells:
            best[cell] = min(best[cell], _timed(session, batches[cell]))
        spent = time.perf_counter() - started
        if spent * (done + 2) / (done + 1) > budget:
            break
    seconds = tuple(tuple(float(f"{cell:.3g}") for cell in line) for line in _at_most_larger(best))
    return CostCurve(machine=machine(), rows=tuple(rows), widths=tuple(widths), seconds=seconds)


def machine() -> str:
    """The processor's name, where it can be found, and the widest of its instructions for small integers."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    name = names[0] if names else platform.processor() or "unknown processor"
    has = cpu_features()
    widest = next((f", {called}" for feature, called in INSTRUCTIONS.items() if feature in has), "")
    return f"{name} ({platform.machine()}{widest})"


def _affordable(
    session: Session, layout: Layout, widths: Sequence[int], rows: Sequence[int], budget: float
) -> list[int]:
    """The row counts whose two rounds fit, judged by one warm run of one row at the largest width."""
    batch = _batch(layout, 1, widths[-1])
    _timed(session, batch)
    slot = _timed(session, batch) / widths[-1]
    return [
        count
        for place, count in enumerate(rows)
        if place == 0 or 2 * slot * sum(widths) * sum(rows[: place + 1]) <= budget
    ]


def _timed(session: Session, batch: Batch) -> float:
    started = _clock()
    session.run(batch)
    return _clock() - started


def _batch(layout: Layout, rows: int, width: int) -> Batch:
    """Full rows: what stands in a slot does not change what it costs."""
    ids = np.full((rows, width), layout.pad, np.int64)
    return Batch(ids, np.ones_like(ids), np.zeros_like(ids))


def _at_most_larger(seconds: NDArray[np.float64]) -> NDArray[np.float64]:
    """Lowers each cell to the least of those with as many rows and as much width, or more."""
    for axis in (0, 1):
        seconds = np.flip(np.minimum.accumulate(np.flip(seconds, axis), axis=axis), axis)
    return seconds
