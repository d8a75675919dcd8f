"""Figures as bundle.json states them beside those that are found now, and the sentences for what differs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from server.inference.manifest import Quality


@dataclass(frozen=True, slots=True)
class Compared:
    """A figure as bundle.json states it and as it was found now; None where there is none."""

    stated: Quality | None
    found: Quality | None

    def differs(self, tolerance: float) -> bool:
        """Whether anything stated was not found: value, number of rows, or baseline."""
        if self.stated is None:
            return False
        if self.found is None or self.stated.n != self.found.n:
            return True
        pairs = [(self.stated.value, self.found.value), (self.stated.baseline, self.found.baseline)]
        return not all(abs(a - b) <= tolerance for a, b in pairs if a is not None and b is not None)

    def line(self, tolerance: float) -> str:
        """Both, for the terminal."""
        one = self.found or self.stated
        assert one is not None, "a line has a figure. This is a bug."
        found = "not found" if self.found is None else _figure(self.found)
        if self.stated is None:
            return f"{one.metric}, {one.split}: {found}"
        verdict = "DIFFERS" if self.differs(tolerance) else "same"
        return f"{one.metric}, {one.split}: {found}; in bundle.json {_figure(self.stated)}: {verdict}"

    @property
    def sentence(self) -> str:
        """How a stated figure differs from what was found."""
        stated, found = self.stated, self.found
        assert stated is not None, "only what is stated can differ. This is a bug."
        said = f"bundle.json states {_figure(stated)} for {stated.metric} on {stated.split}"
        if found is None:
            return f"{said}, which was not found again."
        return f"{said}; found was {_figure(found)}."


def compared(stated: Sequence[Quality], found: Sequence[Quality]) -> list[Compared]:
    """Figures of the same metric and rows side by side, the stated ones first."""
    now = {(each.metric, each.split): each for each in found}
    lines = [Compared(each, now.pop((each.metric, each.split), None)) for each in stated]
    return lines + [Compared(None, each) for each in now.values()]


def _figure(quality: Quality) -> str:
    baseline = "" if quality.baseline is None else f", baseline {quality.baseline:.6f}"
    return f"{quality.value:.6f} (n = {quality.n}{baseline})"
