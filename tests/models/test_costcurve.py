import numpy as np
import onnx
import pytest

from models import costcurve
from models.bert_graph import BertShape, Head, bert_graph
from models.costcurve import machine, measure_cost, standard_widths
from server.inference.manifest import Layout

LAYOUT = Layout(
    prefix=(2,), middle=(3,), suffix=(3,), pad=0, max_length=64, overlap=16, types="token_type_ids"
)


@pytest.fixture(scope="module")
def graph(tmp_path_factory):
    path = tmp_path_factory.mktemp("graph") / "model.onnx"
    shape = BertShape(vocab=100, layers=2, width=64, heads=4, ffn=256, positions=64)
    onnx.save(bert_graph(shape, Head(3)), path)
    return path


def test_a_larger_run_never_costs_less(graph):
    curve = measure_cost(graph, LAYOUT, (8, 16, 64), (1, 2, 8), budget=0.5)
    seconds = np.array(curve.seconds)
    assert (curve.rows, curve.widths) == ((1, 2, 8), (8, 16, 64))
    assert seconds.shape == (3, 3)
    assert (seconds > 0).all()
    assert (np.diff(seconds, axis=0) >= 0).all()
    assert (np.diff(seconds, axis=1) >= 0).all()
    assert seconds[-1, -1] > seconds[0, 0]
    assert curve.machine


def test_rows_that_the_budget_cannot_pay_are_left_out(graph):
    curve = measure_cost(graph, LAYOUT, (8, 64), (1, 2, 4, 8), budget=1e-9)
    assert curve.rows == (1,)


@pytest.mark.parametrize("longest", [8, 10, 64, 128, 200, 512])
def test_widths_rise_to_the_longest(longest):
    widths = standard_widths(longest)
    assert widths[-1] == longest
    assert list(widths) == sorted(set(widths))


@pytest.mark.parametrize(
    ("flags", "called"),
    [({"avx2", "sse2"}, "AVX2"), ({"avx2", "avx512f"}, "AVX-512"), ({"avx2", "avx512_vnni"}, "AVX-512 VNNI")],
)
def test_the_machine_is_named_with_its_widest_instructions(monkeypatch, flags, called):
    monkeypatch.setattr(costcurve, "cpu_features", lambda: frozenset(flags))
    assert machine().endswith(f", {called})")
    monkeypatch.setattr(costcurve, "cpu_features", frozenset)
    assert called not in machine()
