"""How much longer runs take now than they were predicted to. Knows no clock, no thread."""

from __future__ import annotations

import math

LEARNT_SECONDS = 0.5
"""Predicted work of runs after which two thirds of what they tell is believed."""

IDLE_SECONDS = 5.0
"""Time without a run after which a third of it still is."""

_WORST = 8.0
"""So many times its prediction a run counts at most: a process that was stopped and goes on is not slow."""


class Pace:
    """Seconds of wall time for a predicted second, from what ran last; never under 1.

    Predictions are made on a quiet machine. Where other processes take their share, or a cgroup's quota is
    used up, runs take longer, and what is promised on predictions alone is not kept. New runs and idle time
    both take it back to 1.
    """

    def __init__(self) -> None:
        self._excess = self._at = 0.0

    def ran(self, predicted: float, took: float, now: float) -> None:
        """A run of `predicted` seconds took so many, and ended now."""
        known = self._excess * self._faded(now - took)
        share = 1 - math.exp(-predicted / LEARNT_SECONDS)
        told = min(took / predicted, _WORST) - 1 if predicted else 0.0
        self._excess = max(0.0, known + share * (told - known))
        self._at = now

    def at(self, now: float) -> float:
        """The factor at a time (seconds, of the clock of `ran`)."""
        return 1 + self._excess * self._faded(now)

    def _faded(self, now: float) -> float:
        return math.exp(min(0.0, self._at - now) / IDLE_SECONDS)
