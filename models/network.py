"""The one network of this house in torch: an encoder in the BERT post-LN form with one linear head.

State-dict names, which `models.export` reads (H hidden, A attention, F ffn; linear weights are [out, in]):

- `embed.word` [vocab, H], `embed.position` [positions, H] (token type 0 folded in)
- `embed.norm.{weight,bias}` [H]; `embed.second` [H], only where the second of two texts is marked
- `embed.project.{weight,bias}` [H, E], only where words, positions and norm have a width E of their own
- `layers.{i}.qkv.{weight,bias}` [3A, H]: query, key and value stacked, each with its heads side by side
- `layers.{i}.out.{weight,bias}` [H, A], `layers.{i}.attn_norm.{weight,bias}` [H]
- `layers.{i}.ffn_in.{weight,bias}` [F, H], `layers.{i}.ffn_out.{weight,bias}` [H, F]
- `layers.{i}.ffn_norm.{weight,bias}` [H]
- `head.{weight,bias}` [outputs, H], or [outputs, 4H] where two texts are compared
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import cast

import torch
import torch.nn.functional as F  # noqa: N812 - the name torch itself uses
from torch import Tensor, nn

from models.dropout import dropout
from models.shape import Activation, Shape

ACTIVATIONS: Mapping[Activation, Callable[[Tensor], Tensor]] = {
    "relu": F.relu,
    "gelu": F.gelu,
    "gelu_tanh": partial(F.gelu, approximate="tanh"),
}


class Embedding(nn.Module):
    """Words plus learned positions, normalised."""

    def __init__(self, shape: Shape, dropout: float) -> None:
        super().__init__()
        self.word = nn.Parameter(torch.empty(shape.vocab, shape.embedded).normal_(std=0.02))
        self.position = nn.Parameter(torch.empty(shape.positions, shape.embedded).normal_(std=0.02))
        if shape.first_ends is not None:
            self.second = nn.Parameter(torch.empty(shape.embedded).normal_(std=0.02))
        self.first_ends = shape.first_ends
        self.norm = nn.LayerNorm(shape.embedded, shape.eps)
        if shape.embedding is not None:
            self.project = nn.Linear(shape.embedding, shape.hidden)
        self.narrow = shape.embedding is not None
        self.dropout = dropout

    def forward(self, ids: Tensor) -> Tensor:
        """`ids` [rows, width] to [rows, width, hidden]."""
        hidden = F.embedding(ids, self.word) + self.position[: ids.shape[1]]
        if self.first_ends is not None:
            hidden = hidden + following(ids, self.first_ends)[:, :, None].to(hidden.dtype) * self.second
        hidden = dropout(cast(Tensor, self.norm(hidden)), self.dropout, self.training)
        return cast(Tensor, self.project(hidden)) if self.narrow else hidden


class Layer(nn.Module):
    """Self-attention and feed-forward, each with its residual and its norm after (Vaswani et al. 2017)."""

    def __init__(self, shape: Shape, dropout: float) -> None:
        super().__init__()
        hidden, ffn = shape.hidden, shape.ffn
        self.qkv = nn.Linear(hidden, 3 * shape.attention)
        self.out = nn.Linear(shape.attention, hidden)
        self.attn_norm = nn.LayerNorm(hidden, shape.eps)
        self.ffn_in = nn.Linear(hidden, ffn)
        self.ffn_out = nn.Linear(ffn, hidden)
        self.ffn_norm = nn.LayerNorm(hidden, shape.eps)
        self.heads = shape.heads
        self.dropout = dropout
        self.activation = ACTIVATIONS[shape.activation]

    def forward(self, hidden: Tensor, visible: Tensor) -> Tensor:
        """`hidden` [rows, width, hidden]; `visible` [rows, 1, 1, width] is true where a token stands."""
        attended = self._drop(self.out(self._attend(hidden, visible)))
        hidden = self.attn_norm(hidden + attended)
        fed = self._drop(self.ffn_out(self.activation(self.ffn_in(hidden))))
        return cast(Tensor, self.ffn_norm(hidden + fed))

    def heads_of(self, hidden: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Query, key and value of `hidden` [rows, width, hidden], each [rows, heads, width, head size]."""
        qkv = self.qkv(hidden).unflatten(-1, (3, self.heads, -1))
        query, key, value = qkv.permute(2, 0, 3, 1, 4)
        return query, key, value

    def _attend(self, hidden: Tensor, visible: Tensor) -> Tensor:
        query, key, value = self.heads_of(hidden)
        if not self.training:
            mixed = F.scaled_dot_product_attention(query, key, value, attn_mask=visible)
        else:  # torch's own, backwards, makes a whole step a fourth longer; so would dropout here
            scores = query * query.shape[-1] ** -0.5 @ key.transpose(-1, -2)
            mixed = scores.masked_fill(~visible, float("-inf")).softmax(-1).to(value.dtype) @ value
        return mixed.transpose(1, 2).flatten(2)

    def _drop(self, hidden: Tensor) -> Tensor:
        return dropout(hidden, self.dropout, self.training)


class Encoder(nn.Module):
    """The whole network: embedding, layers, head.

    `forward` gives `[rows, outputs]` for the head `classify`, else `[rows, width, outputs]`.
    """

    def __init__(self, shape: Shape, dropout: float = 0.1) -> None:
        super().__init__()
        self.shape = shape
        self.embed = Embedding(shape, dropout)
        self.layers = nn.ModuleList(Layer(shape, dropout) for _ in range(1 if shape.shared else shape.layers))
        self.head = nn.Linear(shape.features, shape.outputs)
        nn.init.normal_(self.head.weight, std=0.02)
        nn.init.zeros_(self.head.bias)
        self.dropout = dropout

    def hidden(self, ids: Tensor, mask: Tensor) -> Tensor:
        """Last states [rows, width, hidden] of `ids` [rows, width]; `mask` is 1 where a token stands."""
        visible = mask[:, None, None, :].bool()
        hidden: Tensor = self.embed(ids)
        for layer in self.stack():
            hidden = layer(hidden, visible)
        return hidden

    def stack(self) -> list[Layer]:
        """The layers in the order they are gone through; a shared one stands several times."""
        return [cast(Layer, self.layers[self.shape.stored(layer)]) for layer in range(self.shape.layers)]

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        """Logits of `ids` [rows, width] under `mask` [rows, width]."""
        hidden = self.hidden(ids, mask)
        if self.shape.head == "classify":
            hidden = self._pool(hidden, ids, mask)
        return cast(Tensor, self.head(dropout(hidden, self.dropout, self.training)))

    def _pool(self, hidden: Tensor, ids: Tensor, mask: Tensor) -> Tensor:
        if self.shape.pooling == "cls":
            return hidden[:, 0]
        if self.shape.pooling == "mean" or self.shape.first_ends is None:
            return mean_pool(hidden, mask)
        second = following(ids, self.shape.first_ends) * mask
        one, other = mean_pool(hidden, mask - second), mean_pool(hidden, second)
        return torch.cat([one, other, (one - other).abs(), one * other], 1)


def following(ids: Tensor, first_ends: int) -> Tensor:
    """1 where the id `first_ends` stands somewhere before, else 0: [rows, width]."""
    ends = (ids == first_ends).long()
    return (ends.cumsum(1) - ends).clamp(max=1)


def mean_pool(hidden: Tensor, mask: Tensor) -> Tensor:
    """Mean over real tokens: [rows, width, hidden] to [rows, hidden]; 0 where there are none."""
    weights = mask[:, :, None].to(hidden.dtype)
    return (hidden * weights).sum(1) / weights.sum(1).clamp(min=1)
