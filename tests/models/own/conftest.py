"""Tiny BERTs with random weights, exported and quantised as a user's would be."""

from __future__ import annotations

from pathlib import Path

import onnx
import onnxruntime as ort
import pytest
from onnx import TensorProto
from onnxruntime.quantization import quantize_dynamic

from models.bert_graph import SPAN_HEAD, BertShape, Head, bert_graph
from models.own.pack import Wish
from server.inference.manifest import Layout
from server.inference.values import Task

CHARACTERS = "，。：？！0123456789一二三abcdefghijklmnopqrstuvwxyz" + "".join(
    map(chr, range(0x4E00, 0x4E00 + 2000))
)
VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *dict.fromkeys(CHARACTERS)]
SHAPE = BertShape(vocab=len(VOCABULARY), layers=2, width=64, heads=4, ffn=128, positions=64)
HEADS = {
    Task.CLASSIFY: (Head(3), "体育,财经,科技"),
    Task.PAIR: (Head(2), "0,1"),
    Task.NER: (Head(5, per_token=True), "O,B-PER,I-PER,B-LOC,I-LOC"),
    Task.QA: (SPAN_HEAD, None),
}
LAYOUT = Layout(
    prefix=(2,),
    middle=(3,),
    suffix=(3,),
    pad=0,
    second_type=1,
    max_length=64,
    overlap=16,
    types="token_type_ids",
)


def quantised(graph: Path, made: Path, *, per_channel: bool = False, reduce_range: bool = False) -> Path:
    """What onnxruntime's own tool gives."""
    quantize_dynamic(
        graph,
        made,
        per_channel=per_channel,
        reduce_range=reduce_range,
        extra_options={"DefaultTensorType": TensorProto.FLOAT},
    )
    return made


def optimised(graph: Path, made: Path) -> Path:
    """As a user keeps what onnxruntime's session made of a graph."""
    options = ort.SessionOptions()
    options.optimized_model_filepath = str(made)
    options.log_severity_level = 4
    ort.InferenceSession(str(graph), options, ["CPUExecutionProvider"])
    return made


@pytest.fixture(scope="session")
def vocabulary(tmp_path_factory):
    path = tmp_path_factory.mktemp("words") / "vocab.txt"
    path.write_text("\n".join(VOCABULARY) + "\n", encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def exports(tmp_path_factory):
    """Float graphs by task, and fused ones."""
    folder = tmp_path_factory.mktemp("exports")
    made = {}
    for task, (head, _) in HEADS.items():
        for fused in (False, True):
            path = folder / f"{task}{'-fused' if fused else ''}.onnx"
            onnx.save(bert_graph(SHAPE, head, fused=fused), path)
            made[task, fused] = path
    return made


@pytest.fixture
def wish(exports, vocabulary, tmp_path):
    """A wish for a task's float graph, to be changed by keyword."""

    def make(task=Task.CLASSIFY, **changes):
        given = {
            "onnx": exports[task, False],
            "tokenizer": vocabulary,
            "task": task,
            "name": "mine",
            "out": tmp_path / "mine",
            "labels": HEADS[task][1],
            "max_length": 32,
        }
        return Wish(**(given | changes))

    return make
