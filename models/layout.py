"""How a house-made network takes a text: one window between start and end. Training and serving share it."""

from __future__ import annotations

from collections.abc import Sequence

from tokenizers import Tokenizer

from models.workspace import Config
from server.inference.encoding import Encoder
from server.inference.manifest import Layout
from server.inference.values import Task, Text

TASK_OF_HEAD = {"classify": Task.CLASSIFY, "tokens": Task.NER, "spans": Task.QA}


def layout_of(config: Config) -> Layout:
    """The layout of the network's inputs; windows are as long as its positions and overlap by a quarter."""
    return Layout(
        prefix=(config.start,),
        middle=(),
        suffix=(config.end,),
        pad=config.pad,
        max_length=config.shape.positions,
        overlap=config.shape.positions // 4,
    )


def encode(config: Config, tokenizer: Tokenizer, texts: Sequence[str]) -> list[list[int]]:
    """Ids of each text's first window, by the server's own encoder, start and end included."""
    encoder = Encoder(tokenizer, TASK_OF_HEAD[config.shape.head], layout_of(config))
    return [encoder.encode(Text(text)).examples[0].ids.tolist() for text in texts]
