"""Asks one bundle one set: the figures by its predictor, and the same texts by a running server."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
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
from server.inference.values import Answer


@dataclass(frozen=True, slots=True)
class Wish:
    """What is to be asked; an empty `set` is the one that bundle.json names, a `limit` of 0 all of it."""

    data: Path
    set: str = ""
    limit: int = 0


@dataclass(frozen=True, slots=True)
class Findings:
    """What came of it: so many rows of `whole` were `asked`."""

    file: DataFile
    whole: int
    asked: Official
    answers: Sequence[Answer]
    figures: Sequence[Compared]


class Asking:
    """One bundle, whose predictor is started once for all sets."""

    def __init__(self, bundle: Bundle) -> None:
        self.bundle = bundle

    @cached_property
    def _predictor(self) -> Predictor:
        predictor = Predictor(self.bundle)
        predictor.start()
        return predictor

    def findings(self, wish: Wish) -> Findings:
        """What the predictor says, and what it is worth; MakeError where the set cannot be read."""
        official = self._official(wish)
        asked = replace(official, rows=official.rows[: wish.limit or None])
        answers = ask(self._predictor, asked.rows)
        found = quality_of(asked, answers, self.bundle.manifest.lineage.seed)
        figures = compared(self._stated(official, wish), found)
        return Findings(official.file, len(official.rows), asked, answers, figures)

    def over_http(self, found: Findings, address: Address) -> Iterator[Difference]:
        """What a server answers otherwise, asked one text a request, then many; MakeError."""
        texts = [row.asked for row in found.asked.rows]
        for together in (1, COMPANY):
            yield differences(address, self.bundle.manifest, texts, found.answers, together)

    def _official(self, wish: Wish) -> Official:
        manifest = self.bundle.manifest
        if wish.set:
            return read_official(manifest.task, wish.data, wish.set)
        return stated_official(manifest, wish.data)

    def _stated(self, official: Official, wish: Wish) -> Sequence[Quality]:
        """All figures, of a set that was wished its own; none where not all rows are asked."""
        if 0 < wish.limit < len(official.rows):
            return ()
        every = self.bundle.manifest.quality
        return [each for each in every if not wish.set or each.split.partition(",")[0] == official.name]
