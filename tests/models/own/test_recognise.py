import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from models.errors import MakeError
from models.own.recognise import recognise
from server.inference.values import Task
from tests.models.own.conftest import SHAPE, quantised


def changed(path, made, change):
    model = onnx.load(path)
    change(model)
    onnx.save(model, made)
    return made


def rename_input(model, old, new):
    for entry in model.graph.input:
        entry.name = new if entry.name == old else entry.name
    for node in model.graph.node:
        node.input[:] = [new if name == old else name for name in node.input]


def set_dim(model, name, axis, size):
    entry = next(entry for entry in model.graph.input if entry.name == name)
    entry.type.tensor_type.shape.dim[axis].dim_value = size


def test_a_usual_export_is_recognised(exports):
    for (task, _), path in exports.items():
        network = recognise(path, task)
        assert (network.ids, network.mask, network.types) == ("input_ids", "attention_mask", "token_type_ids")
        assert network.outputs == (("start_logits", "end_logits") if task is Task.QA else ("logits",))
        assert network.embedding_rows == SHAPE.vocab
        assert network.notes == ()
    assert network.parameters > SHAPE.vocab * SHAPE.width


def test_a_quantised_embedding_is_found(exports, tmp_path):
    path = quantised(exports[Task.CLASSIFY, False], tmp_path / "q.onnx")
    assert recognise(path, Task.CLASSIFY).embedding_rows == SHAPE.vocab


def test_other_names_are_known(exports, tmp_path):
    def rename(model):
        rename_input(model, "input_ids", "input_word_ids")
        rename_input(model, "token_type_ids", "segment_ids")
        rename_input(model, "attention_mask", "input_mask")

    network = recognise(changed(exports[Task.PAIR, False], tmp_path / "m.onnx", rename), Task.PAIR)
    assert (network.ids, network.mask, network.types) == ("input_word_ids", "input_mask", "segment_ids")


def test_weights_in_other_files_are_taken_in(exports, tmp_path):
    path = tmp_path / "m.onnx"
    onnx.save(
        onnx.load(exports[Task.NER, False]),
        path,
        save_as_external_data=True,
        location="m.data",
        size_threshold=0,
    )
    network = recognise(path, Task.NER)
    assert all(tensor.data_location != TensorProto.EXTERNAL for tensor in network.model.graph.initializer)
    (tmp_path / "m.data").unlink()
    with pytest.raises(MakeError, match=r"external data|missing"):
        recognise(path, Task.NER)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda m: set_dim(m, "input_ids", 1, 128), "fixed number of width, 128.*dynamic_axes"),
        (lambda m: set_dim(m, "attention_mask", 0, 1), "fixed number of rows, 1"),
        (lambda m: rename_input(m, "input_ids", "pixels"), "no input named input_ids"),
        (lambda m: rename_input(m, "token_type_ids", "position_ids"), "also asks for .* position_ids"),
    ],
)
def test_what_cannot_be_fed_is_said(exports, tmp_path, change, said):
    path = changed(exports[Task.CLASSIFY, False], tmp_path / "m.onnx", change)
    with pytest.raises(MakeError, match=said):
        recognise(path, Task.CLASSIFY)


def test_a_question_answerer_is_no_classifier(exports):
    with pytest.raises(MakeError, match="--task qa"):
        recognise(exports[Task.QA, False], Task.CLASSIFY)


@pytest.mark.parametrize("content", [b"", b"not a graph at all", b"\x00" * 64])
def test_other_files_are_refused(tmp_path, content):
    path = tmp_path / "m.onnx"
    path.write_bytes(content)
    with pytest.raises(MakeError, match="ONNX"):
        recognise(path, Task.CLASSIFY)


def test_integers_of_32_bits_become_64(exports, tmp_path):
    def narrow(model):
        for entry in model.graph.input:
            entry.type.tensor_type.elem_type = TensorProto.INT32

    network = recognise(changed(exports[Task.CLASSIFY, False], tmp_path / "m.onnx", narrow), Task.CLASSIFY)
    assert {entry.type.tensor_type.elem_type for entry in network.model.graph.input} == {TensorProto.INT64}
    assert any("32-bit" in note for note in network.notes)
    assert network.embedding_rows == SHAPE.vocab


def test_half_floats_become_whole_ones(tmp_path):
    table = np.random.default_rng(0).normal(size=(20, 3)).astype(np.float16)
    nodes = [
        helper.make_node("Gather", ["table", "input_ids"], ["rows"]),
        helper.make_node("Cast", ["attention_mask"], ["mask"], to=TensorProto.FLOAT16),
        helper.make_node("Unsqueeze", ["mask", "axis"], ["column"]),
        helper.make_node("Mul", ["rows", "column"], ["logits"]),
    ]
    graph = helper.make_graph(
        nodes,
        "half",
        [
            helper.make_tensor_value_info(n, TensorProto.INT64, ["b", "s"])
            for n in ("input_ids", "attention_mask")
        ],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT16, ["b", "s", 3])],
        [numpy_helper.from_array(table, "table"), numpy_helper.from_array(np.int64([2]), "axis")],
    )
    path = tmp_path / "m.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    network = recognise(path, Task.NER)
    assert any("16-bit" in note for note in network.notes)
    onnx.checker.check_model(network.model, full_check=True)
    assert all(tensor.data_type != TensorProto.FLOAT16 for tensor in network.model.graph.initializer)
