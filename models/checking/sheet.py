"""What checks have found, as it is kept, and as Markdown; says nothing that was not found."""

from __future__ import annotations

from msgspec import Struct

from models.checking.figures import Compared
from models.checking.remote import COMPANY
from models.sheet import Circumstances, baseline_cell, interval_cell, markdown_table, number_cell

SCHEMA = 1
KIND = "checks"
MARKDOWN = """# Checks

{head}

Each bundle's own predictor was asked all rows, each text alone, and the figures are held against those
that stand in its bundle.json, where it states any on those rows. Then a running server was asked the same
texts over HTTP, one a request and {company} a request: what differs from the predictor's answers in any digit
is counted. Tests called `written_...` come with qingmo (`models/written/`) and ask for everyday text.

{table}
"""
COLUMNS = (
    "bundle|version|asked|figure|found|95 %|in bundle.json|baseline|rows"
    "|differ, one a request|differ, {company} a request"
)
MEMORY = "\nAfter all of it the server held {resident:.0f} MB resident, all its bundles together.\n"


class OverHttp(Struct, frozen=True, kw_only=True):
    """How many of `asked` texts a server answered otherwise, `together` a request."""

    together: int
    asked: int
    differ: int


class Checked(Struct, frozen=True, kw_only=True):
    """One bundle and one file of rows; `published` as `models.data.sets.DataFile` has it.

    So many `rows` of the `whole` were asked; `over_http` is empty where no server was.
    """

    name: str
    version: str
    file: str
    sha256: str
    published: bool | None
    rows: int
    whole: int
    figures: tuple[Compared, ...]
    over_http: tuple[OverHttp, ...] = ()


class Sheet(Circumstances, frozen=True, kw_only=True):
    """All of one run; `resident_bytes` are the asked server's after it, None where it is not known."""

    schema: int = SCHEMA
    kind: str = KIND
    resident_bytes: float | None = None
    lines: tuple[Checked, ...] = ()


def markdown(sheet: Sheet) -> str:
    """A line a figure; what holds for all rows of a set stands on its first."""
    rows = (row for line in sheet.lines for row in _rows(line))
    table = markdown_table(COLUMNS.format(company=COMPANY), rows)
    resident = sheet.resident_bytes
    memory = "" if resident is None else MEMORY.format(resident=resident / 1e6)
    return MARKDOWN.format(head=sheet.head, company=COMPANY, table=table) + memory


def _rows(line: Checked) -> list[list[str]]:
    whole = "" if line.rows == line.whole else f" of {line.whole}"
    first = [line.name, line.version[:12], line.file]
    differ = [f"{each.differ} of {each.asked}" for each in line.over_http]
    differ += [""] * (2 - len(differ))
    cells = [_cells(figure, whole) for figure in line.figures]
    return [
        [*(first if at == 0 else [""] * 3), *row, *(differ if at == 0 else [""] * 2)]
        for at, row in enumerate(cells)
    ]


def _cells(figure: Compared, whole: str) -> list[str]:
    one, found, stated = figure.one, figure.found, figure.stated
    return [
        f"{one.metric}, {one.split}",
        number_cell(found.value if found else None, ".4f"),
        interval_cell(found),
        number_cell(stated.value if stated else None, ".4f"),
        baseline_cell(found),
        f"{found.n}{whole}" if found else "",
    ]
