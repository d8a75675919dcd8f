"""What a run costs on this machine: the bundle's curve times one factor, and the rows that pay.

Knows nothing of what runs or waits.
"""

from __future__ import annotations

import time
from bisect import bisect_left
from collections.abc import Callable

import numpy as np

from server.inference.manifest import CostCurve

MAX_RUN_SECONDS = 0.010
"""A run cannot be interrupted, so it should not take longer: whoever comes next waits for it."""

MAX_RUN_TOKENS = 4096
MAX_RUN_SQUARES = 2**19
"""Bounds of rows x width and of rows x width x width, which is what attention keeps in memory."""

TOLERANCE = 1.02
"""A row in company may cost so much of a row alone; less is within what a measurement can tell."""

_PROBE_SECONDS = 0.002
_PROBE_RUNS = 9


class Cost:
    """Seconds of a run, and which width and how many rows to run.

    Args:
        curve: As measured at packing, on another machine or on this one.
        factor: Seconds here for a second there.
        max_rows: The most rows that the graph takes.
        max_run_seconds: The longest run of several rows.
    """

    def __init__(
        self,
        curve: CostCurve,
        factor: float = 1.0,
        max_rows: int = 64,
        max_run_seconds: float = MAX_RUN_SECONDS,
    ) -> None:
        self.widths = curve.widths
        self.factor = factor
        self._max_run_seconds = max_run_seconds
        self._last = min(max_rows, curve.rows[-1])
        rows = np.arange(1, curve.rows[-1] + 1)
        grid = np.asarray(curve.seconds, dtype=np.float64) * factor  # [rows, widths]
        self._seconds = {
            width: np.interp(rows, curve.rows, grid[:, column]).tolist()
            for column, width in enumerate(curve.widths)
        }
        self._most_rows = {width: self._rows_that_pay(width) for width in self.widths}

    def width_for(self, length: int) -> int:
        """The narrowest width that holds `length` tokens; ValueError if none does."""
        place = bisect_left(self.widths, length)
        if place == len(self.widths):
            raise ValueError(f"{length} tokens do not fit into a run of {self.widths[-1]}. This is a bug.")
        return self.widths[place]

    def seconds(self, rows: int, width: int) -> float:
        """Predicted wall time of one run on one thread, padding included."""
        seconds = self._seconds[width]
        if rows <= len(seconds):
            return float(seconds[rows - 1])
        return float(seconds[-1]) * rows / len(seconds)

    def most_rows(self, width: int) -> int:
        """The most rows that may run together: never dearer a row than alone, never long, never big."""
        return self._most_rows[width]

    def _rows_that_pay(self, width: int) -> int:
        ceiling = min(self._last, MAX_RUN_TOKENS // width, MAX_RUN_SQUARES // (width * width))
        alone = self.seconds(1, width) * TOLERANCE
        for rows in range(ceiling, 1, -1):
            seconds = self.seconds(rows, width)
            if seconds <= self._max_run_seconds and seconds / rows <= alone:
                return rows
        return 1


def measure_factor(curve: CostCurve, run: Callable[[int], None]) -> float:
    """Seconds here for a second of the curve, from a few runs of one row at one width (some 20 ms).

    The quickest run counts, as it did for the curve: whatever else the machine does passes, the factor stays.

    Args:
        curve: The bundle's.
        run: Runs one row at the width given.
    """
    column = min(range(len(curve.widths)), key=lambda j: abs(curve.seconds[0][j] - _PROBE_SECONDS))
    run(curve.widths[column])
    took = []
    for _ in range(_PROBE_RUNS):
        started = time.perf_counter()
        run(curve.widths[column])
        took.append(time.perf_counter() - started)
    return min(took) / curve.seconds[0][column]
