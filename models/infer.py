"""A trained network at work in torch: encoded texts in, logits out. Knows no labels and no training."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from models.network import Encoder
from models.shape import Shape
from models.workspace import Trained, Weights


def load_network(trained: Trained, dropout: float = 0.0) -> Encoder:
    """The network of a stage in torch."""
    return network_of(trained.config.shape, trained.weights(), dropout)


def network_of(shape: Shape, weights: Weights, dropout: float = 0.0) -> Encoder:
    """A network in torch with its weights."""
    network = Encoder(shape, dropout)
    network.load_state_dict({name: torch.from_numpy(value) for name, value in weights.items()})
    return network


def padded(ids: Sequence[Sequence[int]], pad: int) -> tuple[Tensor, Tensor]:
    """Ids and mask, both [rows, width of the longest]."""
    width = max(map(len, ids))
    table = torch.full((len(ids), width), pad, dtype=torch.long)
    for place, row in enumerate(ids):
        table[place, : len(row)] = torch.tensor(row)
    lengths = torch.tensor([len(row) for row in ids])
    return table, (torch.arange(width) < lengths[:, None]).long()


@torch.inference_mode()
def logits_of(
    network: nn.Module, ids: Sequence[Sequence[int]], pad: int, rows: int = 64
) -> list[NDArray[np.float32]]:
    """Logits of each window in order, [outputs] or [length, outputs]; float32, batches of like length."""
    network.eval()
    order = sorted(range(len(ids)), key=lambda i: len(ids[i]))
    made: list[NDArray[np.float32]] = [np.empty(0, np.float32)] * len(ids)
    for at in range(0, len(ids), rows):
        places = order[at : at + rows]
        logits = network(*padded([ids[i] for i in places], pad)).float().numpy()
        for place, own in zip(places, logits, strict=True):
            made[place] = own if own.ndim == 1 else own[: len(ids[place])]
    return made
