"""The rows a recipe learns from and is validated on, and those rows as a network takes them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from tokenizers import Tokenizer
from torch import nn

from models.data.labelled import read_labelled
from models.data.rows import Labelled, split_off, without_repeats
from models.data.sets import DataFile
from models.errors import MakeError
from models.infer import logits_of
from models.job import Job
from models.layout import encode
from models.workspace import Config


@dataclass(frozen=True, slots=True)
class Split:
    """Rows to learn from, rows held out of them, and the file they came from."""

    train: list[Labelled]
    validation: list[Labelled]
    file: DataFile


@dataclass(frozen=True, slots=True)
class Rows:
    """Encoded rows: ids with start and end, and the index of each row's label."""

    ids: list[list[int]]
    targets: list[int]

    def accuracy(self, network: nn.Module, pad: int) -> float:
        """Share (0..1) of rows whose best label is theirs."""
        best = logits_of(network, self.ids, pad).argmax(1)
        return float((best == torch.tensor(self.targets)).float().mean())


def split_of(job: Job) -> Split:
    """Train rows without repeats, less those held out by the recipe's seed."""
    rows, file = read_labelled(job.data, job.recipe.data.set, "train")
    unique = without_repeats(rows)
    train, validation = split_off(unique, job.recipe.data.validation, job.recipe.seed)
    if not train or not validation:
        raise MakeError(
            f"{file.path} has {len(unique)} rows: too few to hold out {job.recipe.data.validation}."
        )
    return Split(train[: job.recipe.data.limit], validation, file)


def encode_rows(config: Config, tokenizer: Tokenizer, rows: Sequence[Labelled]) -> Rows:
    """Rows as the network takes them; MakeError where a label is not one of the recipe's."""
    index = {label.label: place for place, label in enumerate(config.labels)}
    for row in rows:
        if row.label not in index:
            raise MakeError(f'The data holds the label "{row.label}", which the recipe does not name.')
    return Rows(encode(config, tokenizer, [row.text for row in rows]), [index[row.label] for row in rows])
