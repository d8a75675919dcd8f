"""The command `qingmo-models check`: are a bundle's figures true, and does a server give the same answers?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from models.errors import MakeError
from server.errors import ServeError

if TYPE_CHECKING:
    from models.quality import Official
    from models.remote import Address
    from server.inference.bundle import Bundle
    from server.inference.manifest import Manifest, Quality
    from server.inference.predictor import Predictor
    from server.inference.values import Answer

ROUNDING = 1e-6
OTHER_CPU = 0.002

BundleFolder = Annotated[Path, typer.Argument(metavar="BUNDLE", help="The bundle's folder.")]
Data = Annotated[Path, typer.Option(help="The folder with the data sets, one folder each.")]
Url = Annotated[str, typer.Option(help="A running server, http://HOST:PORT, to be asked the same texts.")]
Key = Annotated[str, typer.Option(envvar="QINGMO_API_KEY", help="The API key, where the server wants one.")]
SetName = Annotated[str, typer.Option("--set", help="Ask this set, not the one that bundle.json names.")]
Limit = Annotated[int, typer.Option(min=0, help="Ask only so many texts, the first; 0 asks all.")]
Tolerance = Annotated[
    float, typer.Option(min=0, max=OTHER_CPU, help="How far figures may differ; on another CPU up to 0.002.")
]


def check(  # noqa: PLR0913, PLR0917 - each is a flag of the command
    bundle: BundleFolder,
    data: Data,
    url: Url = "",
    key: Key = "",
    set_: SetName = "",
    limit: Limit = 0,
    tolerance: Tolerance = ROUNDING,
) -> None:
    """Ask a bundle its official split again, and hold its figures against those in bundle.json."""
    from models.remote import Address  # noqa: PLC0415 - slow to import
    from server.inference.bundle import load_bundle  # noqa: PLC0415

    console = Console(highlight=False, soft_wrap=True)
    try:
        problems = _problems(
            load_bundle(bundle), Wish(data, Address(url, key), set_, limit, tolerance), console
        )
    except (MakeError, ServeError) as error:
        problems = [str(error)]
    for problem in problems:
        Console(stderr=True, highlight=False).print(problem, style="red", markup=False, soft_wrap=True)
    if problems:
        raise typer.Exit(1)


@dataclass(frozen=True, slots=True)
class Wish:
    """What is to be asked, of whom, and how far figures may differ; empty and 0 as the flags have it."""

    data: Path
    address: Address
    set: str
    limit: int
    tolerance: float


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


def _problems(bundle: Bundle, wish: Wish, console: Console) -> list[str]:
    """Asks, prints what is found, and gives a sentence for each thing that is not as it should be."""
    from models.quality import ask, quality_of, read_official, stated_official  # noqa: PLC0415 - what needs the tasks is slow to import
    from server.inference.predictor import Predictor  # noqa: PLC0415

    manifest = bundle.manifest
    named = read_official(manifest.task, wish.data, wish.set) if wish.set else None
    official = named or stated_official(manifest, wish.data)
    asked = replace(official, rows=official.rows[: wish.limit or None])
    same = {True: "as published", False: "NOT as published", None: "own data"}[official.file.published]
    count = f"{len(asked.rows)} of the {len(official.rows)} rows of {official.file.name} ({same})"
    console.print(f"{manifest.name}, version {manifest.version[:12]}: {count}", markup=False)
    predictor = Predictor(bundle)
    predictor.start()
    answers = ask(predictor, asked.rows)
    found = quality_of(asked, answers, manifest.lineage.seed)
    problems = _held(_stated(manifest, official, wish), found, wish.tolerance, console)
    return problems + _over_http(predictor, asked, answers, wish.address, console)


def _held(
    stated: Sequence[Quality], found: Sequence[Quality], tolerance: float, console: Console
) -> list[str]:
    """Prints the figures side by side, and gives a sentence for each that differs."""
    lines = compared(stated, found)
    for line in lines:
        console.print(_line(line, tolerance), markup=False)
    if not stated:
        console.print("bundle.json states no figure on these rows: there was nothing to hold them against.")
    return [_sentence(line) for line in lines if line.differs(tolerance)]


def _stated(manifest: Manifest, official: Official, wish: Wish) -> Sequence[Quality]:
    """All figures, of a set that was wished its own; none where not all rows are asked."""
    if 0 < wish.limit < len(official.rows):
        return ()
    every = manifest.quality
    return [each for each in every if not wish.set or each.split.partition(",")[0] == official.name]


def compared(stated: Sequence[Quality], found: Sequence[Quality]) -> list[Compared]:
    """Figures of the same metric and rows side by side, the stated ones first."""
    now = {(each.metric, each.split): each for each in found}
    lines = [Compared(each, now.pop((each.metric, each.split), None)) for each in stated]
    return lines + [Compared(None, each) for each in now.values()]


def _line(line: Compared, tolerance: float) -> str:
    """A figure, found and stated, for the terminal."""
    one = line.found or line.stated
    assert one is not None, "a line has a figure. This is a bug."
    found = "not found" if line.found is None else _figure(line.found)
    if line.stated is None:
        return f"{one.metric}, {one.split}: {found}"
    verdict = "DIFFERS" if line.differs(tolerance) else "same"
    return f"{one.metric}, {one.split}: {found}; in bundle.json {_figure(line.stated)}: {verdict}"


def _sentence(line: Compared) -> str:
    stated, found = line.stated, line.found
    assert stated is not None, "only what is stated can differ. This is a bug."
    said = f"bundle.json states {_figure(stated)} for {stated.metric} on {stated.split}"
    if found is None:
        return f"{said}, which was not found again."
    return f"{said}; found was {_figure(found)}."


def _figure(quality: Quality) -> str:
    baseline = "" if quality.baseline is None else f", baseline {quality.baseline:.6f}"
    return f"{quality.value:.6f} (n = {quality.n}{baseline})"


def _over_http(
    predictor: Predictor, asked: Official, answers: Sequence[Answer], address: Address, console: Console
) -> list[str]:
    """What the server at the address answers otherwise, asked one text a request and many."""
    if not address.url:
        return []
    from models.remote import COMPANY, differences  # noqa: PLC0415

    problems, texts = [], [row.asked for row in asked.rows]
    for together in (1, COMPANY):
        found = differences(address, predictor.bundle.manifest, texts, answers, together)
        how = "one text a request" if together == 1 else f"{together} texts a request"
        said = f"{address.url}, {how}: {found.count} of {found.asked} answers differ from the predictor's"
        console.print(f"{said}.", markup=False)
        if found.count:
            problems.append(f"{said}; the first: {found.first}")
    return problems
