"""What people see while it runs: tables, progress, and a failure as one sentence with an exit code."""

from __future__ import annotations

import contextlib
import signal
import sys
from collections.abc import Iterator
from types import FrameType
from typing import NoReturn

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table as Shown

from loadtest.errors import LoadtestError
from loadtest.tables import Table

console = Console(width=None if sys.stdout.isatty() else 160)
FAILED, INTERRUPTED = 1, 130


def show(table: Table) -> None:
    """One table on the terminal."""
    shown = Shown(title=table.title, title_justify="left")
    for place, column in enumerate(table.columns):
        shown.add_column(column, justify="left" if place == 0 else "right", overflow="fold")
    for row in table.rows:
        shown.add_row(*row)
    console.print(shown)


def progress() -> Progress:
    """What is being done and for how long, gone when it ends."""
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    return Progress(*columns, console=console, refresh_per_second=2, transient=True)


@contextlib.contextmanager
def one_sentence() -> Iterator[None]:
    """SIGTERM ends like Ctrl-C: children are stopped first, and what is finished stays."""
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        yield
    except LoadtestError as error:
        fail(str(error), FAILED)
    except OSError as error:
        where = f"{error.filename}: " if error.filename else "A file of the measurement cannot be written: "
        fail(f"{where}{error.strerror or error}.", FAILED)
    except KeyboardInterrupt:
        fail("Ended early; the finished rounds are kept.", INTERRUPTED)


def _interrupt(number: int, frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


def fail(sentence: str, code: int) -> NoReturn:
    """Says it on standard error and ends the command."""
    Console(stderr=True).print(sentence, style="bold red", markup=False, highlight=False, soft_wrap=True)
    raise SystemExit(code)
