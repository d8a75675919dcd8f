"""The command `qingmo-models pack`: options to a Wish, and what was done to the terminal."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from models.terminal import one_sentence
from server.inference.values import Task

if TYPE_CHECKING:
    from models.own.pack import Wish

Onnx = Annotated[Path, typer.Option(help="The model, as the usual tools export it: fp32 or int8.")]
Tokenizer = Annotated[Path, typer.Option(help="Its tokenizer.json, or the vocab.txt of a BERT.")]
Does = Annotated[Task, typer.Option(help="What it does.")]
Out = Annotated[Path, typer.Option(help="The bundle's folder, to be made.")]
Name = Annotated[str | None, typer.Option(help="The bundle's name; the folder's if not given.")]
LabelSource = Annotated[
    str | None, typer.Option(help='"a,b,c", a text file with one label (for ner: tag) a line, or JSON.')
]
Title = Annotated[str | None, typer.Option(help="What people read; the name if not given.")]
MaxLength = Annotated[int | None, typer.Option(help="Tokens in one window; 128, for qa 384, if not given.")]
Overlap = Annotated[int | None, typer.Option(help="Tokens that two windows share; a quarter if not given.")]
Examples = Annotated[
    Path | None, typer.Option(help="Texts to ask at every start, one a line, plain or JSON.")
]
TermsText = Annotated[str | None, typer.Option(help="The terms of the weights, in a sentence.")]
LowerCase = Annotated[
    bool | None, typer.Option("--lower-case/--keep-case", help="For vocab.txt: the case of text.")
]
MultiLabel = Annotated[bool, typer.Option(help="Several labels may hold at once.")]
Threshold = Annotated[float, typer.Option(min=0, max=1, help="With --multi-label: from which score on.")]
NoAnswer = Annotated[bool, typer.Option(help="For qa: trained to say that there is none.")]


def pack(  # noqa: PLR0913, PLR0917 - one argument an option
    onnx: Onnx,
    tokenizer: Tokenizer,
    task: Does,
    out: Out,
    name: Name = None,
    labels: LabelSource = None,
    title: Title = None,
    max_length: MaxLength = None,
    overlap: Overlap = None,
    examples: Examples = None,
    terms: TermsText = None,
    lower_case: LowerCase = None,
    multi_label: MultiLabel = False,
    threshold: Threshold = 0.5,
    no_answer: NoAnswer = False,
) -> None:
    """Pack your own ONNX model as a bundle; needs no torch."""
    with one_sentence():
        from models.own.pack import Wish  # noqa: PLC0415 - the onnx package is slow to import

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
        _carry_out(wish)


def _carry_out(wish: Wish) -> None:
    """Packs, and says what was done."""
    from models.own.pack import pack as run  # noqa: PLC0415 - the onnx package is slow to import

    packed, console = run(wish), Console(stderr=True, highlight=False)
    manifest = packed.bundle.manifest
    size = sum(file.bytes for file in manifest.files) / 1e6
    for line in (
        *(f"- {note}" for note in packed.notes),
        f"Packed {wish.out}: {size:.1f} MB, version {manifest.version[:12]}.",
        f"Serve it: qingmo-serve --bundles {wish.out}",
    ):
        console.print(line, markup=False, soft_wrap=True)
