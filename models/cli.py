"""The command `qingmo-models`; what a command needs is imported when it runs, so that none needs more."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from models.bert_base import bert_base
from models.checking.command import check
from models.own.command import pack
from models.table.command import table
from models.terminal import one_sentence

main = typer.Typer(
    no_args_is_help=True, help="Makes small Chinese language models and packs them as bundles."
)
Data = Annotated[Path, typer.Option(help="The folder with the data sets, one folder each.")]
RecipeName = Annotated[str, typer.Argument(help="A recipe's name, or a TOML file.")]


@main.command()
def make(
    recipe: RecipeName,
    data: Data,
    from_: Annotated[str, typer.Option("--from", help="Do this stage and all after it again.")] = "",
    until: Annotated[str, typer.Option(help="Stop after this stage.")] = "",
) -> None:
    """Make a model by its recipe, stage by stage; finished stages are kept."""
    with one_sentence():
        from models.make import make as run_stages  # noqa: PLC0415 - needs torch
        from models.workspace import work_folder  # noqa: PLC0415

        console = Console(stderr=True, highlight=False)
        run_stages(recipe, data, work_folder(), console, first=from_, last=until)


@main.command("data")
def show_data(name: Annotated[str, typer.Argument(metavar="SET", help="A set's name.")], data: Data) -> None:
    """Show what a data set holds: counts, lengths, labels, overlaps."""
    with one_sentence():
        from models.survey import survey  # noqa: PLC0415

        survey(data, name, Console(highlight=False))


@main.command("list")
def list_recipes() -> None:
    """List the recipes, and how far each is made here."""
    with one_sentence():
        from models.made import list_made  # noqa: PLC0415
        from models.workspace import work_folder  # noqa: PLC0415

        list_made(work_folder(), Console(highlight=False))


@main.command("show")
def show_made(recipe: RecipeName) -> None:
    """Show the run record and the figures of what a recipe made."""
    with one_sentence():
        from models.made import show  # noqa: PLC0415
        from models.workspace import work_folder  # noqa: PLC0415

        show(recipe, work_folder(), Console(highlight=False))


@main.command("compare")
def compare_made(recipes: Annotated[list[str], typer.Argument(help="Two recipes or more.")]) -> None:
    """Set what several recipes made side by side."""
    with one_sentence():
        from models.made import compare  # noqa: PLC0415
        from models.workspace import work_folder  # noqa: PLC0415

        compare(recipes, work_folder(), Console(highlight=False))


main.command()(check)
main.command()(table)
main.command()(pack)
main.command()(bert_base)

if __name__ == "__main__":
    main()
