"""One ONNX graph on onnxruntime: Batch to Logits. Knows no text, no labels and no waiting line."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from server.errors import BadBundle
from server.inference.manifest import Layout
from server.inference.values import Batch, Example

Logits = NDArray[np.float32]
_FLOATS = {"tensor(float)", "tensor(float16)", "tensor(double)"}


def collate(examples: Sequence[Example], width: int, pad: int) -> Batch:
    """Examples side by side, padded to `width`; none may be longer."""
    ids = np.full((len(examples), width), pad, dtype=np.int64)
    mask = np.zeros((len(examples), width), dtype=np.int64)
    types = np.zeros((len(examples), width), dtype=np.int64)
    for row, example in enumerate(examples):
        length = example.length
        ids[row, :length] = example.ids
        mask[row, :length] = 1
        if example.types is not None:
            types[row, :length] = example.types
    return Batch(ids, mask, types)


def own_rows(logits: Logits, examples: Sequence[Example]) -> list[Logits]:
    """Each example's own numbers, cut to its length and copied: no answer keeps its batch in memory."""
    if logits.ndim == 2:  # [rows, labels]
        return [row.copy() for row in logits]
    return [row[: example.length].copy() for row, example in zip(logits, examples, strict=True)]


class Session:
    """A graph ready to run, on the calling thread alone; may be called by several threads at once.

    Args:
        graph: The ONNX file; all its weights must be inside.
        layout: Names of the inputs and outputs.
        name: The bundle's, for messages.

    Raises:
        BadBundle: onnxruntime cannot run the file, or its inputs and outputs are not the layout's.
    """

    def __init__(self, graph: Path, layout: Layout, name: str) -> None:
        self._layout = layout
        self._outputs = list(layout.outputs)
        try:
            # From memory, so that no weights are read from files that the manifest does not list.
            self._session = ort.InferenceSession(graph.read_bytes(), _options(), ["CPUExecutionProvider"])
        except Exception as error:
            raise BadBundle(f"Bundle {name}: {graph.name} cannot be opened as a graph: {error}") from error
        _let_go_of_file(self._session)
        problem = self._mismatch()
        if problem:
            raise BadBundle(f"Bundle {name}: {graph.name} {problem}")

    def run(self, batch: Batch) -> Logits:
        """The scores before softmax: [rows, labels], [rows, width, tags], or start and end [rows, width, 2].

        Raises:
            Exception: Whatever onnxruntime raises.
        """
        feeds = {self._layout.ids: batch.ids}
        if self._layout.mask is not None:
            feeds[self._layout.mask] = batch.mask
        if self._layout.types is not None:
            feeds[self._layout.types] = batch.types
        outputs = self._session.run(self._outputs, feeds)
        logits = outputs[0] if len(outputs) == 1 else np.stack(outputs, axis=-1)
        return np.asarray(logits, dtype=np.float32)

    def _mismatch(self) -> str:
        wanted = {name for name in (self._layout.ids, self._layout.mask, self._layout.types) if name}
        inputs = {node.name: node.type for node in self._session.get_inputs()}
        outputs = {node.name: node.type for node in self._session.get_outputs()}
        if wanted != inputs.keys():
            return f"takes the inputs {sorted(inputs)}, but the layout feeds {sorted(wanted)}."
        odd = sorted(name for name, type_ in inputs.items() if type_ != "tensor(int64)")
        if odd:
            return f"takes {odd[0]} as {inputs[odd[0]]}; inputs must be tensor(int64)."
        missing = [name for name in self._layout.outputs if outputs.get(name) not in _FLOATS]
        if missing:
            return f"gives the outputs {sorted(outputs)}, but the layout reads floats from {missing[0]!r}."
        return ""


def _let_go_of_file(session: ort.InferenceSession) -> None:
    """Drop the bytes that onnxruntime's Python class keeps to open the graph again: as much as the weights.

    It opens again only to fall back on another provider, and there is none.
    """
    session.disable_fallback()
    session._model_bytes = None


def _options() -> ort.SessionOptions:
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_ALL
    # Both would keep memory for every shape seen; without them it stays flat, and no slower was measured.
    options.enable_cpu_mem_arena = False
    options.enable_mem_pattern = False
    options.log_severity_level = 4  # what fails is raised and logged by us
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.inter_op.allow_spinning", "0")
    return options
