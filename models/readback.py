"""The int8 graphs of `models.quantize`, read back as float networks. Knows no bundle and no training.

Steps and scales are multiplied into the weights around them, so that the network answers as the graph does,
but for rounded activations.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import onnx
from msgspec import UNSET
from numpy.typing import NDArray
from onnx import numpy_helper

from models.shape import Activation, Pooling, Shape

Floats = NDArray[np.float32]


def read_graph(graph: onnx.GraphProto) -> tuple[Shape, dict[str, Floats]]:
    """Geometry and float weights, shaped as in `models.network`, of an int8 graph of ours.

    Shared layers are read one by one, spans as tokens, marks as nothing but their weights.

    Raises:
        LookupError, ValueError: It is none.
    """
    read = _Graph(graph)
    weights = read.weights()
    return read.shape(weights), weights


class _Graph:
    """A graph of `models.quantize`, read node by node in the order in which they were written."""

    def __init__(self, graph: onnx.GraphProto) -> None:
        self.constants = {each.name: numpy_helper.to_array(each) for each in graph.initializer}
        self.makers = {name: node for node in graph.node for name in node.output}
        self.attentions = [node for node in graph.node if node.op_type == "QAttention"]
        self.dense = [node for node in graph.node if node.op_type == "QGemm"]
        self.norms = [node for node in graph.node if node.op_type == "LayerNormalization"]

    def shape(self, weights: Mapping[str, Floats]) -> Shape:
        """Geometry, by the weights' shapes."""
        vocab, embedded = weights["embed.word"].shape
        hidden, attention = weights["layers.0.out.weight"].shape
        heads = _attribute(self.attentions[0], "num_heads").i
        return Shape(
            vocab=vocab,
            hidden=hidden,
            layers=len(self.attentions),
            heads=heads,
            ffn=len(weights["layers.0.ffn_in.bias"]),
            positions=len(weights["embed.position"]),
            outputs=len(weights["head.bias"]),
            activation=self._activation(),
            pooling=self._pooling(),
            head="classify" if self._pooled() else "tokens",
            eps=float(f"{_attribute(self.norms[0], 'epsilon').f:.6g}"),  # stored as float32
            embedding=embedded if embedded != hidden else None,
            head_size=attention // heads if attention != hidden else UNSET,
        )

    def weights(self) -> dict[str, Floats]:
        """All of them, by the network's names; a layer from which idle units were left out is filled up."""
        found = self._embedding() | self._head()
        widest = max(len(self.constants[node.input[6]]) for node in self.dense[1::3])
        for place, attention in enumerate(self.attentions):
            out, inner, outer = self.dense[3 * place : 3 * place + 3]
            layer = self._attention(attention)
            layer |= self._linear("out", out) | self._linear("ffn_in", inner) | self._linear("ffn_out", outer)
            layer |= self._norm("attn_norm", 2 * place + 1) | self._norm("ffn_norm", 2 * place + 2)
            _balance(layer, "qkv", "out")
            if self._activation() == "relu":
                _balance(layer, "ffn_in", "ffn_out")
            fill_up(layer, widest)
            found |= {f"layers.{place}.{name}": value for name, value in layer.items()}
        return {name: np.ascontiguousarray(value, np.float32) for name, value in found.items()}

    def _activation(self) -> Activation:
        """That of the first feed-forward half: with ReLU nothing stands between its dense layers."""
        before = self.makers[self.dense[2].input[0]]
        while before.op_type in ("QuantizeLinear", "Mul"):
            before = self.makers[before.input[0]]
        if before.op_type != "Gelu":
            return "relu"
        return "gelu_tanh" if _attribute(before, "approximate").s == b"tanh" else "gelu"

    def _attention(self, node: onnx.NodeProto) -> dict[str, Floats]:
        weight, bias, scale = (self.constants[node.input[place]] for place in (1, 2, 4))
        step = self._step(node.input[0])
        return {"qkv.weight": (step[:, None] * weight * scale).T, "qkv.bias": bias}

    def _linear(self, name: str, node: onnx.NodeProto) -> dict[str, Floats]:
        weight, scale, bias = (self.constants[node.input[place]] for place in (3, 4, 6))
        step = self._step(node.input[0])
        return {f"{name}.weight": (step[:, None] * weight * scale).T, f"{name}.bias": bias * scale}

    def _step(self, rounded: str) -> Floats:
        """What an activation is multiplied by before it is rounded: [channels], or one number."""
        node = self.makers[rounded]
        while node.op_type in ("Reshape", "QuantizeLinear"):
            node = self.makers[node.input[0]]
        return self.constants[node.input[1]] if node.op_type == "Mul" else np.ones(1, np.float32)

    def _norm(self, name: str, place: int) -> dict[str, Floats]:
        _, weight, bias = self.norms[place].input
        return {f"{name}.weight": self.constants[weight], f"{name}.bias": self.constants[bias]}

    def _embedding(self) -> dict[str, Floats]:
        sums = [self.makers[self.makers[self.norms[0].input[0]].input[0]]]
        while self.makers[sums[-1].input[0]].op_type == "Add":
            sums.append(self.makers[sums[-1].input[0]])
        rows, places = (self.makers[name] for name in sums[-1].input)
        table, scale = (self.makers[self._through_casts(name)].input[0] for name in rows.input)
        found = {
            "embed.word": self.constants[table] * self.constants[scale],
            "embed.position": self.constants[places.input[0]],
        }
        if len(sums) > 1:
            found["embed.second"] = self.constants[self.makers[sums[0].input[1]].input[1]]
        return found | self._norm("embed.norm", 0) | self._projection()

    def _through_casts(self, name: str) -> str:
        while self.makers[name].op_type == "Cast":
            name = self.makers[name].input[0]
        return name

    def _projection(self) -> dict[str, Floats]:
        """What leads from narrow words to the width of the layers, if anything does."""
        for node in self.makers.values():
            if node.op_type == "MatMul" and node.input[0] == self.norms[0].output[0]:
                (add,) = (each for each in self.makers.values() if node.output[0] in each.input)
                weight, bias = self.constants[node.input[1]].T, self.constants[add.input[1]]
                return {"embed.project.weight": weight, "embed.project.bias": bias}
        return {}

    def _head(self) -> dict[str, Floats]:
        add = self.makers[self.makers["logits"].input[0]]
        product = self._pooled() or self.makers[add.input[0]]
        weight = self.constants[product.input[0]] if self._pooled() else self.constants[product.input[1]].T
        return {"head.weight": weight, "head.bias": self.constants[add.input[1]]}

    def _pooled(self) -> onnx.NodeProto | None:
        """The product of head and column, where there is one row of scores a text."""
        below = self.makers[self.makers[self.makers["logits"].input[0]].input[0]]
        return self.makers[below.input[0]] if below.op_type == "Squeeze" else None

    def _pooling(self) -> Pooling:
        product = self._pooled()
        if product is None:
            return "mean"  # as a Shape says that pools nothing
        kinds: dict[str, Pooling] = {"Slice": "cls", "Concat": "compared", "MatMul": "mean"}
        return kinds[self.makers[self.makers[product.input[1]].input[0]].op_type]


def _attribute(node: onnx.NodeProto, name: str) -> onnx.AttributeProto:
    return next(each for each in node.attribute if each.name == name)


def _balance(layer: dict[str, Floats], before: str, after: str) -> None:
    """Make what one dense layer gives a channel as strong as what the next one takes of it.

    Nothing but a mean or a ReLU stands between them, so the function stays. The steps of the integers had
    left one large and the other small, which one rate would train unequally.
    """
    given, taken = layer[f"{before}.weight"], layer[f"{after}.weight"]
    channels = taken.shape[1]  # of qkv the last third, the values
    gives, takes = np.linalg.norm(given[-channels:], axis=1), np.linalg.norm(taken, axis=0)
    live = (gives > 0) & (takes > 0)
    factor = np.ones(channels, np.float32)
    factor[live] = np.sqrt(takes[live] / gives[live])
    if live.any():  # what is rounded away has lost its size; with that of the others it may learn again
        idle = (gives > 0) & (takes == 0)
        factor[idle] = np.median(gives[live] * factor[live]) / gives[idle]
    scale = np.ones(len(given), np.float32)
    scale[-channels:] = factor
    layer[f"{before}.weight"] = given * scale[:, None]
    layer[f"{before}.bias"] = layer[f"{before}.bias"] * scale
    layer[f"{after}.weight"] = taken / factor


def fill_up(layer: dict[str, Floats], units: int) -> None:
    """Add inner units, up to `units`, that nothing takes yet, as strong as the others: they may learn."""
    given, taken = layer["ffn_in.weight"], layer["ffn_out.weight"]
    more = units - len(given)
    size = np.median(np.linalg.norm(given, axis=1)) / np.sqrt(given.shape[1])
    fresh = np.random.default_rng(0).normal(0, size, (more, given.shape[1]))
    layer["ffn_in.weight"] = np.concatenate([given, fresh]).astype(np.float32)
    layer["ffn_in.bias"] = np.concatenate([layer["ffn_in.bias"], np.zeros(more, np.float32)])
    layer["ffn_out.weight"] = np.concatenate([taken, np.zeros((len(taken), more), np.float32)], axis=1)
