"""The geometry of a network and the names of its weights: what training, export and pruning agree on.

Weights, in torch's layout (outputs, inputs): embed.word, embed.position, embed.norm.{weight,bias}, and
embed.second where the second of two texts is marked;
layers.{i}.{qkv,out,ffn_in,ffn_out}.{weight,bias}, layers.{i}.{attn_norm,ffn_norm}.{weight,bias}, where
qkv stacks query, key and value; head.{weight,bias}, [outputs, features].
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Head = Literal["classify", "tokens", "spans"]
Pooling = Literal["mean", "cls", "compared"]


@dataclass(frozen=True, slots=True)
class Shape:
    """A BERT-like encoder with layer norm after each half, and one head.

    `head` is classify (one vector a text), tokens (one a token) or spans (start and end a token). All tokens
    that follow the first `first_ends` are marked as the second text's, as BERT's token types do.

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
    activation: Literal["relu", "gelu"] = "relu"
    pooling: Pooling = "mean"
    head: Head = "classify"
    eps: float = 1e-12
    first_ends: int | None = None

    @property
    def features(self) -> int:
        """Numbers that the head sees of a text or a token."""
        return (4 if self.pooling == "compared" else 1) * self.hidden

    @property
    def parameters(self) -> int:
        """All weights of the network, head included."""
        layer = 4 * self.hidden * (self.hidden + 1) + self.ffn * (2 * self.hidden + 1) + 5 * self.hidden
        marks = 0 if self.first_ends is None else 1
        embedding = (self.vocab + self.positions + 2 + marks) * self.hidden
        return embedding + self.layers * layer + self.outputs * (self.features + 1)
