"""A packed bundle as a base: its network, its vocabulary and what it has learnt, to be taught further."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import onnx
from google.protobuf.message import DecodeError
from msgspec import UNSET

from models.base import Floats, Pieces
from models.errors import MakeError
from models.readback import read_graph
from models.shape import Shape
from models.tasks import TASKS
from server.errors import BadBundle
from server.inference.bundle import Bundle, load_bundle
from server.inference.manifest import DataDigest


@dataclass(frozen=True, slots=True)
class BundleBase:
    """The network of a bundle, by the house's door (see `models.base.Base`); `outputs` names its head's."""

    name: str
    sha256: str
    shape: Shape
    pieces: Pieces
    weights: Mapping[str, Floats]
    outputs: tuple[str, ...]
    middle: int
    data: tuple[DataDigest, ...]
    seed: int
    held_out: int | None

    def embedding(self, ids: Sequence[int], positions: int) -> dict[str, Floats]:
        """See `models.base.Base.embedding`."""
        weights = {name: value for name, value in self.weights.items() if name.startswith("embed.")}
        weights["embed.word"] = weights["embed.word"][list(ids)]
        weights["embed.position"] = weights["embed.position"][:positions]
        return weights

    def layer(self, index: int) -> dict[str, Floats]:
        """See `models.base.Base.layer`."""
        mark = f"layers.{index}."
        return {
            name.removeprefix(mark): value for name, value in self.weights.items() if name.startswith(mark)
        }

    def head(self, outputs: Sequence[str], shape: Shape) -> dict[str, Floats]:
        """See `models.base.Base.head`."""
        own = self.shape
        same = (own.head, own.pooling, own.activation) == (shape.head, shape.pooling, shape.activation)
        if not same or self.outputs != tuple(outputs):
            return {}
        return {name: value for name, value in self.weights.items() if name.startswith("head.")}


def open_bundle(folder: Path, version: str = "") -> BundleBase:
    """The bundle in `folder` as a base; MakeError where it is none, or its version does not begin so."""
    try:
        bundle = load_bundle(folder)
    except BadBundle as error:
        raise MakeError(str(error)) from error
    manifest = bundle.manifest
    if not manifest.version.startswith(version):
        raise MakeError(
            f"The bundle {folder} is of version {manifest.version[:12]}; the recipe goes on from {version}."
        )
    try:
        shape, weights = read_graph(onnx.load(bundle.graph_path, load_external_data=False).graph)
    except (LookupError, ValueError, DecodeError) as error:
        raise MakeError(f"Bundle {manifest.name} is no base: its graph is none of qingmo's.") from error
    pieces, task = _pieces(bundle), TASKS[manifest.task]
    return BundleBase(
        name=f"{manifest.lineage.base}, by way of the bundle {manifest.name} of {manifest.lineage.made}",
        sha256=manifest.version,
        shape=replace(shape, head=task.head),
        pieces=pieces,
        weights=weights,
        outputs=task.outputs([each.label for each in manifest.labels]),
        middle=len(manifest.layout.middle) or (1 if pieces.pattern else 2),  # as BERT's and E5's kind have it
        data=manifest.lineage.data,
        seed=manifest.lineage.seed,
        held_out=None if manifest.lineage.held_out is UNSET else manifest.lineage.held_out,
    )


def _pieces(bundle: Bundle) -> Pieces:
    """The vocabulary of its tokenizer, Unigram or WordPiece."""
    layout, pattern = bundle.manifest.layout, bundle.tokenizer.to_str()
    tokenizer = json.loads(pattern)
    model, start, end = tokenizer["model"], layout.prefix[0], layout.suffix[0]
    if model["type"] == "Unigram":
        texts, scores = zip(*model["vocab"], strict=True)
        marked = tokenizer["pre_tokenizer"]["prepend_scheme"] == "always"
        return Pieces(texts, scores, start, layout.pad, end, model["unk_id"], word_start=marked)
    texts = tuple(sorted(model["vocab"], key=model["vocab"].__getitem__))
    return Pieces(texts, (), start, layout.pad, end, model["vocab"][model["unk_token"]], pattern)
