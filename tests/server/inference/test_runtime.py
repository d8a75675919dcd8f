"""Graphs open or are refused, and a row's numbers do not depend on its company."""

from __future__ import annotations

import msgspec
import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper

from server.errors import BadBundle
from server.inference.manifest import Layout
from server.inference.runtime import Session, collate, own_rows
from server.inference.values import Example, Task, Window
from tests.kit import bundle_kit as kit

LAYOUT = Layout(prefix=(2,), middle=(3,), suffix=(3,), pad=0, max_length=32, overlap=8)


def session(tmp_path, graph, layout=LAYOUT) -> Session:
    path = tmp_path / "model.onnx"
    path.write_bytes(graph.SerializeToString())
    return Session(path, layout, "tiny")


def example(*ids: int, types: list[int] | None = None) -> Example:
    found = None if types is None else np.array(types, dtype=np.int64)
    return Example(np.array(ids, dtype=np.int64), found, Window(0, len(ids), 0))


def test_examples_are_padded_side_by_side():
    batch = collate([example(5, 6, 7), example(8, types=[1])], 4, pad=9)
    assert batch.ids.tolist() == [[5, 6, 7, 9], [8, 9, 9, 9]]
    assert batch.mask.tolist() == [[1, 1, 1, 0], [1, 0, 0, 0]]
    assert batch.types.tolist() == [[0, 0, 0, 0], [1, 0, 0, 0]]
    assert {array.dtype for array in (batch.ids, batch.mask, batch.types)} == {np.dtype(np.int64)}


def test_own_rows_are_cut_and_keep_no_batch_in_memory():
    wide = np.arange(24, dtype=np.float32).reshape(2, 4, 3)
    first, second = own_rows(wide, [example(1, 2), example(1, 2, 3)])
    assert first.tolist() == wide[0, :2].tolist()
    assert second.tolist() == wide[1, :3].tolist()
    pooled = own_rows(wide[:, 0], [example(1), example(1)])
    assert all(row.base is None for row in (first, second, *pooled))


@pytest.mark.parametrize("task", Task)
def test_scores_have_the_tasks_shape(tmp_path, task):
    logits = session(tmp_path, kit.gather_graph(task)).run(collate([example(2, 5, 3)] * 3, 8, 0))
    n = kit.table(task).shape[1]
    assert logits.shape == ((3, 8, n) if task in (Task.NER, Task.QA) else (3, n))
    assert logits.dtype == np.float32


def test_two_outputs_are_start_and_end(tmp_path):
    graph = kit.gather_graph(Task.QA)
    graph.graph.node[-1].op_type = "Split"
    graph.graph.node[-1].output[:] = ["s3", "e3"]
    graph.graph.node[-1].attribute.append(helper.make_attribute("axis", 2))
    graph.graph.initializer.append(onnx.numpy_helper.from_array(np.array([2]), "last"))
    graph.graph.node.extend(helper.make_node("Squeeze", [f"{n}3", "last"], [n]) for n in ("s", "e"))
    del graph.graph.output[:]
    graph.graph.output.extend(
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["rows", "width"]) for name in ("s", "e")
    )
    layout = msgspec.structs.replace(LAYOUT, outputs=("s", "e"))
    batch = collate([example(2, 20, 21, 3), example(2, 22, 3)], 8, 0)
    one = session(tmp_path, kit.gather_graph(Task.QA)).run(batch)
    two = session(tmp_path, graph, layout).run(batch)
    assert np.array_equal(one, two)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        (
            {"types": "token_type_ids"},
            "takes the inputs ['attention_mask', 'input_ids'], but the",
        ),
        ({"mask": None}, "but the layout feeds ['input_ids']"),
        ({"outputs": ("scores",)}, "gives the outputs ['logits'], but the layout reads floats from 'scores'"),
    ],
)
def test_a_graph_that_is_not_the_layouts(tmp_path, fields, words):
    with pytest.raises(BadBundle) as refused:
        session(tmp_path, kit.gather_graph(Task.NER), msgspec.structs.replace(LAYOUT, **fields))
    assert words in refused.value.message


def test_what_is_no_graph_or_keeps_its_weights_elsewhere(tmp_path):
    (tmp_path / "model.onnx").write_bytes(b"no graph")
    with pytest.raises(BadBundle, match="cannot be opened as a graph"):
        Session(tmp_path / "model.onnx", LAYOUT, "tiny")
    onnx.save(
        kit.gather_graph(Task.NER),
        tmp_path / "model.onnx",
        save_as_external_data=True,
        location="weights.bin",
        size_threshold=0,
    )
    assert (tmp_path / "weights.bin").is_file()
    with pytest.raises(BadBundle, match="cannot be opened as a graph"):
        Session(tmp_path / "model.onnx", LAYOUT, "tiny")


def test_inputs_of_another_type(tmp_path):
    graph = kit.gather_graph(Task.NER)
    graph.graph.input[0].type.tensor_type.elem_type = TensorProto.INT32
    with pytest.raises(BadBundle, match=r"must be tensor\(int64\)"):
        session(tmp_path, graph)


lengths = st.lists(st.integers(2, 32), min_size=1, max_size=8)


@pytest.mark.parametrize("kind", ["float", "int8"])
@pytest.mark.parametrize("task", [Task.CLASSIFY, Task.NER])
def test_a_rows_numbers_are_equal_to_the_last_bit_alone_and_in_any_company(tmp_path, task, kind):
    opened = session(tmp_path, kit.dense_graph(task, kind, size=96))

    @settings(max_examples=40, deadline=None)
    @given(lengths, st.integers(0, 2**32 - 1))
    def check(found: list[int], seed: int) -> None:
        dice = np.random.default_rng(seed)
        examples = [example(*dice.integers(4, len(kit.VOCABULARY), length)) for length in found]
        together = own_rows(opened.run(collate(examples, 32, 0)), examples)
        for one, row in zip(examples, together, strict=True):
            (alone,) = own_rows(opened.run(collate([one], 32, 0)), [one])
            assert alone.tobytes() == row.tobytes()

    check()
