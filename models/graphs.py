"""Stages `export` and `quantise`: the trained network as ONNX graphs, checked before they count as made."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray

from models.errors import MakeError
from models.export import float_model
from models.infer import load_network, logits_of
from models.job import Job
from models.layout import encode, layout_of
from models.quantize import quantized
from models.task_data import split_of
from models.workspace import Config, Trained, fresh_folder, load_trained
from server.inference.runtime import Session, collate
from server.inference.values import Example, Window

FLOAT_FILE = "float.onnx"
INT8_FILE = "model.onnx"
CHECKED_TEXTS = 64
TOLERANCE = 1e-4  # between torch and the float graph, in logits


def export(job: Job) -> None:
    """The float graph, equal to torch within TOLERANCE on train texts."""
    trained = load_trained(job.trained)
    graph = float_model(trained.config.shape, trained.weights())
    ids = _train_ids(job, trained, CHECKED_TEXTS)
    with fresh_folder(job.folder("export")) as folder:
        path = _saved(graph, folder / FLOAT_FILE)
        there = logits_of(load_network(trained), ids, trained.config.pad).numpy()
        apart = float(np.abs(graph_logits(path, trained.config, ids) - there).max())
        if apart > TOLERANCE:
            raise MakeError(f"The graph is {apart:.2g} away from torch; at most {TOLERANCE} is taken.")
    job.console.print(f"export: logits within {apart:.1e} of torch")


def quantise(job: Job) -> None:
    """The int8 graph, calibrated on train texts; refused where it loses more accuracy than the gate."""
    trained = load_trained(job.trained)
    ids = _train_ids(job, trained, job.recipe.quantise.texts)
    graph, sites = quantized(
        trained.config.shape, trained.weights(), [np.array(row, np.int64) for row in ids]
    )
    rows = split_of(job).validation
    names = [label.label for label in trained.config.labels]
    truth = np.array([names.index(row.label) for row in rows])
    ids = encode(trained.config, trained.tokenizer(), [row.text for row in rows])
    with fresh_folder(job.folder("quantise")) as folder:
        path = _saved(graph, folder / INT8_FILE)
        exact = graph_logits(job.folder("export") / FLOAT_FILE, trained.config, ids).argmax(1)
        rough = graph_logits(path, trained.config, ids).argmax(1)
        report = {
            "validation_float": float((exact == truth).mean()),
            "validation_int8": float((rough == truth).mean()),
            "agreement": float((exact == rough).mean()),
            "worst_layer_error": max(site.error for site in sites.values()),
        }
        (folder / "report.json").write_text(json.dumps(report, indent=1), encoding="utf-8")
        _check_gate(job, report["validation_float"], report["validation_int8"])
    job.console.print(f"quantise: {report}")


def graph_logits(path: Path, config: Config, ids: Sequence[Sequence[int]]) -> NDArray[np.float32]:
    """Logits [texts, labels] of a graph, each text alone and unpadded, on the server's own session."""
    session = Session(path, layout_of(config), path.stem)
    batches = (collate([_example(row)], len(row), config.pad) for row in ids)
    return np.concatenate([session.run(batch) for batch in batches])


def _example(ids: Sequence[int]) -> Example:
    return Example(np.asarray(ids, np.int64), None, Window(0, len(ids) - 2, 1))


def _train_ids(job: Job, trained: Trained, count: int) -> list[list[int]]:
    rows = split_of(job).train
    step = max(1, len(rows) // count)
    return encode(trained.config, trained.tokenizer(), [row.text for row in rows[::step][:count]])


def _saved(graph: onnx.ModelProto, path: Path) -> Path:
    path.write_bytes(graph.SerializeToString())
    return path


def _check_gate(job: Job, exact: float, rough: float) -> None:
    lost = 100 * (exact - rough)
    if lost > job.recipe.quantise.gate:
        raise MakeError(
            f"Int8 loses {lost:.2f} points of validation accuracy ({exact:.4f} to {rough:.4f}); "
            f"the recipe allows {job.recipe.quantise.gate}."
        )
