"""What checks have found, as it is kept, and as Markdown; says nothing that was not found."""

from __future__ import annotations

from msgspec import Struct

from models.checking.asking import Findings
from models.checking.remote import COMPANY
from models.sheet import Circumstances, markdown_table
from server.inference.manifest import Manifest

SCHEMA = 1
KIND = "checks"
MARKDOWN = """# Checks

{head}

Each bundle's own predictor was asked all rows, each text alone, and the figures are held against those
that stand in its bundle.json, where it states any on those rows. Then a running server was asked the same
texts over HTTP, one a request and {company} a request: what differs from the predictor's answers in any digit
is counted. Tests called `written_...` come with qingmo (`models/written/`) and ask for everyday text; no
bundle has learnt from them.

{table}
"""
COLUMNS = (
    "bundle|version|asked|figure|found|95 %|in bundle.json|baseline|rows"
    "|differ, one a request|differ, {company} a request"
)
MEMORY = "\nAfter all of it the server held {resident:.0f} MB resident, all its bundles together.\n"


class Figure(Struct, frozen=True, kw_only=True):
    """One figure (0..1) as found on `n` rows, and as bundle.json states it if it does."""

    metric: str
    split: str
    n: int
    found: float | None
    stated: float | None
    low: float | None = None
    high: float | None = None
    baseline: float | None = None
    baseline_name: str | None = None


class OverHttp(Struct, frozen=True, kw_only=True):
    """How many of `asked` texts a server answered otherwise, `together` a request."""

    together: int
    asked: int
    differ: int


class Line(Struct, frozen=True, kw_only=True):
    """One bundle and one file of rows; `published` as `models.data.sets.DataFile` has it."""

    name: str
    version: str
    file: str
    sha256: str
    published: bool | None
    rows: int
    whole: int
    figures: tuple[Figure, ...]
    over_http: tuple[OverHttp, ...]


class Sheet(Circumstances, frozen=True, kw_only=True):
    """All lines of one run; `resident_bytes` are the asked server's after it, None where none was asked."""

    schema: int = SCHEMA
    kind: str = KIND
    resident_bytes: float | None = None
    lines: tuple[Line, ...] = ()


def line_of(manifest: Manifest, found: Findings) -> Line:
    """The findings without their sentences."""
    return Line(
        name=manifest.name,
        version=manifest.version,
        file=found.file.name,
        sha256=found.file.sha256,
        published=found.file.published,
        rows=found.rows,
        whole=found.whole,
        figures=tuple(figures(found)),
        over_http=tuple(
            OverHttp(together=each.together, asked=each.asked, differ=each.count) for each in found.over_http
        ),
    )


def figures(found: Findings) -> list[Figure]:
    """Each as found and as stated, in the order of the findings."""
    lines = []
    for each in found.figures:
        one = each.found or each.stated
        assert one is not None, "a line has a figure. This is a bug."
        lines.append(
            Figure(
                metric=one.metric,
                split=one.split,
                n=one.n,
                found=each.found.value if each.found else None,
                stated=each.stated.value if each.stated else None,
                low=one.low,
                high=one.high,
                baseline=one.baseline,
                baseline_name=one.baseline_name,
            )
        )
    return lines


def markdown(sheet: Sheet) -> str:
    """A line a figure; what holds for all rows of a set stands on its first."""
    table = markdown_table(
        COLUMNS.format(company=COMPANY), (row for line in sheet.lines for row in _rows(line))
    )
    resident = sheet.resident_bytes
    memory = "" if resident is None else MEMORY.format(resident=resident / 1e6)
    return MARKDOWN.format(head=sheet.head, company=COMPANY, table=table) + memory


def _rows(line: Line) -> list[list[str]]:
    whole = "" if line.rows == line.whole else f" of {line.whole}"
    first = [line.name, line.version[:12], line.file]
    differ = [f"{each.differ} of {each.asked}" for each in line.over_http] or ["", ""]
    cells = [_cells(figure, whole) for figure in line.figures]
    return [
        [*(first if at == 0 else [""] * 3), *row, *(differ if at == 0 else [""] * 2)]
        for at, row in enumerate(cells)
    ]


def _cells(figure: Figure, whole: str) -> list[str]:
    return [
        f"{figure.metric}, {figure.split}",
        _number(figure.found),
        "" if figure.low is None or figure.high is None else f"{figure.low:.3f} to {figure.high:.3f}",
        _number(figure.stated),
        "" if figure.baseline is None else f"{figure.baseline:.3f} ({figure.baseline_name})",
        f"{figure.n}{whole}",
    ]


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"
