"""A bundle's twin in full precision, and how long both take for a text alone. Needs no torch."""

from __future__ import annotations

import shutil
import time
from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np

from models.seal import seal
from server.inference.bundle import TOKENIZER_FILE, Bundle, load_bundle
from server.inference.manifest import Graph
from server.inference.predictor import Predictor
from server.inference.values import Encoded, Text

GRAPH_FILE = "model.onnx"


def float_twin(bundle: Bundle, graph: Path, folder: Path) -> Bundle:
    """In `folder`, to be made, what the bundle would be with the float `graph`: all else is the same.

    Raises:
        BadBundle: The graph takes or gives something else than the bundle's.
    """
    folder.mkdir()
    shutil.copyfile(graph, folder / GRAPH_FILE)
    shutil.copyfile(bundle.folder / TOKENIZER_FILE, folder / TOKENIZER_FILE)
    graphs = (Graph(file=GRAPH_FILE, form="float32", max_rows=1),)
    seal(folder, msgspec.structs.replace(bundle.manifest, graphs=graphs, quality=(), golden=()))
    return load_bundle(folder)


def milliseconds(predictors: Sequence[Predictor], texts: Sequence[Text]) -> list[float]:
    """Each started predictor's median for the runs of one text, in ms; text by text they take turns."""
    encoded = [[predictor.encode(text) for predictor in predictors] for text in texts]
    seconds = [[_timed(*pair) for pair in zip(predictors, forms, strict=True)] for forms in encoded]
    medians: list[float] = (1000 * np.median(seconds, axis=0)).tolist()
    return medians


def _timed(predictor: Predictor, encoded: Encoded) -> float:
    widths = [predictor.cost.width_for(example.length) for example in encoded.examples]
    started = time.perf_counter()
    for example, width in zip(encoded.examples, widths, strict=True):
        predictor.run([example], width)
    return time.perf_counter() - started
