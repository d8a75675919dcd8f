import numpy as np
import onnx
import onnxruntime as ort
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from models.own.rewrite import per_row, spans_tensor
from models.own.saturation import EXACT_SIGNED, SAFE_WEIGHT
from models.own.trial import Trial
from server.inference.cores import cpu_features
from server.inference.values import Task
from tests.models.own.conftest import LAYOUT, SHAPE, optimised, quantised

WIDTHS = (8, 24, 64)

EXACT = any(cpu_features().issuperset(cpu) for cpu in EXACT_SIGNED)
"""Whether products with signed weights of eight bits cannot saturate on this CPU."""


def trial(path):
    return Trial(path, LAYOUT, SHAPE.vocab)


@pytest.mark.parametrize("task", [Task.CLASSIFY, Task.NER])
@pytest.mark.parametrize("per_channel", [False, True])
@pytest.mark.parametrize("kept", ["as quantised", "as optimised"])
def test_one_scale_a_row_gives_every_text_its_own_answer(exports, tmp_path, task, per_channel, kept):
    stock = quantised(exports[task, False], tmp_path / "stock.onnx", per_channel=per_channel)
    if kept == "as optimised":
        stock = optimised(stock, tmp_path / "optimised.onnx")
    assert trial(stock).independent_rows(WIDTHS, 16) == 1, "the stock graph must fail, or this proves nothing"

    model = onnx.load(stock)
    assert spans_tensor(model)
    rewriting = per_row(model)
    onnx.checker.check_model(model)
    assert rewriting.rewritten > 0
    assert rewriting.left == ()
    assert not spans_tensor(model)
    rewritten = tmp_path / "rewritten.onnx"
    onnx.save(model, rewritten)
    assert trial(rewritten).independent_rows(WIDTHS, 16) == 16
    assert trial(stock).distance(trial(rewritten)) < 0.1
    assert trial(exports[task, False]).distance(trial(rewritten)) < (0.1 if EXACT else 0.2)


def test_float_graphs_are_independent_as_they_are(exports):
    for path in (exports[task, fused] for task in (Task.CLASSIFY, Task.NER) for fused in (False, True)):
        assert not spans_tensor(onnx.load(path))
        assert trial(path).independent_rows(WIDTHS, 16) == 16


def test_a_scale_inside_a_fused_attention_is_named_and_left(exports, tmp_path):
    stock = quantised(exports[Task.CLASSIFY, True], tmp_path / "stock.onnx")
    rewriting = per_row(onnx.load(stock))
    assert rewriting.left == ("QAttention",)


@pytest.mark.parametrize("value", ["x_quantized", "x_scale", "x_zero"])
@pytest.mark.parametrize("how", ["as an output", "through a node"])
def test_a_value_that_something_else_reads_is_left_alone(value, how):
    model = product_model(np.ones((4, 3), np.int8), np.float32([0.5]), np.zeros(1, np.int8))
    seen = value if how == "as an output" else "seen"
    if seen != value:
        model.graph.node.append(helper.make_node("Identity", [value], [seen]))
    kind = TensorProto.FLOAT if value == "x_scale" else TensorProto.UINT8
    model.graph.output.append(helper.make_tensor_value_info(seen, kind, None))
    rewriting = per_row(model)
    assert rewriting.rewritten == 0
    assert rewriting.left
    assert spans_tensor(model)
    assert np.allclose(run(model, np.ones((1, 2, 4), np.float32)), 2.0, rtol=0.02)


def product_model(weights, scale, zero, opset=17):
    """DynamicQuantizeLinear, MatMulInteger, Cast, Mul, (Add): what quantize_dynamic writes for one MatMul."""
    nodes = [
        helper.make_node("DynamicQuantizeLinear", ["x"], ["x_quantized", "x_scale", "x_zero"]),
        helper.make_node("MatMulInteger", ["x_quantized", "w", "x_zero", "w_zero"], ["integers"]),
        helper.make_node("Cast", ["integers"], ["floats"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["x_scale", "w_scale"], ["scale"]),
        helper.make_node("Mul", ["floats", "scale"], ["y"]),
    ]
    constants = {"w": weights, "w_scale": scale, "w_zero": zero}
    graph = helper.make_graph(
        nodes,
        "product",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["b", "s", weights.shape[0]])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["b", "s", weights.shape[1]])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


def run(model, x):
    options = ort.SessionOptions()
    options.log_severity_level = 4
    session = ort.InferenceSession(model.SerializeToString(), options, ["CPUExecutionProvider"])
    return session.run(["y"], {"x": x})[0]


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 2**16),
    rows=st.integers(1, 4),
    size=st.sampled_from([1, 3, 16, 33]),
    columns=st.sampled_from([1, 5, 16]),
    spread=st.sampled_from([1e-6, 1.0, 1e4]),
    opset=st.sampled_from([11, 13, 17, 18, 20]),
)
def test_a_product_is_as_exact_as_its_rows_scale_allows(seed, rows, size, columns, spread, opset):
    random = np.random.default_rng(seed)
    x = (random.normal(0, spread, (2, rows, size)) * random.choice([0, 1, 30], (2, rows, 1))).astype(
        np.float32
    )
    top = 127 if EXACT else SAFE_WEIGHT - 1
    weights = random.integers(-top, top + 1, (size, columns)).astype(np.int8)
    scale = random.uniform(0.001, 0.1, columns).astype(np.float32)
    model = product_model(weights, scale, np.zeros(columns, np.int8), opset)
    assert per_row(model).rewritten == 1
    got = run(model, x)
    real = weights.astype(np.float64) * scale
    step = np.abs(x).max(axis=-1, keepdims=True) / 127
    bound = step * np.abs(real).sum(axis=0) * 0.5001 + 1e-5 * np.abs(x @ real) + 1e-12
    assert (np.abs(got - x @ real) <= bound).all()
    assert (got[np.abs(x).max(axis=-1) == 0] == 0).all()
