"""A bundle of BERT-base's size with random weights: what a small model's speed is compared with."""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import msgspec
import typer
from rich.console import Console

from models.terminal import one_sentence
from server.inference.bundle import TOKENIZER_FILE, Bundle, load_bundle
from server.inference.manifest import Layout, Lineage, Manifest, Terms
from server.inference.values import Task

RANDOM = Terms(name="none", text="Random weights: only their speed means anything.", commercial_use=True)


class Form(StrEnum):
    """How the weights and operators are written."""

    FP32 = "fp32"
    FUSED = "fp32-fused"
    INT8 = "int8"


def bert_base(
    out: Annotated[Path, typer.Option(help="The bundle's folder, to be made.")],
    tokenizer_from: Annotated[Path, typer.Option(help="The bundle whose tokens, task and labels it takes.")],
    name: Annotated[str, typer.Option(help="The bundle's name.")] = "bert-base",
    form: Annotated[
        Form,
        typer.Option(
            help="fp32 as exported, with onnxruntime's fused operators (a little slower where it was tried), "
            "or int8 as its quantize_dynamic makes it, per channel."
        ),
    ] = Form.FP32,
) -> None:
    """Write a BERT-base of random weights (12 layers, 768 wide) to compare speeds with."""
    with one_sentence():
        bundle = make_bert_base(load_bundle(tokenizer_from), out, name=name, form=form)
        console = Console(stderr=True, highlight=False)
        console.print(f"Packed {bundle.folder}, {bundle.manifest.parameters:,} parameters.", soft_wrap=True)


def make_bert_base(
    like: Bundle, folder: Path, *, name: str, form: Form, layers: int = 12, width: int = 768
) -> Bundle:
    """A BERT of `width` with heads of 64 and a feed-forward of four times the width, in `folder`.

    Args:
        like: Gives tokenizer, task, labels and windows.
        folder: Must not exist.
        name: Of the bundle.
        form: int8 is made independent of batch mates like any such graph.
        layers: Of the encoder.
        width: Of the encoder.
    """
    from models.own.examples import examples  # noqa: PLC0415 - the onnx package is slow to import
    from models.own.prepare import Purpose, prepare, served_cost  # noqa: PLC0415
    from models.own.recognise import recognise  # noqa: PLC0415
    from models.seal import fresh_bundle, seal_with_golden  # noqa: PLC0415

    manifest = like.manifest
    vocabulary = max(like.tokenizer.get_vocab(with_added_tokens=True).values()) + 1
    with fresh_bundle(folder) as fresh, TemporaryDirectory() as scratch:
        graph = _write_graph(manifest, (vocabulary, layers, width), form, Path(scratch))
        network = recognise(graph, manifest.task)
        layout = msgspec.structs.replace(
            manifest.layout, ids=network.ids, mask=network.mask, types=network.types, outputs=network.outputs
        )
        purpose = Purpose(manifest.task, _scores(manifest), layout, vocabulary, manifest.cost.widths)
        prepared = prepare(network, purpose, fresh)
        (fresh / TOKENIZER_FILE).write_bytes((like.folder / TOKENIZER_FILE).read_bytes())
        described = msgspec.structs.replace(
            _manifest(manifest, name, layout, network.parameters),
            graphs=prepared.graphs,
            cost=served_cost(prepared, purpose, fresh),
        )
        seal_with_golden(fresh, described, examples(manifest.task, None))
    return load_bundle(folder)


def _scores(manifest: Manifest) -> int:
    return 2 if manifest.task is Task.QA else len(manifest.tags) or len(manifest.labels)


def _write_graph(manifest: Manifest, sizes: tuple[int, int, int], form: Form, folder: Path) -> Path:
    """The graph for the manifest's task, of so many ids, layers and so much width."""
    from models.bert_graph import BertShape, Head, bert_graph  # noqa: PLC0415 - slow to import

    vocabulary, layers, width = sizes
    shape = BertShape(vocabulary, layers, width, width // 64, 4 * width, max(512, manifest.layout.max_length))
    head = Head(_scores(manifest), per_token=manifest.task in (Task.NER, Task.QA))
    graph = folder / "bert-base.onnx"
    graph.write_bytes(bert_graph(shape, head, fused=form is Form.FUSED).SerializeToString())
    return _quantised(graph) if form is Form.INT8 else graph


def _quantised(graph: Path) -> Path:
    from onnx import TensorProto  # noqa: PLC0415 - slow to import
    from onnxruntime.quantization import quantize_dynamic  # noqa: PLC0415

    made = graph.with_name("bert-base-int8.onnx")
    quantize_dynamic(graph, made, per_channel=True, extra_options={"DefaultTensorType": TensorProto.FLOAT})
    return made


def _manifest(like: Manifest, name: str, layout: Layout, parameters: int) -> Manifest:
    """The other bundle's task and labels, with this one's network; graphs and cost are still the other's."""
    lineage = Lineage(
        base="BERT-base's shape (arXiv:1810.04805), random weights",
        recipe="bert-base",
        recipe_sha256="",
        seed=0,
        commit="",
        made=datetime.now(UTC).date().isoformat(),
        versions={library: version(library) for library in ("onnx", "onnxruntime")},
    )
    return msgspec.structs.replace(
        like,
        name=name,
        title=f"{name}: random weights, for speed alone",
        parameters=parameters,
        layout=layout,
        lineage=lineage,
        quality=(),
        terms=RANDOM,
    )
