"""Dynamic int8 made independent of batch mates: one activation scale a row in place of one a tensor.

`DynamicQuantizeLinear` takes its scale over the whole batch, so an answer would depend on strangers'
texts. Here every row (last axis) gets its own scale, symmetric around the fixed zero point 128; the
integer product is the same operator, and the row's scale multiplies what comes out of it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx
from onnx import helper

from models.graph import MICROSOFT
from models.own.surgery import Surgery

WHOLE_TENSOR = ("DynamicQuantizeLinear", "DynamicQuantizeMatMul", "DynamicQuantizeLSTM")
LARGEST = 127.0
SMALLEST_SCALE = 1e-20  # keeps a row of zeros from dividing by zero


@dataclass(frozen=True, slots=True)
class Rewriting:
    """How many scales became one a row, and the operators whose scale could not."""

    rewritten: int
    left: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Product:
    """A quantised input times constant weights: the nodes that go, and what the new ones need."""

    last: onnx.NodeProto
    others: tuple[onnx.NodeProto, ...]
    weights: str
    scale: str
    zero: str
    bias: str


def per_row(model: onnx.ModelProto) -> Rewriting:
    """Changes `model` in place; where an operator is left, its scale still spans the tensor."""
    surgery = Surgery(model)
    _unfuse(surgery)
    done, left = 0, []
    for node in surgery.nodes("DynamicQuantizeLinear"):
        products = _products(surgery, node)
        if not products:
            left += sorted({reader.op_type for reader in surgery.readers[node.output[0]]})
            continue
        _replace(surgery, node, products)
        done += 1
    left += [node.op_type for node in surgery.nodes("DynamicQuantizeMatMul", "DynamicQuantizeLSTM")]
    surgery.finish()
    return Rewriting(done, tuple(sorted(set(left))))


def _unfuse(surgery: Surgery) -> None:
    """DynamicQuantizeMatMul to DynamicQuantizeLinear and MatMulIntegerToFloat."""
    for node in surgery.nodes("DynamicQuantizeMatMul"):
        x, weights, scale, zero, bias = [*node.input, "", ""][:5]
        if weights not in surgery.constants:
            continue
        name = node.output[0]
        values = [f"{name}_rows", f"{name}_rows_scale", f"{name}_rows_zero"]
        quantised = helper.make_node("DynamicQuantizeLinear", [x], values)
        inputs = [values[0], weights, values[1], scale, values[2], zero, bias]
        product = helper.make_node("MatMulIntegerToFloat", inputs, [name], domain=MICROSOFT)
        surgery.replace(node, [quantised, product])
    surgery.finish()


def _products(surgery: Surgery, node: onnx.NodeProto) -> list[_Product]:
    """All products that read this quantised value; none if anything else reads it too."""
    value, scale, zero = node.output
    if surgery.outputs & set(node.output):
        return []
    found = [_product(surgery, node, reader) for reader in surgery.readers[value]]
    products = [product for product in found if product is not None]
    taken = {id(part) for product in products for part in (product.last, *product.others)}
    readers = surgery.readers[value] + surgery.readers[scale] + surgery.readers[zero]
    complete = len(products) == len(found) and all(id(reader) in taken for reader in readers)
    return products if complete else []


def _product(surgery: Surgery, node: onnx.NodeProto, reader: onnx.NodeProto) -> _Product | None:
    value, scale, zero = node.output
    inputs = [*reader.input, *[""] * 7]
    if inputs[0] != value or inputs[1] not in surgery.constants:
        return None
    if reader.op_type == "MatMulIntegerToFloat" and inputs[2] == scale and inputs[4] == zero:
        return _Product(reader, (), inputs[1], inputs[3], inputs[5], inputs[6])
    if reader.op_type == "MatMulInteger" and inputs[2] == zero:
        return _plain_product(surgery, scale, reader)
    return None


def _plain_product(surgery: Surgery, scale: str, product: onnx.NodeProto) -> _Product | None:
    """MatMulInteger, Cast to float, Mul by (input scale times weight scale)."""
    cast = surgery.only_reader(product.output[0], "Cast")
    last = surgery.only_reader(cast.output[0], "Mul") if cast else None
    if cast is None or last is None:
        return None
    both = surgery.maker.get(next(name for name in last.input if name != cast.output[0]))
    if both is None or both.op_type != "Mul" or scale not in both.input:
        return None
    weight_scale = next(name for name in both.input if name != scale)
    if weight_scale not in surgery.constants or surgery.only_reader(both.output[0], "Mul") is None:
        return None
    zero = product.input[3] if len(product.input) > 3 else ""
    return _Product(last, (product, cast, both), product.input[1], weight_scale, zero, "")


def _replace(surgery: Surgery, node: onnx.NodeProto, products: list[_Product]) -> None:
    surgery.constant("qingmo_middle", np.array(128, np.uint8))
    surgery.constant("qingmo_unit", np.array(1.0, np.float32))
    surgery.replace(node, _row_nodes(surgery, node))
    for product in products:
        surgery.remove(product.others)
        surgery.replace(product.last, _product_nodes(product, node.output[0], node.output[1]))


def _row_nodes(surgery: Surgery, node: onnx.NodeProto) -> list[onnx.NodeProto]:
    x, (value, scale, _) = node.input[0], node.output
    step = surgery.constant("qingmo_step", np.array(1 / LARGEST, np.float32))
    least = surgery.constant("qingmo_least", np.array(SMALLEST_SCALE, np.float32))
    size, peak, raw, scaled = (f"{value}_{part}" for part in ("size", "peak", "raw", "scaled"))
    if surgery.opset >= 18:
        axes = surgery.constant("qingmo_last_axis", np.array([-1], np.int64))
        highest = helper.make_node("ReduceMax", [size, axes], [peak], keepdims=1)
    else:
        highest = helper.make_node("ReduceMax", [size], [peak], axes=[-1], keepdims=1)
    return [
        helper.make_node("Abs", [x], [size]),
        highest,
        helper.make_node("Mul", [peak, step], [raw]),
        helper.make_node("Max", [raw, least], [scale]),
        helper.make_node("Div", [x, scale], [scaled]),
        helper.make_node("QuantizeLinear", [scaled, "qingmo_unit", "qingmo_middle"], [value]),
    ]


def _product_nodes(product: _Product, value: str, scale: str) -> list[onnx.NodeProto]:
    """One operator gives the float product; its own input scale must be a scalar, so the row's follows."""
    output = product.last.output[0]
    unscaled, unbiased = f"{output}_unscaled", f"{output}_unbiased" if product.bias else output
    inputs = [value, product.weights, "qingmo_unit", product.scale, "qingmo_middle", product.zero]
    nodes = [
        helper.make_node("MatMulIntegerToFloat", inputs, [unscaled], domain=MICROSOFT),
        helper.make_node("Mul", [unscaled, scale], [unbiased]),
    ]
    if product.bias:
        nodes.append(helper.make_node("Add", [unbiased, product.bias], [output]))
    return nodes


def spans_tensor(model: onnx.ModelProto) -> bool:
    """Whether any activation scale is taken over the whole batch."""
    return any(node.op_type in WHOLE_TENSOR for node in model.graph.node)
