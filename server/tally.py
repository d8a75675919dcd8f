"""Numbers in memory that all processes of one server share: who writes where, not what the numbers mean."""

from __future__ import annotations

import mmap
import os
import time
from collections.abc import Iterator

FRESH_SECONDS = 5.0
"""A process that said nothing for so long does not count as ready."""

PID, READY, SEEN, HEAD = range(4)
"""The first cells of a row; from HEAD on its owner lays them out."""


class Tally:
    """A table of float64, made before the processes fork: one row a process, and it alone writes there.

    A process that takes over a dead one's row goes on counting where that one stopped, so sums over rows
    never fall. What a dead process held is taken back by `bury`.
    """

    def __init__(self, rows: int, cells: int) -> None:
        self.rows = rows
        self.cells = HEAD + cells
        self._memory = mmap.mmap(-1, (rows * self.cells + 2) * 8)
        self._numbers = memoryview(self._memory).cast("d")

    def row(self, row: int) -> memoryview[float]:
        """The cells of one process, to write into."""
        start = row * self.cells
        return self._numbers[start : start + self.cells]

    def table(self) -> bytes:
        """All rows, one after the other, as they are now."""
        return self._numbers[: self.rows * self.cells].tobytes()

    def beat(self, row: int, *, ready: bool) -> None:
        """Say that the process of this row lives, and whether it can answer."""
        cells = self.row(row)
        cells[PID], cells[READY], cells[SEEN] = os.getpid(), float(ready), time.monotonic()

    def bury(self, row: int) -> None:
        """The process of this row is dead, and not ready."""
        cells = self.row(row)
        cells[PID] = cells[READY] = cells[SEEN] = 0.0

    def alive(self) -> Iterator[tuple[int, int]]:
        """Row and process id of every process that has not been buried."""
        for row in range(self.rows):
            if pid := int(self.row(row)[PID]):
                yield row, pid

    def ready_rows(self) -> int:
        """How many processes can answer now."""
        oldest = time.monotonic() - FRESH_SECONDS
        cells = (self.row(row) for row in range(self.rows))
        return sum(1 for c in cells if c[PID] and c[READY] and c[SEEN] >= oldest)

    def agree(self, mark: float) -> bool:
        """Whether `mark`, a number that stands for what a process serves, is the first process's own."""
        self._numbers[-2] = self._numbers[-2] or mark
        return self._numbers[-2] == mark

    @property
    def stopping(self) -> bool:
        """Whether the server as a whole has been told to stop."""
        return bool(self._numbers[-1])

    def stop(self) -> None:
        """Tell all processes that the server stops."""
        self._numbers[-1] = 1.0
