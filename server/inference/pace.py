"""How much longer runs take now than they were predicted to. Knows no clock, no thread."""

from __future__ import annotations

import math

MEMORY_SECONDS = 5.0
"""What ran so long ago counts a third."""

_SURE_SECONDS = 0.05
"""Predicted work that must have run before it weighs as much as the prediction itself."""

_WORST = 8.0
"""So many times its prediction a run counts at most: a process that was stopped and goes on is not slow."""


class Pace:
    """Seconds of wall time for a predicted second, from what ran in the last few seconds; never under 1.

    Predictions are made on a quiet machine. Where other processes take their share, or a cgroup's quota is
    used up, runs take longer, and what is promised on predictions alone is not kept. With nothing run it goes
    back to 1, so that nobody is refused for long on old grounds.
    """

    def __init__(self) -> None:
        self._predicted = self._took = self._at = 0.0

    def ran(self, predicted: float, took: float, now: float) -> None:
        """A run of `predicted` seconds took so many, and ended now."""
        fade = self._fade(now)
        self._predicted = self._predicted * fade + predicted
        self._took = self._took * fade + min(took, _WORST * predicted)
        self._at = now

    def at(self, now: float) -> float:
        """The factor at a time (seconds, of the clock of `ran`)."""
        fade = self._fade(now)
        return max(1.0, (_SURE_SECONDS + self._took * fade) / (_SURE_SECONDS + self._predicted * fade))

    def _fade(self, now: float) -> float:
        return math.exp(min(0.0, self._at - now) / MEMORY_SECONDS)
