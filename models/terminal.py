"""How a command ends whose work cannot be done: with code 1, and one sentence on standard error."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import typer
from rich.console import Console

from models.errors import MakeError
from server.errors import ServeError

OURS = ("models", "server")


@contextmanager
def one_sentence() -> Iterator[None]:
    """What is foreseen is said; a package that is missing, too."""
    try:
        yield
    except (MakeError, ServeError) as error:
        _end(str(error), error)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] in OURS:
            raise
        _end(f'The package {error.name} is not installed; "pip install qingmo[train]" brings it.', error)


def _end(sentence: str, why: Exception) -> None:
    Console(stderr=True, highlight=False).print(sentence, style="red", markup=False, soft_wrap=True)
    raise typer.Exit(1) from why
