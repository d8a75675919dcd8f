"""The geometry of a network and the names of its weights: what training, export and pruning agree on.

Weights, in torch's layout (outputs, inputs): embed.word, embed.position, embed.norm.{weight,bias},
embed.second where the second of two texts is marked, embed.project.{weight,bias} where words are narrow;
layers.{i}.{qkv,out,ffn_in,ffn_out}.{weight,bias}, layers.{i}.{attn_norm,ffn_norm}.{weight,bias}, where
qkv stacks query, key and value; head.{weight,bias}, [outputs, features].
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from msgspec import UNSET, UnsetType

from models.errors import MakeError

Head = Literal["classify", "tokens", "spans"]
Activation = Literal["relu", "gelu", "gelu_tanh"]
Pooling = Literal["mean", "cls", "compared"]


@dataclass(frozen=True, slots=True)
class Shape:
    """A BERT-like encoder with layer norm after each half, and one head.

    `head` is classify (one vector a text), tokens (one a token) or spans (start and end a token). All tokens
    that follow the first `first_ends` are marked as the second text's, as BERT's token types do.

    Where `embedding` is given, words and positions have that width, and a projection leads to `hidden`
    (ALBERT, ELECTRA). Where layers are `shared`, layers.0 holds the weights of all.

    Where `head_size` is given, heads have that width, else they share `hidden` evenly (pruning leaves fewer).

    `pooling` says what `classify` sees: the first token (cls), the mean over all (mean), or the means of both
    texts with their distance and product (compared; Reimers and Gurevych 2019, arXiv 1908.10084).
    """

    vocab: int
    hidden: int
    layers: int
    heads: int
    ffn: int
    positions: int
    outputs: int
    activation: Activation = "relu"
    pooling: Pooling = "mean"
    head: Head = "classify"
    eps: float = 1e-12
    first_ends: int | None = None
    embedding: int | None = None
    shared: bool = False
    # Unset it does not stand in a checkpoint's name: runs from before it was thought of go on.
    head_size: int | UnsetType = UNSET

    @property
    def embedded(self) -> int:
        """Width of a word's embedding."""
        return self.embedding or self.hidden

    @property
    def attention(self) -> int:
        """Width of query, of key and of value: all heads side by side."""
        return self.hidden if self.head_size is UNSET else self.heads * self.head_size

    def stored(self, layer: int) -> int:
        """The number under which the weights of `layer` are stored."""
        return 0 if self.shared else layer

    @property
    def features(self) -> int:
        """Numbers that the head sees of a text or a token."""
        return (4 if self.pooling == "compared" else 1) * self.hidden

    @property
    def parameters(self) -> int:
        """All weights of the network, head included."""
        attention = self.attention * (4 * self.hidden + 3) + self.hidden
        layer = attention + self.ffn * (2 * self.hidden + 1) + 5 * self.hidden
        marks = 0 if self.first_ends is None else 1
        embedding = (self.vocab + self.positions + 2 + marks) * self.embedded
        embedding += 0 if self.embedding is None else self.hidden * (self.embedding + 1)
        return embedding + (1 if self.shared else self.layers) * layer + self.outputs * (self.features + 1)


def pruned_shape(shape: Shape, heads: int, ffn: int) -> Shape:
    """The geometry with so many heads and inner units in each layer; MakeError where there are fewer."""
    if heads > shape.heads or ffn > shape.ffn:
        raise MakeError(
            f"[prune] keeps {heads} heads and {ffn} inner units of each layer; "
            f"the network has {shape.heads} and {shape.ffn}."
        )
    return replace(shape, heads=heads, ffn=ffn, head_size=shape.attention // shape.heads)
