"""The command `qingmo-models table`: which models, and where the table goes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from msgspec.structs import asdict
from rich.console import Console

from models.errors import MakeError
from models.terminal import one_sentence

if TYPE_CHECKING:
    from models.table.sheet import Sheet
    from models.table.subject import Subject

Recipes = Annotated[
    list[str] | None, typer.Argument(metavar="[RECIPE]...", help="Recipes that were made here.")
]
Bundles = Annotated[list[Path] | None, typer.Option("--bundle", help="A packed bundle; may be repeated.")]
Data = Annotated[Path, typer.Option(help="The folder with the data sets, one folder each.")]
Out = Annotated[Path, typer.Option(help="The JSON file; Markdown goes beside it.")]
Keep = Annotated[bool, typer.Option("--keep", help="Keep what the file has of other models.")]


def table(
    data: Data,
    recipes: Recipes = None,
    bundle: Bundles = None,
    out: Out = Path("docs/results/models.json"),
    keep: Keep = False,
) -> None:
    """Measure models side by side, fp32 and int8, students and teachers, and write a table."""
    with one_sentence():
        from models.sheet import checked_out  # noqa: PLC0415 - slow to import
        from models.table.measuring import Measuring  # noqa: PLC0415
        from models.table.sheet import read, write  # noqa: PLC0415
        from models.workspace import work_folder  # noqa: PLC0415

        checked_out(out)
        console = Console(stderr=True, highlight=False, soft_wrap=True)
        subjects = _subjects(recipes or [], bundle or [], work_folder())
        sheet, measuring = (
            _empty_sheet(recipes or [], bundle or [], out, keep),
            Measuring(data, work_folder()),
        )
        if keep:
            sheet = sheet.with_those_of(read(out))
        former = sheet.lines  # each stands until its successor is measured
        for subject in subjects:
            console.print(f"{subject.name} ...", markup=False)
            sheet = sheet.with_line(
                measuring.line(subject), [line for line in former if line.name == subject.name]
            )
            beside = write(sheet, out)
        console.print(f"Written: {out}, {beside}", markup=False)


def _subjects(recipes: Sequence[str], bundles: Sequence[Path], work: Path) -> list[Subject]:
    """Recipes first; MakeError where none is named."""
    from models.recipe import read_recipe, recipe_names  # noqa: PLC0415 - slow to import
    from models.table.subject import of_bundle, of_recipe  # noqa: PLC0415

    if not recipes and not bundles:
        raise MakeError("Name recipes, or bundles with --bundle.")
    known = {name: name for name in recipe_names()} | {read_recipe(name)[0].name: name for name in recipes}
    made = [of_recipe(name, work) for name in recipes]
    return made + [of_bundle(folder, work, known) for folder in bundles]


def _empty_sheet(recipes: Sequence[str], bundles: Sequence[Path], out: Path, keep: bool) -> Sheet:
    """The machine and the code as they are now; the data's folder is nobody else's business."""
    from models.sheet import circumstances  # noqa: PLC0415 - slow to import
    from models.table.measuring import TIMED  # noqa: PLC0415
    from models.table.sheet import Sheet  # noqa: PLC0415

    flags = [word for folder in bundles for word in ("--bundle", folder.as_posix())]
    words = ["qingmo-models", "table", *recipes, *flags, "--data", "DIR", "--out", out.as_posix()]
    words += ["--keep"] * keep
    return Sheet(**asdict(circumstances(words)), timed=TIMED)
