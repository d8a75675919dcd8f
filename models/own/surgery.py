"""Looking at an ONNX graph and changing it in place: who makes a value, who reads it, what is constant."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from models.graph import MICROSOFT


class Surgery:
    """One graph under change. Nodes are named by their outputs, which are unique in ONNX.

    Args:
        model: Changed in place; call `finish` when done.
    """

    def __init__(self, model: onnx.ModelProto) -> None:
        self.model = model
        self._hoist_constants()
        self.constants = {tensor.name: tensor for tensor in model.graph.initializer}
        self.outputs = {output.name for output in model.graph.output}
        self.maker: dict[str, onnx.NodeProto] = {}
        self.readers: dict[str, list[onnx.NodeProto]] = defaultdict(list)
        self._gone: set[str] = set()
        self._instead: dict[str, list[onnx.NodeProto]] = {}
        self.index()

    def index(self) -> None:
        """Finds makers and readers anew."""
        self.maker.clear()
        self.readers.clear()
        for node in self.nodes():
            self.maker.update({output: node for output in node.output})
            for name in {name for name in node.input if name}:
                self.readers[name].append(node)

    def nodes(self, *ops: str) -> list[onnx.NodeProto]:
        """The nodes of these operators, or all."""
        return [node for node in self.model.graph.node if not ops or node.op_type in ops]

    @property
    def opset(self) -> int:
        """The version of the standard operators."""
        entries = self.model.opset_import
        return next((entry.version for entry in entries if entry.domain in ("", "ai.onnx")), 1)

    def only_reader(self, value: str, op: str) -> onnx.NodeProto | None:
        """The one node that reads a value, if it is of this operator."""
        readers = self.readers[value]
        if value in self.outputs or len(readers) != 1 or readers[0].op_type != op:
            return None
        return readers[0]

    def array(self, name: str) -> NDArray[np.generic]:
        """The value of a constant, of its shape and type; KeyError where there is none of this name."""
        return np.asarray(numpy_helper.to_array(self.constants[name]))

    def constant(self, name: str, value: NDArray[np.generic]) -> str:
        """Adds a constant of this name, of `value`'s shape and type, unless it is there; gives the name."""
        if name not in self.constants:
            tensor = numpy_helper.from_array(value, name)
            self.model.graph.initializer.append(tensor)
            self.constants[name] = self.model.graph.initializer[-1]
        return name

    def replace(self, node: onnx.NodeProto, nodes: Sequence[onnx.NodeProto]) -> None:
        """Puts other nodes in the place of one; carried out by `finish`."""
        self._instead[node.output[0]] = list(nodes)

    def remove(self, nodes: Iterable[onnx.NodeProto]) -> None:
        """Takes nodes out; carried out by `finish`."""
        self._gone |= {node.output[0] for node in nodes}

    def finish(self) -> None:
        """Carries out what was asked; stale shapes are forgotten."""
        kept: list[onnx.NodeProto] = []
        for node in self.nodes():
            if node.output[0] in self._instead:
                kept += self._instead[node.output[0]]
            elif node.output[0] not in self._gone:
                kept.append(node)
        del self.model.graph.node[:]
        self.model.graph.node.extend(kept)
        del self.model.graph.value_info[:]
        self._gone, self._instead = set(), {}
        self._drop_unread()
        if not any(entry.domain == MICROSOFT for entry in self.model.opset_import):
            self.model.opset_import.append(helper.make_opsetid(MICROSOFT, 1))
        self.index()

    def _drop_unread(self) -> None:
        nodes = self.nodes()
        read = {name for node in nodes for name in node.input} | self.outputs | _read_inside(nodes)
        kept = [tensor for tensor in self.model.graph.initializer if tensor.name in read]
        if len(kept) < len(self.model.graph.initializer):
            del self.model.graph.initializer[:]
            self.model.graph.initializer.extend(kept)
        self.constants = {tensor.name: tensor for tensor in self.model.graph.initializer}

    def _hoist_constants(self) -> None:
        graph = self.model.graph
        kept = []
        for node in graph.node:
            value = next((item for item in node.attribute if item.name == "value"), None)
            if node.op_type != "Constant" or value is None:
                kept.append(node)
                continue
            graph.initializer.append(value.t)
            graph.initializer[-1].name = node.output[0]
        del graph.node[:]
        graph.node.extend(kept)


def _read_inside(nodes: Iterable[onnx.NodeProto]) -> set[str]:
    """Names that the branches and loops of these nodes read from outside."""
    graphs = [item.g for node in nodes for item in node.attribute if item.type == onnx.AttributeProto.GRAPH]
    inner = [node for graph in graphs for node in graph.node]
    if not inner:
        return set()
    names = {name for node in inner for name in node.input} | {o.name for g in graphs for o in g.output}
    return names | _read_inside(inner)
