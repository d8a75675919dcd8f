"""The command `qingmo-models check`: are a bundle's figures true, and does a server give the same answers?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from msgspec import structs
from rich.console import Console

from models.errors import MakeError
from models.terminal import one_sentence
from server.errors import ServeError

if TYPE_CHECKING:
    from models.checking.asking import Asking, Findings, Wish
    from models.checking.remote import Address, Difference
    from models.checking.sheet import Checked
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
    flags = Flags(data, url, key, set_, everyday, limit, tolerance, out)
    check = Check(flags, Console(highlight=False, soft_wrap=True))
    with one_sentence():
        head = _head(bundles, flags)
        for folder in bundles:
            check.bundle(folder)
            check.write(head)
    check.tell()
    for problem in check.problems:
        Console(stderr=True, highlight=False).print(problem, style="red", markup=False, soft_wrap=True)
    if check.problems:
        raise typer.Exit(1)


@dataclass(frozen=True, slots=True)
class Flags:
    """The command's flags."""

    data: Path | None
    url: str
    key: str
    set: str
    everyday: bool
    limit: int
    tolerance: float
    out: Path | None

    @property
    def words(self) -> list[str]:
        """Themselves again; where the data lies is nobody else's business, and neither is the key."""
        return [
            *(["--data", "DIR"] if self.data else []),
            *(["--set", self.set] if self.set else []),
            *(["--everyday"] if self.everyday else []),
            *(["--limit", str(self.limit)] if self.limit else []),
            *(["--url", self.url] if self.url else []),
            *(["--out", self.out.as_posix()] if self.out else []),
        ]


class Check:
    """One call of the command: its findings, and a sentence for each thing that is not as it should be."""

    def __init__(self, flags: Flags, console: Console) -> None:
        self._flags, self._console = flags, console
        self._lines: list[Checked] = []
        self._written: tuple[Path, ...] = ()
        self.problems: list[str] = []

    def bundle(self, folder: Path) -> None:
        """Ask one bundle all that is wished; what cannot be asked is a problem, and the next is asked."""
        from models.checking.asking import Asking  # noqa: PLC0415 - slow to import
        from server.inference.bundle import load_bundle  # noqa: PLC0415

        with self._noted(""):
            asking = Asking(load_bundle(folder))
            for wish in wishes(self._flags, asking.bundle.manifest):
                with self._noted(f"{asking.bundle.manifest.name}: "):
                    self._ask(asking, wish)

    def write(self, head: Circumstances) -> None:
        """The sheet as far as it is, with what the server holds by now; MakeError where it cannot be."""
        if self._flags.out is None or not self._lines:
            return
        from msgspec.structs import asdict  # noqa: PLC0415 - slow to import

        from models.checking.sheet import Sheet, markdown  # noqa: PLC0415
        from models.sheet import write_sheet  # noqa: PLC0415

        sheet = Sheet(**asdict(head), resident_bytes=self._resident(), lines=tuple(self._lines))
        self._written = (self._flags.out, write_sheet(sheet, markdown(sheet), self._flags.out))

    def tell(self) -> None:
        """Print which files there are now."""
        if self._written:
            self._console.print(f"Written: {', '.join(map(str, self._written))}", markup=False)

    def _ask(self, asking: Asking, wish: Wish) -> None:
        """Figures first, so that a server that fails takes nothing with it."""
        from models.checking.sheet import OverHttp  # noqa: PLC0415 - slow to import

        found = asking.findings(wish)
        self._show(asking, found)
        self._lines.append(_line(asking, found))
        if not self._flags.url:
            return
        for each in asking.over_http(found, self._address):
            self._show_http(asking, found, each)
            seen = OverHttp(together=each.together, asked=each.asked, differ=each.count)
            last = self._lines[-1]
            self._lines[-1] = structs.replace(last, over_http=(*last.over_http, seen))

    def _show(self, asking: Asking, found: Findings) -> None:
        """Print the figures side by side, and note each that differs."""
        manifest, file, tolerance = asking.bundle.manifest, found.file, self._flags.tolerance
        same = {True: "as published", False: "NOT as published", None: "own data"}[file.published]
        count = f"{len(found.asked.rows)} of the {found.whole} rows of {file.name} ({same})"
        self._console.print(f"{manifest.name}, version {manifest.version[:12]}: {count}", markup=False)
        for each in found.figures:
            self._console.print(each.line(tolerance), markup=False)
        if all(each.stated is None for each in found.figures):
            self._console.print(
                "bundle.json states no figure on these rows: there was nothing to hold them against."
            )
        wrong = [each.sentence for each in found.figures if each.differs(tolerance)]
        self.problems += [f"{manifest.name}: {sentence}" for sentence in wrong]

    def _show_http(self, asking: Asking, found: Findings, seen: Difference) -> None:
        """Print how many answers the server gave otherwise, and note the first."""
        how = "one text a request" if seen.together == 1 else f"{seen.together} texts a request"
        said = f"{self._flags.url}, {how}: {seen.count} of {seen.asked} answers differ from the predictor's"
        self._console.print(f"{said}.", markup=False)
        if seen.count:
            where = f"{asking.bundle.manifest.name} on {found.file.name}"
            self.problems.append(f"{where}: {said}; the first: {seen.first}")

    def _resident(self) -> float | None:
        from models.checking.remote import resident_bytes  # noqa: PLC0415 - slow to import

        try:
            return resident_bytes(self._address) if self._flags.url else None
        except MakeError as error:
            self._console.print(str(error), markup=False)
            return None

    @property
    def _address(self) -> Address:
        from models.checking.remote import Address  # noqa: PLC0415 - slow to import

        return Address(self._flags.url, self._flags.key)

    @contextmanager
    def _noted(self, of: str) -> Iterator[None]:
        try:
            yield
        except (MakeError, ServeError) as error:
            self.problems.append(f"{of}{error}")


def wishes(flags: Flags, manifest: Manifest) -> Iterator[Wish]:
    """Every set that a bundle is to be asked; MakeError where it is not said, or none fits."""
    from models.checking.asking import Wish  # noqa: PLC0415 - slow to import
    from models.checking.everyday import everyday_sets  # noqa: PLC0415
    from models.data.sets import is_written  # noqa: PLC0415

    if flags.data or is_written(flags.set):
        yield Wish(flags.data or Path(), flags.set, flags.limit)
    elif flags.set or not flags.everyday:
        raise MakeError(
            "Say with --data where the data sets are, or ask with --everyday the tests that come with qingmo."
        )
    if flags.everyday:
        yield from (Wish(Path(), name, flags.limit) for name in everyday_sets(manifest))


def _line(asking: Asking, found: Findings) -> Checked:
    """The findings without their sentences."""
    from models.checking.sheet import Checked  # noqa: PLC0415 - slow to import

    manifest, file = asking.bundle.manifest, found.file
    return Checked(
        name=manifest.name,
        version=manifest.version,
        file=file.name,
        sha256=file.sha256,
        published=file.published,
        rows=len(found.asked.rows),
        whole=found.whole,
        figures=tuple(found.figures),
    )


def _head(bundles: Sequence[Path], flags: Flags) -> Circumstances:
    """When and where it begins, and by what command; MakeError where its file could not be written."""
    from models.sheet import checked_out, circumstances  # noqa: PLC0415 - slow to import

    if flags.out:
        checked_out(flags.out)
    return circumstances(["qingmo-models", "check", *map(Path.as_posix, bundles), *flags.words])
