"""What the inside reports while it works, in plain numbers; telemetry implements it."""

from __future__ import annotations

from typing import Protocol


class Probe(Protocol):
    """Called from inference threads and the event loop; must be cheap and never raise."""

    def ran(
        self, model: str, *, rows: int, width: int, tokens: int, seconds: float, predicted_seconds: float
    ) -> None:
        """One batch ran: `tokens` real ones of rows x width slots, in `seconds` of wall time."""

    def waited(self, model: str, seconds: float) -> None:
        """One ticket left the line after `seconds`, to be run."""

    def shed(self, model: str, reason: str) -> None:
        """One ticket was not run: overloaded, too_much, expired, cancelled or shutting_down."""

    def depth(self, model: str, tickets: int, cost_seconds: float) -> None:
        """The line of `model` now holds so many tickets of so much predicted work."""


class Silent:
    """Reports nothing."""

    def ran(
        self, model: str, *, rows: int, width: int, tokens: int, seconds: float, predicted_seconds: float
    ) -> None:
        """Ignored."""

    def waited(self, model: str, seconds: float) -> None:
        """Ignored."""

    def shed(self, model: str, reason: str) -> None:
        """Ignored."""

    def depth(self, model: str, tickets: int, cost_seconds: float) -> None:
        """Ignored."""
