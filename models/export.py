"""A trained network as a float32 ONNX graph, from its plain weights; needs no torch.

The int8 graph (quantize.py) is built by the same walk with other dense layers, so both graphs are the
same network by construction.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import numpy as np
import onnx
from numpy.typing import NDArray

from models.graph import BOOL, FLOAT, INT32, MICROSOFT, GraphBuilder
from models.shape import Shape

Weights = Mapping[str, NDArray[np.float32]]


class Blocks(Protocol):
    """How the two halves of a layer are written; x is [rows*width, hidden]."""

    def embed(self, ids: str) -> str:
        """Word embeddings of ids [rows, width]: [rows, width, hidden]."""

    def attend(self, layer: int, x: str, mask: str, shape: str) -> str:
        """Self attention with its output projection, [rows*width, hidden]; `shape` holds (rows, width)."""

    def feed_forward(self, layer: int, x: str) -> str:
        """The feed-forward half, [rows*width, hidden]."""


class Walk:
    """Writes embeddings, layers and head around a choice of Blocks."""

    def __init__(self, graph: GraphBuilder, shape: Shape, weights: Weights, blocks: Blocks) -> None:
        self.graph, self.shape, self.weights, self.blocks = graph, shape, weights, blocks
        self.second = ""  # [rows, width] float, 1 on the second text's tokens, once the embedding is written

    def model(self, taps: Mapping[str, str] | None = None) -> onnx.ModelProto:
        """The whole network: ids and mask [rows, width] in, logits out; `taps` are filled by the blocks."""
        graph = self.graph
        mask = graph.node("Cast", "attention_mask", to=INT32)
        shape = graph.node("Shape", "input_ids")
        x = self._embedding(shape)
        for layer in range(self.shape.layers):
            stored = self.shape.stored(layer)
            x = self._norm(f"layers.{stored}.attn_norm", x, self.blocks.attend(layer, x, mask, shape))
            x = self._norm(f"layers.{stored}.ffn_norm", x, self.blocks.feed_forward(layer, x))
        x = graph.node("Reshape", x, graph.node("Concat", shape, graph.ints(self.shape.hidden), axis=0))
        dims = self._head(x)
        outputs: dict[str, list[str | int]] = {"logits": dims}
        for name, value in (taps or {}).items():
            outputs[graph.rename(value, name)] = ["tokens", f"{name}.channels"]
        return graph.model({"input_ids": ["rows", "width"], "attention_mask": ["rows", "width"]}, outputs)

    def _embedding(self, shape: str) -> str:
        graph = self.graph
        positions = graph.constant(self.weights["embed.position"])
        width = graph.node("Slice", shape, graph.ints(1), graph.ints(2))
        x = graph.node(
            "Add", self.blocks.embed("input_ids"), graph.node("Slice", positions, graph.ints(0), width)
        )
        if self.shape.first_ends is not None:
            x = graph.node("Add", x, self._second_marks(self.shape.first_ends))
        x = self._norm("embed.norm", graph.node("Reshape", x, graph.ints(-1, self.shape.embedded)))
        if self.shape.embedding is None:
            return x
        weight = np.ascontiguousarray(self.weights["embed.project.weight"].T)
        x = graph.node("MatMul", x, graph.constant(weight))
        return graph.node("Add", x, graph.constant(self.weights["embed.project.bias"]))

    def _second_marks(self, first_ends: int) -> str:
        """The second text's mark [rows, width, hidden]: the same vector on all that follows the first end."""
        graph = self.graph
        ends = graph.node("Cast", graph.node("Equal", "input_ids", graph.ints(first_ends)), to=INT32)
        before = graph.node("CumSum", ends, graph.constant(np.int32(1)), exclusive=1)
        self.second = graph.node("Cast", graph.node("Cast", before, to=BOOL), to=FLOAT)
        column = graph.node("Unsqueeze", self.second, graph.ints(2))
        return graph.node("Mul", column, graph.constant(self.weights["embed.second"]))

    def _norm(self, name: str, *parts: str) -> str:
        x = parts[0] if len(parts) == 1 else self.graph.node("Add", *parts)
        weight, bias = (self.graph.constant(self.weights[f"{name}.{part}"]) for part in ("weight", "bias"))
        return self.graph.node("LayerNormalization", x, weight, bias, axis=-1, epsilon=self.shape.eps)

    def _head(self, x: str) -> list[str | int]:
        graph = self.graph
        weight, bias = self.weights["head.weight"], self.weights["head.bias"]
        if self.shape.head == "classify":
            # Weight times column: a product over all rows takes another kernel when it has only one.
            column = graph.node("Reshape", self._pool(x), graph.ints(-1, self.shape.features, 1))
            y = graph.node("MatMul", graph.constant(weight), column)
            graph.rename(
                graph.node("Add", graph.node("Squeeze", y, graph.ints(2)), graph.constant(bias)), "logits"
            )
            return ["rows", len(bias)]
        y = graph.node("MatMul", x, graph.constant(np.ascontiguousarray(weight.T)))
        graph.rename(graph.node("Add", y, graph.constant(bias)), "logits")
        return ["rows", "width", len(bias)]

    def _pool(self, x: str) -> str:
        """[rows, 1, features]: the first token, the mean over all that stand, or two texts compared."""
        graph = self.graph
        if self.shape.pooling == "cls":
            return graph.node("Slice", x, graph.ints(0), graph.ints(1), graph.ints(1))
        mask = graph.node("Cast", "attention_mask", to=FLOAT)
        if self.shape.pooling == "mean":
            return self._mean(x, mask)
        second = graph.node("Mul", self.second, mask)
        one, other = self._mean(x, graph.node("Sub", mask, second)), self._mean(x, second)
        apart = graph.node("Abs", graph.node("Sub", one, other))
        return graph.node("Concat", one, other, apart, graph.node("Mul", one, other), axis=2)

    def _mean(self, x: str, chosen: str) -> str:
        """[rows, 1, hidden]: the mean over the tokens `chosen` [rows, width] is 1 for; 0 without any."""
        graph = self.graph
        count = graph.node("ReduceSum", chosen, graph.ints(1), keepdims=1)
        share = graph.node("Div", chosen, graph.node("Max", count, graph.constant(np.float32(1))))
        return graph.node("MatMul", graph.node("Unsqueeze", share, graph.ints(1)), x)


class FloatBlocks:
    """Dense layers in float32; `taps` names the inputs of every dense layer, for calibration."""

    def __init__(self, graph: GraphBuilder, shape: Shape, weights: Weights) -> None:
        self.graph, self.shape, self.weights = graph, shape, weights
        self.taps: dict[str, str] = {}

    def embed(self, ids: str) -> str:
        """Rows of the table."""
        return self.graph.node("Gather", self.graph.constant(self.weights["embed.word"]), ids)

    def attend(self, layer: int, x: str, mask: str, shape: str) -> str:
        """Projection, onnxruntime's fused attention, projection."""
        graph, size = self.graph, self.shape.attention
        packed = graph.node("Concat", shape, graph.ints(3 * size), axis=0)
        qkv = graph.node("Reshape", self.dense(f"layers.{layer}.qkv", x), packed)
        query, key, value = graph.nodes("Split", qkv, outputs=3, axis=-1, num_outputs=3)
        context = graph.node(
            "MultiHeadAttention",
            *(query, key, value, "", mask),
            domain=MICROSOFT,
            num_heads=self.shape.heads,
        )
        return self.dense(f"layers.{layer}.out", graph.node("Reshape", context, graph.ints(-1, size)))

    def feed_forward(self, layer: int, x: str) -> str:
        """Dense, activation, dense."""
        y = self.dense(f"layers.{layer}.ffn_in", x)
        return self.dense(f"layers.{layer}.ffn_out", activated(self.graph, self.shape, y))

    def dense(self, name: str, x: str) -> str:
        """The product x W^T + b of a Linear in torch's layout."""
        self.taps[name] = x
        weight, bias = (
            self.weights[f"{stored_name(self.shape, name)}.{part}"] for part in ("weight", "bias")
        )
        product = self.graph.node("MatMul", x, self.graph.constant(np.ascontiguousarray(weight.T)))
        return self.graph.node("Add", product, self.graph.constant(bias))


def activated(graph: GraphBuilder, shape: Shape, x: str) -> str:
    """The activation of the feed-forward half, in floats."""
    if shape.activation == "relu":
        return graph.node("Relu", x)
    return graph.node("Gelu", x, approximate="tanh" if shape.activation == "gelu_tanh" else "none")


def stored_name(shape: Shape, name: str) -> str:
    """The name under which a dense layer `layers.{i}.{part}` is stored: shared layers have one."""
    _, layer, part = name.split(".")
    return f"layers.{shape.stored(int(layer))}.{part}"


def float_model(shape: Shape, weights: Weights, *, tapped: bool = False) -> onnx.ModelProto:
    """The network in float32.

    Args:
        shape: Geometry of the network.
        weights: Its state by the names in models/shape.py.
        tapped: Adds the input of every dense layer as an output of the layer's name, [tokens, channels].
    """
    graph = GraphBuilder()
    blocks = FloatBlocks(graph, shape, weights)
    return Walk(graph, shape, weights, blocks).model(blocks.taps if tapped else None)
