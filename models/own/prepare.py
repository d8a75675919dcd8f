"""A recognised network to the graphs of a bundle: independent of batch mates, and exact on their CPUs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import onnx

from models.costcurve import ROWS, measure_cost
from models.own.recognise import Network
from models.own.rewrite import per_row, spans_tensor
from models.own.saturation import EXACT_SIGNED, saturating, unsigned
from models.own.trial import Trial
from server.inference.cores import cpu_features
from server.inference.manifest import CostCurve, Graph, Layout
from server.inference.values import Task

MODEL_FILE = "model.onnx"
UNSIGNED_FILE = "model-unsigned.onnx"
TOLERANCE = 0.1  # of the spread of the scores; int8 itself is off by a few hundredths of it
MOST_ROWS = ROWS[-1]


@dataclass(frozen=True, slots=True)
class Purpose:
    """What the graph must do: task, scores a text or token, layout, number of ids, widths it will run at."""

    task: Task
    scores: int
    layout: Layout
    vocabulary: int
    widths: Sequence[int]


@dataclass(frozen=True, slots=True)
class Prepared:
    """The graphs, in the order they are tried, and a sentence on each thing that was done."""

    graphs: tuple[Graph, ...]
    notes: tuple[str, ...]


def prepare(network: Network, purpose: Purpose, folder: Path) -> Prepared:
    """Writes the graphs into `folder`; MakeError if the network cannot do what it must."""
    path = folder / MODEL_FILE
    save(network.model, path)
    trial = Trial(path, purpose.layout, purpose.vocabulary)
    trial.check(purpose.task, purpose.scores)
    notes = list(network.notes)
    form, most = _form(network.model), MOST_ROWS
    if spans_tensor(network.model):
        rewritten = _rewritten(network.model, purpose, folder, notes)
        form, most = ("int8 dynamic per row", MOST_ROWS) if rewritten else ("int8 dynamic per tensor", 1)
    graph = Graph(file=MODEL_FILE, form=form, max_rows=most)
    return Prepared(_proven(_by_cpu(graph, folder, notes), purpose, folder, notes), tuple(notes))


def served_cost(prepared: Prepared, purpose: Purpose, folder: Path) -> CostCurve:
    """The cost curve of the graph that this machine would serve."""
    features = cpu_features()
    graph = next(graph for graph in prepared.graphs if features.issuperset(graph.cpu))
    rows = [count for count in ROWS if count <= graph.max_rows]
    return measure_cost(folder / graph.file, purpose.layout, purpose.widths, rows)


def save(model: onnx.ModelProto, path: Path) -> None:
    """One file, weights inside."""
    path.write_bytes(model.SerializeToString())


def _form(model: onnx.ModelProto) -> str:
    integers = (onnx.TensorProto.INT8, onnx.TensorProto.UINT8)
    heavy = [tensor for tensor in model.graph.initializer if len(tensor.dims) >= 2]
    return "int8 static" if any(tensor.data_type in integers for tensor in heavy) else "float32"


def _rewritten(model: onnx.ModelProto, purpose: Purpose, folder: Path, notes: list[str]) -> bool:
    """Puts the per-row form in the place of the original, where it can be had and stays near; says which."""
    changed = onnx.ModelProto()
    changed.CopyFrom(model)
    rewriting = per_row(changed)
    alone = "so the graph runs one text at a time: batching would let texts change each other's answers."
    if rewriting.left:
        left = ", ".join(rewriting.left)
        notes.append(f"Dynamic int8: the scale inside {left} spans the whole batch, {alone}")
        return False
    distance = _exact(model, purpose, folder).distance(_exact(changed, purpose, folder))
    if distance > TOLERANCE:
        notes.append(
            f"Dynamic int8: scales per row would move the scores by {distance:.3f} of their spread "
            f"(at most {TOLERANCE} is taken), {alone}"
        )
        return False
    save(changed, folder / MODEL_FILE)
    notes.append(
        f"Dynamic int8: {rewriting.rewritten} activation scales were rewritten from one a batch to one a "
        f"row; scores moved by {distance:.3f} of their spread."
    )
    return True


def _exact(model: onnx.ModelProto, purpose: Purpose, folder: Path) -> Trial:
    """The graph with integers that saturate on no CPU, so that what is judged is the rewriting alone."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    unsigned(copy)
    path = folder / "exact.onnx"
    save(copy, path)
    trial = Trial(path, purpose.layout, purpose.vocabulary)
    path.unlink()
    return trial


def _by_cpu(graph: Graph, folder: Path, notes: list[str]) -> list[Graph]:
    """Adds the graph with unsigned weights for CPUs on which signed ones could saturate."""
    model = onnx.load(folder / graph.file)
    risky = saturating(model)
    if not risky:
        return [graph]
    unsigned(model)
    save(model, folder / UNSIGNED_FILE)
    notes.append(
        f"{risky} products with signed 8-bit weights could saturate on a CPU without VNNI; such a CPU is "
        f"served {UNSIGNED_FILE}, which gives the same integers, slower."
    )
    signed = [msgspec.structs.replace(graph, cpu=cpu) for cpu in EXACT_SIGNED]
    plain = msgspec.structs.replace(graph, file=UNSIGNED_FILE, form=f"{graph.form}, unsigned weights")
    return [*signed, plain]


def _proven(graphs: list[Graph], purpose: Purpose, folder: Path, notes: list[str]) -> tuple[Graph, ...]:
    """The graphs with the most rows at which every answer was seen equal to the bit, alone and in company.

    A graph for other CPUs gives wrong integers here; it gets the rows of the one that this CPU is served.
    """
    rows: dict[str, int] = {}
    for graph in graphs:
        if graph.file not in rows and cpu_features().issuperset(graph.cpu):
            trial = Trial(folder / graph.file, purpose.layout, purpose.vocabulary)
            rows[graph.file] = trial.independent_rows(purpose.widths, graph.max_rows)
            notes += _said(graph, rows[graph.file])
    least = min(rows.values())
    return tuple(msgspec.structs.replace(graph, max_rows=rows.get(graph.file, least)) for graph in graphs)


def _said(graph: Graph, rows: int) -> list[str]:
    if graph.max_rows == 1:
        return []
    if rows == graph.max_rows:
        return [f"{graph.file}: scores alone and in company of up to {rows} are equal to the bit."]
    return [f"{graph.file}: scores differ in company of more than {rows}, so at most {rows} run together."]
