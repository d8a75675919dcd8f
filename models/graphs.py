"""Stages `export` and `quantise`: the trained network as ONNX graphs, checked before they count as made."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np
import onnx
from msgspec import Struct
from numpy.typing import NDArray

from models.errors import MakeError
from models.export import float_model
from models.infer import load_network, logits_of
from models.job import Job
from models.layout import encode, layout_of
from models.quantize import parameters_left, quantized
from models.table.agreement import agreement
from models.task_data import exam_of, split_of
from models.workspace import FLOAT_FILE, INT8_FILE, Config, Trained, fresh_folder, load_trained
from server.inference.runtime import Session, collate
from server.inference.values import Example, Window

CHECKED_TEXTS = 64
TOLERANCE = 1e-4  # between torch and the float graph, in logits
REPORT_FILE = "report.json"


class Rounded(Struct, frozen=True, kw_only=True):
    """What rounding to 8 bits did: scores and share of equal answers on validation (0..1), weights left."""

    validation_float: float
    validation_int8: float
    agreement: float
    worst_layer_error: float
    parameters: int


def export(job: Job) -> None:
    """The float graph, equal to torch within TOLERANCE on train texts."""
    trained = load_trained(job.trained)
    graph = float_model(trained.config.shape, trained.weights())
    ids = train_ids(job, trained, CHECKED_TEXTS)
    with fresh_folder(job.folder("export")) as folder:
        path = _saved(graph, folder / FLOAT_FILE)
        there = logits_of(load_network(trained), ids, trained.config.pad)
        here = graph_logits(path, trained.config, ids)
        apart = float(np.max([np.abs(a - b).max() for a, b in zip(here, there, strict=True)]))
        if not apart <= TOLERANCE:  # nor may it be no number
            raise MakeError(f"The graph is {apart:.2g} away from torch; at most {TOLERANCE} is taken.")
    job.console.print(f"export: logits within {apart:.1e} of torch")


def quantise(job: Job) -> None:
    """The int8 graph, calibrated on train texts; refused where it loses more of the score than the gate."""
    trained = load_trained(job.trained)
    ids = train_ids(job, trained, job.recipe.quantise.texts)
    graph, sites = quantized(
        trained.config.shape, trained.weights(), [np.array(row, np.int64) for row in ids]
    )
    exam = exam_of(trained.config, trained.tokenizer(), split_of(job).validation)
    with fresh_folder(job.folder("quantise")) as folder:
        path = _saved(graph, folder / INT8_FILE)
        exact = graph_logits(job.folder("export") / FLOAT_FILE, trained.config, exam.ids)
        rough = graph_logits(path, trained.config, exam.ids)
        report = Rounded(
            validation_float=exam.score(exact),
            validation_int8=exam.score(rough),
            agreement=agreement(exam.answers(exact), exam.answers(rough)),
            worst_layer_error=max(site.error for site in sites.values()),
            parameters=parameters_left(trained.config.shape, sites),
        )
        (folder / REPORT_FILE).write_bytes(msgspec.json.format(msgspec.json.encode(report), indent=1))
        _check_gate(job, report.validation_float, report.validation_int8)
    job.console.print(f"quantise: {report}")


def rounded(job: Job) -> Rounded:
    """The report of the stage `quantise`; MakeError where a former version of this program wrote it."""
    path = job.folder("quantise") / REPORT_FILE
    try:
        return msgspec.json.decode(path.read_bytes(), type=Rounded)
    except msgspec.ValidationError as error:
        raise MakeError(f"{path} is of a former version ({error}); add --from quantise.") from error


def graph_logits(path: Path, config: Config, ids: Sequence[Sequence[int]]) -> list[NDArray[np.float32]]:
    """Logits of each window, [outputs] or [length, outputs], unpadded, on the server's session."""
    session = Session(path, layout_of(config), path.stem)
    return [session.run(collate([_example(row)], len(row), config.pad))[0] for row in ids]


def _example(ids: Sequence[int]) -> Example:
    return Example(np.asarray(ids, np.int64), None, Window(0, len(ids) - 2, 1))


def train_ids(job: Job, trained: Trained, count: int) -> list[list[int]]:
    """Ids of the first windows of `count` train texts, taken evenly."""
    rows = split_of(job).train
    step = max(1, len(rows) // count)
    texts = [row.asked for row in rows[::step][:count]]
    encoded = encode(trained.config, trained.tokenizer(), texts)
    return [one.examples[0].ids.tolist() for one in encoded]


def _saved(graph: onnx.ModelProto, path: Path) -> Path:
    path.write_bytes(graph.SerializeToString())
    return path


def _check_gate(job: Job, exact: float, rough: float) -> None:
    lost = 100 * (exact - rough)
    if lost > job.recipe.quantise.gate:
        raise MakeError(
            f"Int8 loses {lost:.2f} points of the validation score ({exact:.4f} to {rough:.4f}); "
            f"the recipe allows {job.recipe.quantise.gate}."
        )
