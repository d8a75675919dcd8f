"""Whether this server can answer: its own engine's word, and that of the other processes."""

from __future__ import annotations

from server.inference.engine import Engine
from server.tally import Tally


class Health:
    """One process's state, published to all; `stopping` from the first signal on."""

    def __init__(self, engine: Engine, tally: Tally, row: int) -> None:
        self._engine, self._tally, self._row = engine, tally, row
        self.stopping = False

    def beat(self) -> None:
        """Tell the other processes how this one is."""
        self._tally.beat(self._row, ready=self._engine.ready and not self.stopping)

    @property
    def why_not_ready(self) -> str:
        """A sentence, empty when every process can answer."""
        if self.stopping or self._tally.stopping:
            return "The server is shutting down."
        if not self._engine.ready:
            return self._engine.why_not_ready
        self.beat()
        if (ready := self._tally.ready_rows()) < self._tally.rows:
            return f"{ready} of {self._tally.rows} processes are ready."
        return ""
