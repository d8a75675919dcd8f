"""Reads a user's ONNX file and finds its inputs and outputs, or says what it lacks. Runs nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import onnx
from google.protobuf.message import DecodeError
from onnx import TensorProto, helper

from models.errors import MakeError
from models.own.halves import widen
from models.own.surgery import Surgery
from server.inference.values import Task

MOST_BYTES = 2**31 - 2**20  # what one ONNX file may hold, less some room
IDS = ("input_ids", "input_word_ids", "ids", "tokens", "input.1")
MASK = ("attention_mask", "input_mask", "att_mask", "mask")
TYPES = ("token_type_ids", "segment_ids", "type_ids", "input_type_ids")
SPANS = ("start_logits", "end_logits")

EXPORT = (
    "Export it so that rows and width may vary, for example with `optimum-cli export onnx`, or "
    "torch.onnx.export(..., dynamic_axes={'input_ids': {0: 'rows', 1: 'width'}, ...})."
)


@dataclass(frozen=True, slots=True)
class Network:
    """A graph with int64 inputs [rows, width], float32 outputs and all weights inside; what that took."""

    model: onnx.ModelProto
    ids: str
    mask: str | None
    types: str | None
    outputs: tuple[str, ...]
    parameters: int
    embedding_rows: int | None
    notes: tuple[str, ...]


def recognise(path: Path, task: Task) -> Network:
    """Loads the file with its external data; MakeError if it cannot be served for this task."""
    model = _load(path)
    notes = ["16-bit floats were widened to 32 bits, which CPUs run faster."] if widen(model) else []
    names = [entry.name for entry in _inputs(model)]
    ids, mask, types = (_pick(names, known) for known in (IDS, MASK, TYPES))
    if ids is None:
        listed = ", ".join(names) or "none"
        raise MakeError(f"The graph has no input named input_ids; its inputs are {listed}.")
    odd = [name for name in names if name not in (ids, mask, types)]
    if odd:
        raise MakeError(
            f"The graph also asks for the input {odd[0]}. Only input_ids, attention_mask and "
            "token_type_ids are fed; export it without the others."
        )
    if mask is None:
        notes.append("The graph takes no attention mask, so it must find the padding itself.")
    _refuse_fixed(model)
    if _take_int64(model):
        notes.append("Inputs were 32-bit integers and are now cast from 64 bits.")
    outputs = _outputs([entry.name for entry in model.graph.output], task)
    rows = _embedding_rows(Surgery(model), ids)
    return Network(model, ids, mask, types, outputs, _parameters(model), rows, tuple(notes))


def _load(path: Path) -> onnx.ModelProto:
    if not path.is_file():
        raise MakeError(f"There is no file {path}.")
    try:
        model = onnx.load(path)
    except FileNotFoundError as error:
        raise MakeError(f"{path.name} keeps its weights in another file that is missing: {error}") from error
    except (OSError, ValueError, DecodeError, onnx.checker.ValidationError) as error:
        raise MakeError(f"{path.name} cannot be read as ONNX with its external data: {error}") from error
    if not model.graph.node:
        raise MakeError(f"{path.name} holds no graph; is it an ONNX file?")
    if sum(len(tensor.raw_data) for tensor in model.graph.initializer) > MOST_BYTES:
        raise MakeError(f"{path.name} has more than 2 GB of weights; quantise it first.")
    return model


def _inputs(model: onnx.ModelProto) -> list[onnx.ValueInfoProto]:
    constants = {tensor.name for tensor in model.graph.initializer}
    return [entry for entry in model.graph.input if entry.name not in constants]


def _pick(names: Sequence[str], known: Sequence[str]) -> str | None:
    return next((name for name in known if name in names), None)


def _refuse_fixed(model: onnx.ModelProto) -> None:
    for entry in _inputs(model):
        dims = entry.type.tensor_type.shape.dim
        if len(dims) != 2:
            raise MakeError(f"The input {entry.name} has {len(dims)} axes; [rows, width] is wanted.")
        fixed = [("rows", dims[0].dim_value), ("width", dims[1].dim_value)]
        for axis, size in fixed:
            if size > 0:
                raise MakeError(f"The input {entry.name} has a fixed number of {axis}, {size}. {EXPORT}")


def _take_int64(model: onnx.ModelProto) -> bool:
    """Inputs of other integers become int64 with a Cast behind them; true if there were any."""
    changed = False
    for entry in _inputs(model):
        kind = entry.type.tensor_type.elem_type
        if kind == TensorProto.INT64:
            continue
        if kind not in (TensorProto.INT32, TensorProto.INT16, TensorProto.INT8):
            raise MakeError(f"The input {entry.name} takes {TensorProto.DataType.Name(kind)}, not integers.")
        inside = f"{entry.name}_as_exported"
        for node in model.graph.node:
            node.input[:] = [inside if name == entry.name else name for name in node.input]
        model.graph.node.insert(0, helper.make_node("Cast", [entry.name], [inside], to=kind))
        entry.type.tensor_type.elem_type = TensorProto.INT64
        changed = True
    return changed


def _outputs(names: Sequence[str], task: Task) -> tuple[str, ...]:
    listed = ", ".join(names)
    if task is Task.QA:
        if set(SPANS) <= set(names):
            return SPANS
        if len(names) <= 2 and "logits" not in names[1:]:
            return tuple(names)
        raise MakeError(f"Question answering wants start_logits and end_logits; the graph gives {listed}.")
    if set(SPANS) <= set(names):
        raise MakeError(f"The graph gives {listed}: it answers questions (--task qa), not {task}.")
    if "logits" in names or len(names) == 1:
        return ("logits",) if "logits" in names else (names[0],)
    raise MakeError(f"The graph gives {listed}, and none is named logits. Export it with its head.")


def _parameters(model: onnx.ModelProto) -> int:
    """Elements of all constants that are weights: floats and 8-bit integers, in tensors of two or more."""
    kinds = (TensorProto.FLOAT, TensorProto.INT8, TensorProto.UINT8)
    sizes = [_size(tensor) for tensor in model.graph.initializer if tensor.data_type in kinds]
    return sum(size for size in sizes if size > 1)


def _size(tensor: onnx.TensorProto) -> int:
    size = 1
    for dim in tensor.dims:
        size *= dim
    return size


def _embedding_rows(surgery: Surgery, value: str) -> int | None:
    """Rows of the table that the ids look up, where it can be seen."""
    for node in surgery.readers[value]:
        place = {"Gather": 0, "EmbedLayerNormalization": 2, "QEmbedLayerNormalization": 2}.get(node.op_type)
        table = surgery.constants.get(node.input[place]) if place is not None else None
        if table is not None and len(table.dims) == 2:
            return int(table.dims[0])
        if node.op_type in ("Cast", "Identity", "Reshape", "Unsqueeze", "Squeeze"):
            found = _embedding_rows(surgery, node.output[0])
            if found is not None:
                return found
    return None
