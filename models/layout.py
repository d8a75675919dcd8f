"""The server's encoder and decoder around a network that is being made: training and serving share them."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from msgspec import UNSET, UnsetType
from tokenizers import Tokenizer

from models.tasks import TASKS
from models.workspace import Config
from server.inference.check import PAIRED
from server.inference.decoding import Decoder, decoder_for
from server.inference.encoding import Encoder
from server.inference.manifest import SCHEMA, CostCurve, Graph, Layout, Lineage, Manifest, Terms
from server.inference.values import Encoded, Task, Text


def layout_of(config: Config) -> Layout:
    """The layout of the network's inputs; windows are as long as its positions and overlap by a quarter."""
    return Layout(
        prefix=(config.start,),
        middle=(config.end,) * config.middle if config.task in PAIRED else (),
        suffix=(config.end,),
        pad=config.pad,
        max_length=config.shape.positions,
        overlap=config.shape.positions // 4,
    )


def encode(config: Config, tokenizer: Tokenizer, texts: Sequence[Text]) -> list[Encoded]:
    """Each text in windows, by the server's own encoder, special tokens included."""
    encoder = Encoder(tokenizer, config.task, layout_of(config))
    return [encoder.encode(text) for text in texts]


def single_windows(config: Config, tokenizer: Tokenizer, texts: Sequence[str]) -> list[list[list[int]]]:
    """The ids of each raw text's windows, each text by itself, whatever the task."""
    alone = msgspec.structs.replace(config, task=Task.CLASSIFY)
    encoded = encode(alone, tokenizer, [Text(text) for text in texts])
    return [[example.ids.tolist() for example in one.examples] for one in encoded]


def tags_of(config: Config) -> tuple[str, ...]:
    """The tags of a tagger in the order of its outputs; none for other tasks."""
    labels = [label.label for label in config.labels]
    return TASKS[config.task].outputs(labels) if config.shape.head == "tokens" else ()


def decoder_of(config: Config, brevity: float | UnsetType = UNSET) -> Decoder:
    """The server's decoder for a network that has no bundle yet; a reader's with `brevity`."""
    manifest = Manifest(
        schema=SCHEMA,
        name="unpacked",
        task=config.task,
        title="unpacked",
        labels=config.labels,
        tags=tags_of(config),
        brevity=brevity,
        parameters=config.shape.parameters,
        layout=layout_of(config),
        graphs=(Graph(file="", form=""),),
        cost=CostCurve(machine="", rows=(1,), widths=(config.shape.positions,), seconds=((1.0,),)),
        files=(),
        lineage=Lineage(base="", recipe="", recipe_sha256="", seed=0, commit="", made=""),
        terms=Terms(name="", text="", commercial_use=None),
    )
    return decoder_for(manifest)
