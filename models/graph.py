"""Writes ONNX graphs node by node. Knows ONNX, knows nothing of any network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

MICROSOFT = "com.microsoft"
Attribute = int | float | str | Sequence[int]
OPSET = 20
FLOAT, INT8, INT32, INT64 = TensorProto.FLOAT, TensorProto.INT8, TensorProto.INT32, TensorProto.INT64
BOOL = TensorProto.BOOL


class GraphBuilder:
    """Nodes and constants in the order they are asked for; equal constants are stored once."""

    def __init__(self) -> None:
        self._nodes: list[onnx.NodeProto] = []
        self._constants: dict[tuple[str, tuple[int, ...], bytes], str] = {}
        self._initializers: list[onnx.TensorProto] = []
        self._count = 0

    def constant(self, value: NDArray[np.generic] | np.generic) -> str:
        """Name of an initializer holding `value`, of its shape and type."""
        array = np.ascontiguousarray(value).reshape(np.shape(value))
        key = (array.dtype.str, array.shape, array.tobytes())
        if key not in self._constants:
            name = f"c{len(self._constants)}"
            self._initializers.append(numpy_helper.from_array(array, name))
            self._constants[key] = name
        return self._constants[key]

    def ints(self, *values: int) -> str:
        """Name of a constant int64 vector."""
        return self.constant(np.array(values, np.int64))

    def nodes(
        self, op: str, *inputs: str, outputs: int = 1, domain: str = "", **attributes: Attribute
    ) -> list[str]:
        """Adds a node and names its outputs."""
        self._count += 1
        names = [f"{op}_{self._count}_{k}" for k in range(outputs)]
        self._nodes.append(helper.make_node(op, list(inputs), names, domain=domain, **attributes))
        return names

    def node(self, op: str, *inputs: str, domain: str = "", **attributes: Attribute) -> str:
        """Adds a node of one output and names it."""
        return self.nodes(op, *inputs, outputs=1, domain=domain, **attributes)[0]

    def rename(self, value: str, name: str) -> str:
        """Gives a value a name of its own, to be an output."""
        self._nodes.append(helper.make_node("Identity", [value], [name]))
        return name

    def model(
        self, inputs: Mapping[str, Sequence[str]], outputs: Mapping[str, Sequence[str | int]]
    ) -> onnx.ModelProto:
        """The checked model; inputs are int64, outputs float32, dimensions named or fixed."""
        graph = helper.make_graph(
            self._nodes,
            "qingmo",
            [helper.make_tensor_value_info(name, INT64, dims) for name, dims in inputs.items()],
            [helper.make_tensor_value_info(name, FLOAT, dims) for name, dims in outputs.items()],
            self._initializers,
        )
        opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid(MICROSOFT, 1)]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=10, producer_name="qingmo")
        onnx.checker.check_model(model)
        return model
