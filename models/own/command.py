"""The command `qingmo-models pack`: options to a Wish, and what was done to the terminal."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from models.errors import MakeError
from server.inference.values import Task


def pack(  # noqa: PLR0913, PLR0917 - one argument an option
    onnx: Annotated[Path, typer.Option(help="The model, as the usual tools export it: fp32 or int8.")],
    tokenizer: Annotated[Path, typer.Option(help="Its tokenizer.json, or the vocab.txt of a BERT.")],
    task: Annotated[Task, typer.Option(help="What it does.")],
    out: Annotated[Path, typer.Option(help="The bundle's folder, to be made.")],
    name: Annotated[str | None, typer.Option(help="The bundle's name; the folder's if not given.")] = None,
    labels: Annotated[
        str | None, typer.Option(help='"a,b,c", a text file with one label (for ner: tag) a line, or JSON.')
    ] = None,
    title: Annotated[str | None, typer.Option(help="What people read; the name if not given.")] = None,
    max_length: Annotated[
        int | None, typer.Option(help="Tokens in one window; 128, for qa 384, if not given.")
    ] = None,
    overlap: Annotated[
        int | None, typer.Option(help="Tokens that two windows share; a quarter if not given.")
    ] = None,
    examples: Annotated[
        Path | None, typer.Option(help="Texts to ask at every start, one a line, plain or JSON.")
    ] = None,
    terms: Annotated[str | None, typer.Option(help="The terms of the weights, in a sentence.")] = None,
    lower_case: Annotated[
        bool | None, typer.Option("--lower-case/--keep-case", help="For vocab.txt: the case of text.")
    ] = None,
    multi_label: Annotated[bool, typer.Option(help="Several labels may hold at once.")] = False,
    threshold: Annotated[
        float, typer.Option(min=0, max=1, help="With --multi-label: from which score on.")
    ] = 0.5,
    no_answer: Annotated[bool, typer.Option(help="For qa: trained to say that there is none.")] = False,
) -> None:
    """Pack your own ONNX model as a bundle; needs no torch."""
    from models.own.pack import Wish  # noqa: PLC0415 - the onnx package is slow to import
    from models.own.pack import pack as run  # noqa: PLC0415

    wish = Wish(
        onnx=onnx,
        tokenizer=tokenizer,
        task=task,
        name=out.name if name is None else name,
        out=out,
        labels=labels,
        title=title,
        max_length=max_length,
        overlap=overlap,
        examples=examples,
        terms=terms,
        lower_case=lower_case,
        multi_label=multi_label,
        threshold=threshold,
        no_answer=no_answer,
    )
    console = Console(stderr=True, highlight=False)
    try:
        packed = run(wish)
    except MakeError as error:
        console.print(f"[red]{error}", soft_wrap=True)
        raise typer.Exit(1) from error
    for note in packed.notes:
        console.print(f"- {note}", soft_wrap=True, markup=False)
    bundle = packed.bundle
    size, version = sum(file.bytes for file in bundle.manifest.files) / 1e6, bundle.manifest.version[:12]
    console.print(f"Packed {bundle.folder}: {size:.1f} MB, version {version}.", soft_wrap=True)
    console.print(f"Serve it: qingmo-serve --bundles {wish.out}", soft_wrap=True, markup=False)
