"""Signed int8 weights that can overflow on a CPU without VNNI, and the same product without that risk.

AVX2 and AVX-512 without VNNI multiply unsigned activations by signed weights with VPMADDUBSW, which adds
two products in 16 bits and saturates: 255 * 64 * 2 fits, more does not. Weights moved by 128 to unsigned,
with their zero point, give the same integers through kernels that widen first.
"""

from __future__ import annotations

import numpy as np
import onnx
from numpy.typing import NDArray

from models.own.surgery import Surgery

SAFE_WEIGHT = 64
EXACT_SIGNED = (("avx512_vnni",), ("avx_vnni",), ("asimddp",))  # CPUs that add those products in 32 bits

_PLACES = {  # operator: where its weights and their zero point stand among the inputs
    "MatMulInteger": (1, 3),
    "MatMulIntegerToFloat": (1, 5),
    "DynamicQuantizeMatMul": (1, 3),
    "QAttention": (1, 7),
    "QLinearMatMul": (3, 5),
    "QGemm": (3, 5),
    "DequantizeLinear": (0, 2),
}


def saturating(model: onnx.ModelProto) -> int:
    """How many products could overflow on such a CPU."""
    surgery = Surgery(model)
    return sum(_risky(surgery, node) for node in surgery.nodes(*_PLACES))


def unsigned(model: onnx.ModelProto) -> None:
    """Moves the weights of every such product to uint8, in place; the product's value stays the same."""
    surgery = Surgery(model)
    for node in surgery.nodes(*_PLACES):
        if _risky(surgery, node):
            _move(surgery, node)
    surgery.finish()


def _risky(surgery: Surgery, node: onnx.NodeProto) -> bool:
    weights = node.input[_PLACES[node.op_type][0]]
    tensor = surgery.constants.get(weights)
    if tensor is None or tensor.data_type != onnx.TensorProto.INT8 or len(tensor.dims) < 2:
        return False
    if node.op_type == "DequantizeLinear" and not _multiplied(surgery, node.output[0]):
        return False
    return bool(np.abs(surgery.array(weights).astype(np.int16)).max(initial=0) > SAFE_WEIGHT)


def _multiplied(surgery: Surgery, value: str) -> bool:
    """Whether a dequantised weight goes into a matrix product, which onnxruntime may run in integers.

    It does so where the other factor is dequantised as well.
    """
    readers = surgery.readers[value]
    if len(readers) == 1 and readers[0].op_type == "Transpose":
        return _multiplied(surgery, readers[0].output[0])
    products = [reader for reader in readers if reader.op_type in ("MatMul", "Gemm")]
    others = [surgery.maker.get(name) for reader in products for name in reader.input[:2] if name != value]
    return any(maker is not None and maker.op_type == "DequantizeLinear" for maker in others)


def _move(surgery: Surgery, node: onnx.NodeProto) -> None:
    place, zero_place = _PLACES[node.op_type]
    inputs = [*node.input, *[""] * (zero_place + 1 - len(node.input))]
    zero = surgery.array(inputs[zero_place]) if inputs[zero_place] else _no_zero(surgery, node)
    zero_name = f"{inputs[zero_place] or inputs[place]}_moved_zero"
    inputs[zero_place] = surgery.constant(zero_name, _moved(zero))
    inputs[place] = surgery.constant(f"{inputs[place]}_moved", _moved(surgery.array(inputs[place])))
    del node.input[:]
    node.input.extend(inputs)


def _no_zero(surgery: Surgery, node: onnx.NodeProto) -> NDArray[np.generic]:
    """A zero point of nothing, for each scale where weights are dequantised by channel."""
    scale = surgery.constants.get(node.input[1]) if node.op_type == "DequantizeLinear" else None
    return np.zeros([] if scale is None else tuple(scale.dims), np.int8)


def _moved(values: NDArray[np.generic]) -> NDArray[np.uint8]:
    return (values.astype(np.int16) + 128).astype(np.uint8)
