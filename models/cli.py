"""The command `qingmo-models`; what a command needs is imported when it runs, so that none needs more."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from models.bert_base import bert_base
from models.errors import MakeError
from models.own.command import pack

main = typer.Typer(
    no_args_is_help=True, help="Makes small Chinese language models and packs them as bundles."
)


@main.callback()
def _group() -> None:
    """Keeps the name of a lone command."""


@main.command()
def make(
    recipe: Annotated[str, typer.Argument(help="A recipe's name, or a TOML file.")],
    data: Annotated[Path, typer.Option(help="The folder with the data sets, one folder each.")],
    from_: Annotated[str, typer.Option("--from", help="Do this stage and all after it again.")] = "",
    until: Annotated[str, typer.Option(help="Stop after this stage.")] = "",
) -> None:
    """Make a model by its recipe, stage by stage; finished stages are kept."""
    from models.make import make as run_stages  # noqa: PLC0415 - needs torch
    from models.workspace import work_folder  # noqa: PLC0415

    console = Console(stderr=True)
    try:
        run_stages(recipe, data, work_folder(), console, first=from_, last=until)
    except MakeError as error:
        console.print(f"[red]{error}", highlight=False)
        raise typer.Exit(1) from error


main.command()(pack)
main.command()(bert_base)

if __name__ == "__main__":
    main()
