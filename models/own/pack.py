"""A user's own ONNX model to a bundle folder, step by step."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import msgspec

from models.costcurve import standard_widths
from models.errors import MakeError
from models.own.examples import examples
from models.own.labels import read_labels, read_tags
from models.own.prepare import Prepared, Purpose, prepare, served_cost
from models.own.recognise import Network, recognise
from models.own.words import Words, read_words
from models.seal import fresh_bundle, seal_with_golden
from server.errors import ServeError
from server.inference.bundle import TOKENIZER_FILE, Bundle
from server.inference.manifest import SCHEMA, CostCurve, LabelName, Layout, Lineage, Manifest, Name, Terms
from server.inference.values import Task

MAX_LENGTH: Mapping[Task, int] = {Task.CLASSIFY: 128, Task.PAIR: 128, Task.NER: 128, Task.QA: 384}
UNSTATED = Terms(
    name="unstated",
    text="The terms of these weights were not stated at packing. Ask whoever packed them.",
    commercial_use=None,
)


@dataclass(frozen=True, slots=True)
class Wish:
    """What the user asked for; None leaves a choice to us."""

    onnx: Path
    tokenizer: Path
    task: Task
    name: str
    out: Path
    labels: str | None = None
    title: str | None = None
    max_length: int | None = None
    overlap: int | None = None
    examples: Path | None = None
    terms: str | None = None
    lower_case: bool | None = None
    multi_label: bool = False
    threshold: float = 0.5
    no_answer: bool = False


@dataclass(frozen=True, slots=True)
class Names:
    """Tags (of entity recognition alone) and labels."""

    tags: tuple[str, ...] = ()
    labels: tuple[LabelName, ...] = ()

    @property
    def scores(self) -> int:
        """How many a text, or a token, is given; two in question answering, which has no names."""
        return len(self.tags) or len(self.labels) or 2


@dataclass(frozen=True, slots=True)
class Packed:
    """The bundle as the server loads it, and a sentence on each thing that was done or assumed."""

    bundle: Bundle
    notes: tuple[str, ...]


def pack(wish: Wish) -> Packed:
    """Makes the folder `wish.out`, whole or not at all; MakeError says why not."""
    _check_name(wish.name)
    names = _names(wish)
    words = read_words(wish.tokenizer, wish.lower_case)
    network = recognise(wish.onnx, wish.task)
    _check_vocabulary(words, network)
    layout = _layout(wish, words, network)
    widths = standard_widths(layout.max_length)
    purpose = Purpose(wish.task, names.scores, layout, words.size, widths)
    texts = examples(wish.task, wish.examples)
    try:
        with fresh_bundle(wish.out) as fresh:
            prepared = prepare(network, purpose, fresh)
            (fresh / TOKENIZER_FILE).write_text(words.tokenizer.to_str(), encoding="utf-8")
            cost = served_cost(prepared, purpose, fresh)
            manifest = _manifest(wish, network, names, layout, prepared, cost)
            sealed = seal_with_golden(fresh, manifest, texts)
    except ServeError as error:
        raise MakeError(error.message) from error
    return Packed(
        Bundle(wish.out, sealed.manifest, sealed.graph, sealed.tokenizer),
        (*words.notes, *prepared.notes, *_golden_note(len(texts), len(sealed.manifest.golden))),
    )


def _check_name(name: str) -> None:
    try:
        msgspec.convert(name, Name)
    except msgspec.ValidationError as error:
        raise MakeError(
            f"The name {name!r} is not of small letters, digits, dots, dashes and underscores, at most 64, "
            "beginning with a letter or digit."
        ) from error


def _names(wish: Wish) -> Names:
    if wish.task is Task.QA:
        if wish.labels:
            raise MakeError("Question answering takes no labels.")
        return Names()
    if not wish.labels:
        raise MakeError(f"The task {wish.task} needs --labels.")
    if wish.task is Task.NER:
        return Names(*read_tags(wish.labels))
    return Names(labels=read_labels(wish.labels))


def _check_vocabulary(words: Words, network: Network) -> None:
    rows = network.embedding_rows
    if rows is None:
        return
    if words.size > rows:
        raise MakeError(
            f"The tokenizer gives ids up to {words.size - 1}, but the graph's embedding has {rows} rows: "
            "it belongs to another network."
        )
    if rows > words.size + max(256, words.size // 20):
        raise MakeError(
            f"The graph's embedding has {rows} rows, but the tokenizer knows {words.size} pieces: "
            "it belongs to another network."
        )


def _layout(wish: Wish, words: Words, network: Network) -> Layout:
    max_length = MAX_LENGTH[wish.task] if wish.max_length is None else wish.max_length
    special = len(words.prefix) + len(words.middle) + len(words.suffix)
    if max_length < special + 8:
        raise MakeError(f"--max-length {max_length} leaves no room for text; give {special + 8} or more.")
    overlap = max_length // 4 if wish.overlap is None else wish.overlap
    if not 0 <= overlap < (max_length - special) // 2:
        raise MakeError(f"--overlap {overlap} is not from 0 to under half of {max_length - special} tokens.")
    return Layout(
        prefix=words.prefix,
        middle=words.middle,
        suffix=words.suffix,
        pad=words.pad,
        second_type=words.second_type if network.types else 0,
        max_length=max_length,
        overlap=overlap,
        ids=network.ids,
        mask=network.mask,
        types=network.types,
        outputs=network.outputs,
    )


def _manifest(
    wish: Wish, network: Network, names: Names, layout: Layout, prepared: Prepared, cost: CostCurve
) -> Manifest:
    stated = Terms(name="as stated at packing", text=wish.terms or "", commercial_use=None)
    return Manifest(
        schema=SCHEMA,
        name=wish.name,
        task=wish.task,
        title=wish.title or wish.name,
        labels=names.labels,
        tags=names.tags,
        multi_label=wish.multi_label,
        thresholds=(wish.threshold,) * len(names.labels) if wish.multi_label else (),
        no_answer=wish.no_answer,
        parameters=network.parameters,
        layout=layout,
        graphs=prepared.graphs,
        cost=cost,
        files=(),
        lineage=_lineage(wish, prepared),
        terms=stated if wish.terms else UNSTATED,
    )


def _lineage(wish: Wish, prepared: Prepared) -> Lineage:
    with wish.onnx.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    return Lineage(
        base=wish.onnx.name,
        recipe="pack",
        recipe_sha256=digest,
        seed=0,
        commit="",
        made=datetime.now(UTC).date().isoformat(),
        versions={name: version(name) for name in ("onnx", "onnxruntime", "tokenizers")},
        notes=" ".join(prepared.notes),
    )


def _golden_note(asked: int, kept: int) -> tuple[str, ...]:
    if kept == asked:
        return (f"{kept} golden examples will be asked at every start.",)
    left = asked - kept
    return (
        f"{kept} golden examples will be asked at every start; {left} were left out, "
        "since their best answer leads by too little to be sure of it on another CPU.",
    )
