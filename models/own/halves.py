"""16-bit floats of a graph to 32 bits: CPUs have no kernels for most of them, and logits are float32."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import AttributeProto, TensorProto, numpy_helper


def widen(model: onnx.ModelProto) -> bool:
    """Changes every float16 weight, cast, input and output in place; true if there were any."""
    changed = _widen_graph(model.graph)
    if changed:
        del model.graph.value_info[:]
    return changed


def _widen_graph(graph: onnx.GraphProto) -> bool:
    changed = [_widen_tensor(tensor) for tensor in graph.initializer]
    changed += [_widen_type(entry) for entry in [*graph.input, *graph.output, *graph.value_info]]
    changed += [_widen_attribute(item) for node in graph.node for item in node.attribute]
    return any(changed)


def _widen_attribute(item: onnx.AttributeProto) -> bool:
    if item.type == AttributeProto.TENSOR:
        return _widen_tensor(item.t)
    if item.type == AttributeProto.GRAPH:
        return _widen_graph(item.g)
    if item.name in ("to", "dtype") and item.i == TensorProto.FLOAT16:
        item.i = TensorProto.FLOAT
        return True
    return False


def _widen_tensor(tensor: onnx.TensorProto) -> bool:
    if tensor.data_type != TensorProto.FLOAT16:
        return False
    wide = numpy_helper.to_array(tensor).astype(np.float32)
    tensor.CopyFrom(numpy_helper.from_array(wide, tensor.name))
    return True


def _widen_type(entry: onnx.ValueInfoProto) -> bool:
    if entry.type.tensor_type.elem_type != TensorProto.FLOAT16:
        return False
    entry.type.tensor_type.elem_type = TensorProto.FLOAT
    return True
