"""Figures as bundle.json states them beside those that are found now, and the sentences for what differs."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from server.inference.manifest import Quality


class Compared(Struct, frozen=True, kw_only=True):
    """A figure as bundle.json states it and as it was found now; None where there is none."""

    stated: Quality | None
    found: Quality | None

    @property
    def one(self) -> Quality:
        """Either of them: both are of the same metric and rows."""
        either = self.found or self.stated
        assert either is not None, "what is compared has a figure. This is a bug."
        return either

    def differs(self, tolerance: float) -> bool:
        """Whether anything stated was not found: value, number of rows, or baseline."""
        stated, found = self.stated, self.found
        if stated is None:
            return False
        if found is None or stated.n != found.n or abs(stated.value - found.value) > tolerance:
            return True
        if stated.baseline is None:
            return False
        return found.baseline is None or abs(stated.baseline - found.baseline) > tolerance

    def line(self, tolerance: float) -> str:
        """Both, for the terminal."""
        found = "not found" if self.found is None else _figure(self.found)
        said = f"{self.one.metric}, {self.one.split}: {found}"
        if self.stated is None:
            return said
        verdict = "DIFFERS" if self.differs(tolerance) else "same"
        return f"{said}; in bundle.json {_figure(self.stated)}: {verdict}"

    @property
    def sentence(self) -> str:
        """How a stated figure differs from what was found."""
        assert self.stated is not None, "only what is stated can differ. This is a bug."
        said = f"bundle.json states {_figure(self.stated)} for {self.one.metric} on {self.one.split}"
        if self.found is None:
            return f"{said}, which was not found again."
        return f"{said}; found was {_figure(self.found)}."


def compared(stated: Sequence[Quality], found: Sequence[Quality]) -> list[Compared]:
    """Figures of the same metric and rows side by side, the stated ones first."""
    now = {(each.metric, each.split): each for each in found}
    lines = [Compared(stated=each, found=now.pop((each.metric, each.split), None)) for each in stated]
    return lines + [Compared(stated=None, found=each) for each in now.values()]


def _figure(quality: Quality) -> str:
    baseline = "" if quality.baseline is None else f", baseline {quality.baseline:.6f}"
    return f"{quality.value:.6f} (n = {quality.n}{baseline})"
