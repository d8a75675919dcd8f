"""BERT-shaped ONNX graphs with random weights, built without any training library.

Speed depends on shapes alone, so such a graph stands for the real network in comparisons and tests.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx

from models.graph import FLOAT, INT32, MICROSOFT, GraphBuilder

HIDDEN = -10_000.0  # added to the attention scores of padding, so that their share is 0 in float32


@dataclass(frozen=True, slots=True)
class BertShape:
    """The sizes of a BERT encoder; the defaults are BERT-base (Devlin et al. 2019, arXiv:1810.04805)."""

    vocab: int
    layers: int = 12
    width: int = 768
    heads: int = 12
    ffn: int = 3072
    positions: int = 512


@dataclass(frozen=True, slots=True)
class Head:
    """What stands on the encoder: `scores` a text (pooled) or a token; two outputs take one score each."""

    scores: int
    per_token: bool = False
    outputs: tuple[str, ...] = ("logits",)


SPAN_HEAD = Head(2, per_token=True, outputs=("start_logits", "end_logits"))


def bert_graph(shape: BertShape, head: Head, *, seed: int = 0, fused: bool = False) -> onnx.ModelProto:
    """A BERT with random weights: input_ids, attention_mask and token_type_ids, each int64 [rows, width].

    Args:
        shape: Sizes of the encoder.
        head: What the outputs are: [rows, scores], [rows, width, scores], or two of [rows, width].
        seed: Of the random weights.
        fused: Use onnxruntime's fused operators, as its transformer optimizer would; else the plain
            ones that an export from PyTorch gives.
    """
    bert = (_FusedBert if fused else _PlainBert)(shape, seed)
    bert.finish(head, bert.encode())
    dims = ["rows", "width"] if head.per_token else ["rows"]
    if len(head.outputs) == 1:
        dims.append(str(head.scores))
    inputs = dict.fromkeys(("input_ids", "attention_mask", "token_type_ids"), ("rows", "width"))
    return bert.net.model(inputs, dict.fromkeys(head.outputs, dims))


class _PlainBert:
    """The operators of an export from PyTorch."""

    def __init__(self, shape: BertShape, seed: int) -> None:
        self.net = GraphBuilder()
        self.shape = shape
        self._rng = np.random.default_rng(seed)

    def encode(self) -> str:
        hidden = self.embed()
        mask = self.mask()
        for _ in range(self.shape.layers):
            hidden = self.layer(hidden, mask)
        return hidden

    def weight(self, *size: int, spread: float = 0.02) -> str:
        return self.net.constant(self._rng.standard_normal(size, dtype=np.float32) * np.float32(spread))

    def number(self, value: float) -> str:
        return self.net.constant(np.float32(value))

    def embed(self) -> str:
        net, shape = self.net, self.shape
        words = net.node("Gather", self.weight(shape.vocab, shape.width), "input_ids")
        types = net.node("Gather", self.weight(2, shape.width), "token_type_ids")
        width = net.node("Gather", net.node("Shape", "input_ids"), net.ints(1), axis=0)
        places = net.node("Slice", self.weight(shape.positions, shape.width), net.ints(0), width, net.ints(0))
        return self.norm(net.node("Add", net.node("Add", words, types), places))

    def norm(self, x: str) -> str:
        gain = self.net.constant(np.ones(self.shape.width, np.float32))
        return self.net.node("LayerNormalization", x, gain, self.weight(self.shape.width), epsilon=1e-12)

    def linear(self, x: str, inputs: int, outputs: int, spread: float = 0.02) -> str:
        product = self.net.node("MatMul", x, self.weight(inputs, outputs, spread=spread))
        return self.net.node("Add", product, self.weight(outputs))

    def mask(self) -> str:
        spread = self.net.node("Unsqueeze", "attention_mask", self.net.ints(1, 2))
        kept = self.net.node("Cast", spread, to=FLOAT)
        return self.net.node("Mul", self.net.node("Sub", self.number(1.0), kept), self.number(HIDDEN))

    def layer(self, x: str, mask: str) -> str:
        net, shape = self.net, self.shape
        attended = self.linear(self.attention(x, mask), shape.width, shape.width)
        middle = self.norm(net.node("Add", attended, x))
        wide = self.linear(middle, shape.width, shape.ffn)
        erf = net.node("Erf", net.node("Div", wide, self.number(2**0.5)))
        raised = net.node("Mul", wide, net.node("Add", erf, self.number(1.0)))
        narrow = self.linear(net.node("Mul", raised, self.number(0.5)), shape.ffn, shape.width)
        return self.norm(net.node("Add", narrow, middle))

    def attention(self, x: str, mask: str) -> str:
        net = self.net
        query, key, value = self.part(x, 0, 2, 1, 3), self.part(x, 0, 2, 3, 1), self.part(x, 0, 2, 1, 3)
        scale = self.number((self.shape.heads / self.shape.width) ** 0.5)
        scores = net.node("Mul", net.node("MatMul", query, key), scale)
        shares = net.node("Softmax", net.node("Add", scores, mask), axis=-1)
        mixed = net.node("Transpose", net.node("MatMul", shares, value), perm=[0, 2, 1, 3])
        return net.node("Reshape", mixed, net.ints(0, 0, self.shape.width))

    def part(self, x: str, *order: int) -> str:
        shape = self.shape
        split = self.net.ints(0, 0, shape.heads, shape.width // shape.heads)
        flat = self.linear(x, shape.width, shape.width)
        return self.net.node("Transpose", self.net.node("Reshape", flat, split), perm=list(order))

    def finish(self, head: Head, hidden: str) -> None:
        net, width = self.net, self.shape.width
        if not head.per_token:
            first = net.node("Gather", hidden, net.constant(np.int64(0)), axis=1)
            hidden = net.node("Tanh", self.linear(first, width, width, 1 / width**0.5))
        weight = self.weight(width, head.scores, spread=4 / width**0.5)
        scores = net.node("Add", net.node("MatMul", hidden, weight), self.weight(head.scores))
        if len(head.outputs) == 1:
            net.rename(scores, head.outputs[0])
            return
        for place, output in enumerate(head.outputs):
            net.rename(net.node("Gather", scores, net.constant(np.int64(place)), axis=2), output)


class _FusedBert(_PlainBert):
    """The operators of onnxruntime's transformer optimizer: Attention, SkipLayerNormalization, BiasGelu."""

    def mask(self) -> str:
        return self.net.node("Cast", "attention_mask", to=INT32)

    def layer(self, x: str, mask: str) -> str:
        net, shape = self.net, self.shape
        qkv, bias = self.weight(shape.width, 3 * shape.width), self.weight(3 * shape.width)
        mixed = net.node("Attention", x, qkv, bias, mask, domain=MICROSOFT, num_heads=shape.heads)
        middle = self.skip_norm(net.node("MatMul", mixed, self.weight(shape.width, shape.width)), x)
        wide = net.node("MatMul", middle, self.weight(shape.width, shape.ffn))
        active = net.node("BiasGelu", wide, self.weight(shape.ffn), domain=MICROSOFT)
        return self.skip_norm(net.node("MatMul", active, self.weight(shape.ffn, shape.width)), middle)

    def skip_norm(self, x: str, skip: str) -> str:
        gain = self.net.constant(np.ones(self.shape.width, np.float32))
        shift, bias = self.weight(self.shape.width), self.weight(self.shape.width)
        inputs = (x, skip, gain, shift, bias)
        return self.net.node("SkipLayerNormalization", *inputs, domain=MICROSOFT, epsilon=1e-12)
