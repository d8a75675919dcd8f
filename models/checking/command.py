"""The command `qingmo-models check`: are a bundle's figures true, and does a server give the same answers?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from models.errors import MakeError
from models.terminal import one_sentence
from server.errors import ServeError

if TYPE_CHECKING:
    from models.checking.asking import Asking, Findings, Wish
    from models.checking.remote import Address
    from models.checking.sheet import Line
    from models.sheet import Circumstances
    from server.inference.manifest import Manifest

ROUNDING = 1e-6
OTHER_CPU = 0.002

Bundles = Annotated[list[Path], typer.Argument(metavar="BUNDLE...", help="The bundles' folders.")]
Data = Annotated[Path | None, typer.Option(help="The folder with the data sets, one folder each.")]
Url = Annotated[str, typer.Option(help="A running server, http://HOST:PORT, to be asked the same texts.")]
Key = Annotated[str, typer.Option(envvar="QINGMO_API_KEY", help="The API key, where the server wants one.")]
SetName = Annotated[str, typer.Option("--set", help="Ask this set, not the one that bundle.json names.")]
Everyday = Annotated[
    bool, typer.Option("--everyday", help="Ask the tests of everyday text that come with qingmo, too.")
]
Limit = Annotated[int, typer.Option(min=0, help="Ask only so many texts, the first; 0 asks all.")]
Tolerance = Annotated[
    float, typer.Option(min=0, max=OTHER_CPU, help="How far figures may differ; on another CPU up to 0.002.")
]
Out = Annotated[Path | None, typer.Option(help="A JSON file for what is found; Markdown goes beside it.")]


def check(  # noqa: PLR0913, PLR0917 - each is a flag of the command
    bundles: Bundles,
    data: Data = None,
    url: Url = "",
    key: Key = "",
    set_: SetName = "",
    everyday: Everyday = False,
    limit: Limit = 0,
    tolerance: Tolerance = ROUNDING,
    out: Out = None,
) -> None:
    """Ask bundles their official splits again, and hold their figures against those in bundle.json."""
    run = Run(
        Flags(data, url, key, set_, everyday, limit, tolerance), Console(highlight=False, soft_wrap=True)
    )
    head = _head(bundles, run.flags, out) if out else None
    for folder in bundles:
        run.bundle(folder)
    if out and head and run.lines:
        with one_sentence():
            run.write(out, head)
    for problem in run.problems:
        Console(stderr=True, highlight=False).print(problem, style="red", markup=False, soft_wrap=True)
    if run.problems:
        raise typer.Exit(1)


@dataclass(frozen=True, slots=True)
class Flags:
    """The command's flags, but for bundles and file."""

    data: Path | None
    url: str
    key: str
    set: str
    everyday: bool
    limit: int
    tolerance: float

    @property
    def words(self) -> list[str]:
        """Themselves again; where the data lies is nobody else's business, and neither is the key."""
        return [
            *(["--data", "DIR"] if self.data else []),
            *(["--set", self.set] if self.set else []),
            *(["--everyday"] if self.everyday else []),
            *(["--limit", str(self.limit)] if self.limit else []),
            *(["--url", self.url] if self.url else []),
        ]


class Run:
    """One call of the command: its findings, and a sentence for each thing that is not as it should be."""

    def __init__(self, flags: Flags, console: Console) -> None:
        self.flags, self._console = flags, console
        self.lines: list[Line] = []
        self.problems: list[str] = []

    def bundle(self, folder: Path) -> None:
        """Ask one bundle all that is wished; what cannot be asked is a problem, and the next is asked."""
        from models.checking.asking import Asking, Wish  # noqa: PLC0415 - slow to import
        from server.inference.bundle import load_bundle  # noqa: PLC0415

        try:
            bundle = load_bundle(folder)
            asking = Asking(bundle)
            for place, name in self._sets(bundle.manifest):
                self._ask(bundle.manifest, asking, Wish(place, self._address, name, self.flags.limit))
        except (MakeError, ServeError) as error:
            self.problems.append(str(error))

    def write(self, out: Path, head: Circumstances) -> None:
        """The sheet, with what the server holds after all of it."""
        from msgspec.structs import asdict  # noqa: PLC0415 - slow to import

        from models.checking.remote import resident_bytes  # noqa: PLC0415
        from models.checking.sheet import Sheet, markdown  # noqa: PLC0415
        from models.sheet import write_sheet  # noqa: PLC0415

        resident = resident_bytes(self._address) if self.flags.url else None
        sheet = Sheet(**asdict(head), resident_bytes=resident, lines=tuple(self.lines))
        beside = write_sheet(sheet, markdown(sheet), out)
        self._console.print(f"Written: {out}, {beside}", markup=False)

    @property
    def _address(self) -> Address:
        from models.checking.remote import Address  # noqa: PLC0415 - slow to import

        return Address(self.flags.url, self.flags.key)

    def _sets(self, manifest: Manifest) -> Iterator[tuple[Path, str]]:
        """Where sets lie and what they are called; an empty name is the set that bundle.json names."""
        from models.checking.everyday import everyday_sets  # noqa: PLC0415 - slow to import

        flags = self.flags
        if flags.data or flags.set:
            yield flags.data or Path(), flags.set
        elif not flags.everyday:
            raise MakeError(
                "Say with --data where the data sets are, or ask with --everyday the tests that come with it."
            )
        if flags.everyday:
            yield from ((Path(), name) for name in everyday_sets(manifest))

    def _ask(self, manifest: Manifest, asking: Asking, wish: Wish) -> None:
        from models.checking.sheet import line_of  # noqa: PLC0415 - slow to import

        found = asking.findings(wish)
        self._show(manifest, found)
        self._show_http(found)
        self.lines.append(line_of(manifest, found))

    def _show(self, manifest: Manifest, found: Findings) -> None:
        """Print the figures side by side, and note each that differs."""
        file = found.file
        same = {True: "as published", False: "NOT as published", None: "own data"}[file.published]
        count = f"{found.rows} of the {found.whole} rows of {file.name} ({same})"
        self._console.print(f"{manifest.name}, version {manifest.version[:12]}: {count}", markup=False)
        for each in found.figures:
            self._console.print(each.line(self.flags.tolerance), markup=False)
        if all(each.stated is None for each in found.figures):
            self._console.print(
                "bundle.json states no figure on these rows: there was nothing to hold them against."
            )
        self.problems += [each.sentence for each in found.figures if each.differs(self.flags.tolerance)]

    def _show_http(self, found: Findings) -> None:
        """Print how many answers the server gave otherwise, and note the first of each way of asking."""
        for each in found.over_http:
            how = "one text a request" if each.together == 1 else f"{each.together} texts a request"
            said = (
                f"{self.flags.url}, {how}: {each.count} of {each.asked} answers differ from the predictor's"
            )
            self._console.print(f"{said}.", markup=False)
            if each.count:
                self.problems.append(f"{said}; the first: {each.first}")


def _head(bundles: Sequence[Path], flags: Flags, out: Path) -> Circumstances:
    """When and where it begins, and by what command."""
    from models.sheet import circumstances  # noqa: PLC0415 - slow to import

    named = map(Path.as_posix, bundles)
    return circumstances(["qingmo-models", "check", *named, *flags.words, "--out", out.as_posix()])
