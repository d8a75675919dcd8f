"""Tiny ONNX graphs for all four tasks, made in milliseconds; their scores are a function of the ids.

Every character is one token. What the networks know: 球 is sports, 股 finance, 机 tech; 同 makes a pair the
same; 张 begins a person and 三 goes on, 北 begins a place and 京 goes on; an answer stands from 甲 to 乙.
"""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from server.inference.values import Task

PAD, UNK, CLS, SEP = range(4)
POISON = "毒"
"""The last token of the vocabulary: some graphs raise on it, some give NaN."""

_HAN = "球股机同张三北京甲乙今天气很好我们去公园看花新闻国内外经济形势总体平稳的是在了有和人这中大为上个"
_CHARS = dict.fromkeys(_HAN + "，。！？《》abcdefghijklmnopqrstuvwxyz0123456789")
_TOKENS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *_CHARS, POISON]
VOCABULARY = {token: number for number, token in enumerate(_TOKENS)}
LABELS = {
    Task.CLASSIFY: (("news_sports", "体育"), ("news_finance", "财经"), ("news_tech", "科技")),
    Task.PAIR: (("0", "不同"), ("1", "相同")),
    Task.NER: (("per", "人名"), ("loc", "地名")),
    Task.QA: (),
}
TAGS = ("O", "B-per", "I-per", "B-loc", "I-loc")
_SPECIAL = {
    Task.CLASSIFY: {"球": 0, "股": 1, "机": 2},
    Task.PAIR: {"同": 1},
    Task.NER: {"张": 1, "三": 2, "北": 3, "京": 4},
    Task.QA: {"甲": 0, "乙": 1},
}
_TOKEN_TASKS = (Task.NER, Task.QA)


def table(task: Task, rows: int | None = None) -> np.ndarray:
    """What each token adds to each score: [vocabulary, scores]; cut to `rows` tokens."""
    wide = {Task.NER: len(TAGS), Task.QA: 2}.get(task, len(LABELS[task]))
    weights = np.random.default_rng(7).normal(0, 0.01, (len(VOCABULARY), wide)).astype(np.float32)
    if task is Task.NER:
        weights[:, 0] += 4
    for char, score in _SPECIAL[task].items():
        weights[VOCABULARY[char], score] += 8
    return weights[:rows]


def gather_graph(task: Task, weights: np.ndarray | None = None) -> onnx.ModelProto:
    """Scores read from a table, summed over a text's tokens where the task is about the whole text."""
    weights = table(task) if weights is None else weights
    return _model(task, [helper.make_node("Gather", ["table", "input_ids"], ["scores"])], {"table": weights})


def raising_graph(task: Task) -> onnx.ModelProto:
    """As `gather_graph`, but it raises on POISON."""
    return gather_graph(task, table(task, VOCABULARY[POISON]))


def nan_graph(task: Task) -> onnx.ModelProto:
    """As `gather_graph`, but POISON scores NaN."""
    weights = table(task).copy()
    weights[VOCABULARY[POISON]] = np.nan
    return gather_graph(task, weights)


def dense_graph(task: Task, kind: str = "float", size: int = 32, layers: int = 2) -> onnx.ModelProto:
    """Embedding, matrix products, and the table's scores on top.

    Args:
        task: Of the head.
        kind: float; int8, with a fixed scale; or dynamic, with one scale a batch, so that mates meddle.
        size: Width of the layers; a large one makes a slow graph.
        layers: How many products.
    """
    random = np.random.default_rng(11)
    weights = {
        "table": table(task),
        "embedding": random.normal(0, 1, (len(VOCABULARY), size)).astype(np.float32),
        "head": random.normal(0, 0.05, (size, table(task).shape[1])).astype(np.float32),
    }
    nodes = [helper.make_node("Gather", ["embedding", "input_ids"], ["h0"])]
    for layer in range(layers):
        nodes += _product(layer, kind, weights, random.normal(0, size**-0.5, (size, size)))
    nodes += [
        helper.make_node("MatMul", [f"h{layers}", "head"], ["learnt"]),
        helper.make_node("Gather", ["table", "input_ids"], ["read"]),
        helper.make_node("Add", ["learnt", "read"], ["scores"]),
    ]
    return _model(task, nodes, weights)


def slow_graph(task: Task, size: int = 512, layers: int = 24) -> onnx.ModelProto:
    """Takes some ten milliseconds and more a text."""
    return dense_graph(task, size=size, layers=layers)


def _product(
    layer: int, kind: str, weights: dict[str, np.ndarray], matrix: np.ndarray
) -> list[onnx.NodeProto]:
    source, name, target = f"h{layer}", f"w{layer}", f"h{layer + 1}"
    relu = helper.make_node("Relu", [f"{target}.raw"], [target])
    if kind == "float":
        weights[name] = matrix.astype(np.float32)
        return [helper.make_node("MatMul", [source, name], [f"{target}.raw"]), relu]
    scale = np.abs(matrix).max() / 127
    weights[name] = np.round(matrix / scale).astype(np.int8)
    q, s, z = f"{source}.q", f"{source}.s", f"{source}.z"
    if kind == "dynamic":
        nodes = [helper.make_node("DynamicQuantizeLinear", [source], [q, s, z])]
    else:
        weights[s], weights[z] = np.float32(0.05), np.uint8(128)
        nodes = [helper.make_node("QuantizeLinear", [source, s, z], [q])]
    weights[f"{name}.s"] = np.float32(scale)
    return [
        *nodes,
        helper.make_node("MatMulInteger", [q, name, z], [f"{target}.i"]),
        helper.make_node("Cast", [f"{target}.i"], [f"{target}.f"], to=TensorProto.FLOAT),
        helper.make_node("Mul", [s, f"{name}.s"], [f"{target}.s2"]),
        helper.make_node("Mul", [f"{target}.f", f"{target}.s2"], [f"{target}.raw"]),
        relu,
    ]


def _model(task: Task, nodes: list[onnx.NodeProto], weights: dict[str, np.ndarray]) -> onnx.ModelProto:
    """Nodes that make `scores` [rows, width, n] of `input_ids`, with the end that the task needs."""
    if task in _TOKEN_TASKS:
        end = [helper.make_node("Identity", ["scores"], ["logits"])]
        shape = ["rows", "width", table(task).shape[1]]
    else:
        end = _sum_over_tokens()
        weights = {**weights, "tokens": np.array([1])}
        shape = ["rows", table(task).shape[1]]
    graph = helper.make_graph(
        [*nodes, *end],
        "tiny",
        [helper.make_tensor_value_info(name, TensorProto.INT64, ["rows", "width"]) for name in _INPUTS],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, shape)],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in weights.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


_INPUTS = ("input_ids", "attention_mask")


def _sum_over_tokens() -> list[onnx.NodeProto]:
    """A product with the mask: ReduceSum adds up one row in another order than several."""
    return [
        helper.make_node("Cast", ["attention_mask"], ["mask"], to=TensorProto.FLOAT),
        helper.make_node("Unsqueeze", ["mask", "tokens"], ["mask3"]),  # [rows, 1, width]
        helper.make_node("MatMul", ["mask3", "scores"], ["sum"]),
        helper.make_node("Squeeze", ["sum", "tokens"], ["logits"]),
    ]
