"""Asks one bundle one set: the figures by its predictor, and the same texts by a running server."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from models.checking.figures import Compared, compared
from models.checking.remote import COMPANY, Address, Difference, differences
from models.data.sets import DataFile
from models.quality import Official, ask, quality_of, read_official, stated_official
from server.inference.bundle import Bundle
from server.inference.manifest import Quality
from server.inference.predictor import Predictor


@dataclass(frozen=True, slots=True)
class Wish:
    """What is to be asked, and of whom; empty and 0 as the flags have it.

    `set` is the set that is asked, in the place of the one that bundle.json names.
    """

    data: Path
    address: Address
    set: str = ""
    limit: int = 0


@dataclass(frozen=True, slots=True)
class Findings:
    """What came of it: `rows` of `whole` were asked; over HTTP nothing, if no server was named."""

    file: DataFile
    rows: int
    whole: int
    figures: Sequence[Compared]
    over_http: Sequence[Difference] = ()


class Asking:
    """One bundle, whose predictor is started once for all sets."""

    def __init__(self, bundle: Bundle) -> None:
        self._bundle = bundle

    @cached_property
    def _predictor(self) -> Predictor:
        predictor = Predictor(self._bundle)
        predictor.start()
        return predictor

    def findings(self, wish: Wish) -> Findings:
        """Raises MakeError where the set or the server cannot be asked."""
        manifest = self._bundle.manifest
        official = self._official(wish)
        asked = replace(official, rows=official.rows[: wish.limit or None])
        answers = ask(self._predictor, asked.rows)
        found = quality_of(asked, answers, manifest.lineage.seed)
        texts = [row.asked for row in asked.rows]
        return Findings(
            official.file,
            len(asked.rows),
            len(official.rows),
            compared(self._stated(official, wish), found),
            [
                differences(wish.address, manifest, texts, answers, together)
                for together in ((1, COMPANY) if wish.address.url else ())
            ],
        )

    def _official(self, wish: Wish) -> Official:
        manifest = self._bundle.manifest
        if wish.set:
            return read_official(manifest.task, wish.data, wish.set)
        return stated_official(manifest, wish.data)

    def _stated(self, official: Official, wish: Wish) -> Sequence[Quality]:
        """All figures, of a set that was wished its own; none where not all rows are asked."""
        if 0 < wish.limit < len(official.rows):
            return ()
        every = self._bundle.manifest.quality
        return [each for each in every if not wish.set or each.split.partition(",")[0] == official.name]
