"""The engine's own speed, measured on a tiny bundle."""

from __future__ import annotations

import pytest

from server.inference.bundle import load_bundle
from server.inference.measure import measure
from server.inference.predictor import Predictor
from server.inference.values import Task, Text
from tests.kit import bundle_kit as kit


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("task", [Task.CLASSIFY, Task.NER])
def test_figures_hang_together(tmp_path, task, threads):
    predictor = Predictor(load_bundle(kit.write_bundle(tmp_path / "tiny", task, golden=())))
    predictor.start()
    texts = [Text("今天看球" * (1 + number % 12)) for number in range(60)]
    speed = measure(predictor, texts, threads=threads)
    assert speed.texts == 60
    assert speed.tokens_a_text > 6
    assert 0 <= speed.padding < 1
    lone = speed.lone
    for stage in (lone.tokenise, lone.infer, lone.decode, lone.total):
        assert 0 < stage.p50_ms <= stage.p95_ms
        assert stage.cpu_ms > 0
    assert lone.total.cpu_ms == pytest.approx(lone.tokenise.cpu_ms + lone.infer.cpu_ms + lone.decode.cpu_ms)
    loaded = speed.loaded
    assert loaded.texts_a_second > 0
    assert loaded.rows_a_batch >= 1
    assert loaded.cpu_ms == pytest.approx(loaded.tokenise_cpu_ms + loaded.infer_cpu_ms + loaded.decode_cpu_ms)


def test_one_text_is_enough(tmp_path):
    predictor = Predictor(load_bundle(kit.write_bundle(tmp_path / "tiny", golden=())))
    predictor.start()
    assert measure(predictor, [Text("球")]).loaded.rows_a_batch == 1
