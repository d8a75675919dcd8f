"""A bundle beside its twin with another graph, timed in turn."""

from __future__ import annotations

from models.table.twin import float_twin, milliseconds
from server.inference.bundle import load_bundle
from server.inference.predictor import Predictor
from server.inference.values import Task, Text
from tests.kit.bundle_kit import gather_graph, slow_graph, write_bundle


def test_the_slower_of_two_takes_longer(tmp_path):
    bundle = load_bundle(write_bundle(tmp_path / "mine", graph=gather_graph(Task.CLASSIFY)))
    (tmp_path / "slow.onnx").write_bytes(slow_graph(Task.CLASSIFY).SerializeToString())
    predictors = [
        Predictor(each) for each in (bundle, float_twin(bundle, tmp_path / "slow.onnx", tmp_path / "t"))
    ]
    for predictor in predictors:
        predictor.start()
    fast, slow = milliseconds(predictors, [Text("今天看球")] * 5)
    assert slow > 3 * fast > 0
