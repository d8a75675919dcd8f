import platform
import shutil
import subprocess
import sys

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper, numpy_helper

from models.own.saturation import saturating, unsigned
from server.inference.values import Task
from tests.models.own.conftest import quantised


def product_model(weights, *, zero=None):
    inputs = ["x", "w", "x_zero"] + ["w_zero"] * (zero is not None)
    constants = {"w": weights, "x_zero": np.uint8([7])} | ({} if zero is None else {"w_zero": zero})
    graph = helper.make_graph(
        [helper.make_node("MatMulInteger", inputs, ["y"])],
        "product",
        [helper.make_tensor_value_info("x", TensorProto.UINT8, ["rows", weights.shape[0]])],
        [helper.make_tensor_value_info("y", TensorProto.INT32, ["rows", weights.shape[1]])],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def without_vnni(x, weights):
    """What VPMADDUBSW makes of x @ weights: pairs of products are added in 16 bits, with saturation."""
    products = x[:, :, None].astype(np.int32) * weights[None].astype(np.int32)
    pairs = products[:, 0::2] + products[:, 1::2]
    return np.clip(pairs, -(2**15), 2**15 - 1).sum(axis=1)


def random_product(top):
    random = np.random.default_rng(3)
    x = random.integers(200, 256, (5, 32)).astype(np.uint8)
    return x, (random.choice([-1, 1], 4) * random.integers(top - 3, top + 1, (32, 4))).astype(np.int8)


def test_full_range_weights_saturate_and_are_seen():
    x, weights = random_product(127)
    assert not np.array_equal(without_vnni(x, weights), x.astype(np.int32) @ weights.astype(np.int32))
    assert saturating(product_model(weights)) == 1


def test_seven_bit_weights_cannot_saturate_and_are_left():
    x, weights = random_product(64)
    assert np.array_equal(without_vnni(x, weights), x.astype(np.int32) @ weights.astype(np.int32))
    assert saturating(product_model(weights)) == 0


@pytest.mark.parametrize("edge", [64, -64, 65, -65])
def test_the_border_is_at_64(edge):
    x = np.full((1, 4), 255, np.uint8)
    weights = np.full((4, 1), edge, np.int8)
    exact = x.astype(np.int32) @ weights.astype(np.int32)
    assert (saturating(product_model(weights)) == 0) == np.array_equal(without_vnni(x, weights), exact)


@pytest.mark.parametrize("zero", [None, np.int8(0), np.int8([3, -5, 0, 127])])
def test_unsigned_weights_give_the_integers_of_the_signed_ones(zero):
    x, weights = random_product(127)
    model = product_model(weights, zero=zero)
    unsigned(model)
    assert saturating(model) == 0
    assert all(tensor.data_type != TensorProto.INT8 for tensor in model.graph.initializer)
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    shifted = weights.astype(np.int32) - (0 if zero is None else zero.astype(np.int32))
    assert np.array_equal(session.run(None, {"x": x})[0], (x.astype(np.int32) - 7) @ shifted)


@pytest.mark.parametrize("fused", [False, True])
def test_stock_networks_are_seen_unless_their_range_was_reduced(exports, tmp_path, fused):
    plain = exports[Task.CLASSIFY, fused]
    full = onnx.load(quantised(plain, tmp_path / "full.onnx"))
    assert saturating(full) > 0
    unsigned(full)
    assert saturating(full) == 0
    onnx.checker.check_model(full)
    reduced = quantised(plain, tmp_path / "reduced.onnx", reduce_range=True)
    assert saturating(onnx.load(reduced)) == 0


def test_a_quantised_embedding_is_no_product(exports, tmp_path):
    model = onnx.load(quantised(exports[Task.NER, False], tmp_path / "full.onnx"))
    products = sum(node.op_type == "MatMulInteger" for node in model.graph.node)
    tables = sum(node.op_type == "DequantizeLinear" for node in model.graph.node)
    assert tables > 0
    assert 0 < saturating(model) <= products


@pytest.mark.skipif(platform.machine() != "x86_64", reason="the instruction is one of x86-64")
@pytest.mark.skipif(
    shutil.which("qemu-x86_64") is None, reason="qemu-x86_64 (Debian: qemu-user) stands in for an old CPU"
)
def test_on_a_cpu_with_avx2_alone_signed_weights_are_wrong_and_unsigned_ones_right(tmp_path):
    x, weights = random_product(127)
    signed = product_model(weights)
    moved = product_model(weights)
    unsigned(moved)
    onnx.save(signed, tmp_path / "signed.onnx")
    onnx.save(moved, tmp_path / "unsigned.onnx")
    np.save(tmp_path / "x.npy", x)
    script = (
        "import numpy, onnxruntime\n"
        "for name in ('signed', 'unsigned'):\n"
        "    session = onnxruntime.InferenceSession(name + '.onnx', providers=['CPUExecutionProvider'])\n"
        "    numpy.save(name, session.run(None, {'x': numpy.load('x.npy')})[0])\n"
    )
    command = ["qemu-x86_64", "-cpu", "Haswell", sys.executable, "-c", script]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    exact = (x.astype(np.int32) - 7) @ weights.astype(np.int32)
    assert not np.array_equal(np.load(tmp_path / "signed.npy"), exact)
    assert np.array_equal(np.load(tmp_path / "unsigned.npy"), exact)


def dequantised_model(*, activations):
    """x @ w by dequantised weights, by channel and without zero points; x rounded first, or not."""
    _, weights = random_product(127)
    scale = np.linspace(0.01, 0.02, weights.shape[1]).astype(np.float32)
    nodes = [helper.make_node("DequantizeLinear", ["w", "scale"], ["w_float"], axis=1)]
    if activations:
        nodes.append(helper.make_node("QuantizeLinear", ["x", "step", "x_zero"], ["x_rounded"]))
        nodes.append(helper.make_node("DequantizeLinear", ["x_rounded", "step", "x_zero"], ["x_float"]))
    nodes.append(helper.make_node("MatMul", ["x_float" if activations else "x", "w_float"], ["y"]))
    constants = {"w": weights, "scale": scale, "step": np.float32(0.01), "x_zero": np.uint8(7)}
    graph = helper.make_graph(
        nodes,
        "product",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["rows", weights.shape[0]])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["rows", weights.shape[1]])],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def test_weights_that_meet_plain_floats_cannot_saturate():
    assert saturating(dequantised_model(activations=False)) == 0


def test_weights_scaled_by_channel_without_zero_points_are_moved():
    model = dequantised_model(activations=True)
    assert saturating(model) == 1
    x = np.random.default_rng(1).random((5, 32)).astype(np.float32)

    def product():
        options = ort.SessionOptions()
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
        session = ort.InferenceSession(model.SerializeToString(), options, ["CPUExecutionProvider"])
        return session.run(None, {"x": x})[0]

    before = product()
    unsigned(model)
    assert saturating(model) == 0
    onnx.checker.check_model(model)
    np.testing.assert_allclose(product(), before, rtol=1e-5)
