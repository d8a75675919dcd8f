from __future__ import annotations

import numpy as np
import onnxruntime as ort
import pytest

pytest.importorskip("onnx")

from models.export import float_model
from models.observed import SAMPLE_ROWS, Observed, observe
from models.quantize import (
    UNITS,
    WEIGHT_TOP,
    Site,
    fit_site,
    fit_sites,
    integer_model,
    parameters_left,
    quantize_columns,
    quantized,
    without_idle,
)
from models.shape import Shape

SHAPE = Shape(vocab=60, hidden=32, layers=2, heads=4, ffn=64, positions=32, outputs=3)


def weights_of(shape: Shape, seed: int = 0) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)

    def linear(name: str, outputs: int, inputs: int) -> dict[str, np.ndarray]:
        weight = rng.standard_normal((outputs, inputs)) / np.sqrt(inputs)
        return {f"{name}.weight": weight, f"{name}.bias": rng.standard_normal(outputs) * 0.1}

    def norm(name: str) -> dict[str, np.ndarray]:
        gain = 1 + rng.standard_normal(shape.hidden) * 0.3
        return {f"{name}.weight": gain, f"{name}.bias": rng.standard_normal(shape.hidden) * 0.1}

    found = {
        "embed.word": rng.standard_normal((shape.vocab, shape.hidden)),
        "embed.position": rng.standard_normal((shape.positions, shape.hidden)) * 0.1,
        **norm("embed.norm"),
        **linear("head", shape.outputs, shape.hidden),
    }
    for layer in range(shape.layers):
        found |= linear(f"layers.{layer}.qkv", 3 * shape.attention, shape.hidden)
        found |= linear(f"layers.{layer}.out", shape.hidden, shape.attention)
        found |= linear(f"layers.{layer}.ffn_in", shape.ffn, shape.hidden)
        found |= linear(f"layers.{layer}.ffn_out", shape.hidden, shape.ffn)
        found |= norm(f"layers.{layer}.attn_norm") | norm(f"layers.{layer}.ffn_norm")
    return {name: value.astype(np.float32) for name, value in found.items()}


def session_of(model) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    return ort.InferenceSession(model.SerializeToString(), options, ["CPUExecutionProvider"])


def run(session: ort.InferenceSession, ids: np.ndarray, lengths: list[int]) -> np.ndarray:
    mask = (np.arange(ids.shape[1]) < np.array(lengths)[:, None]).astype(np.int64)
    return session.run(["logits"], {"input_ids": ids * mask, "attention_mask": mask})[0]


def texts(count: int, seed: int = 1) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [rng.integers(0, SHAPE.vocab, rng.integers(3, 20)) for _ in range(count)]


def shape_like(**changes) -> Shape:
    return Shape(**{**{name: getattr(SHAPE, name) for name in SHAPE.__slots__}, **changes})


@pytest.mark.parametrize("activation", ["relu", "gelu"])
@pytest.mark.parametrize(("head", "pooling"), [("classify", "mean"), ("classify", "cls"), ("tokens", "mean")])
def test_int8_stays_close_to_float(activation, head, pooling):
    shape = shape_like(activation=activation, head=head, pooling=pooling)
    weights = weights_of(shape)
    integers, _ = quantized(shape, weights, texts(60))
    ids = np.random.default_rng(5).integers(0, shape.vocab, (8, 16))
    exact = run(session_of(float_model(shape, weights)), ids, [16] * 8)
    close = run(session_of(integers), ids, [16] * 8)
    assert np.sqrt(((close - exact) ** 2).mean()) < 0.08 * exact.std()


@pytest.mark.parametrize("head", ["classify", "tokens"])
@pytest.mark.parametrize("width", [8, 17, 32])
@pytest.mark.parametrize("pruned", [{}, {"heads": 3, "head_size": 8}])
def test_an_answer_is_equal_to_the_bit_alone_and_in_company(head, width, pruned):
    shape = shape_like(head=head, **pruned)
    weights = weights_of(shape)
    rng = np.random.default_rng(width)
    ids = rng.integers(0, shape.vocab, (13, width))
    lengths = list(rng.integers(2, width + 1, 13))
    for model in (float_model(shape, weights), quantized(shape, weights, texts(30))[0]):
        session = session_of(model)
        company = run(session, ids, lengths)
        for rows in ([0], [12, 3], [5, 4, 3, 2, 1]):
            again = run(session, ids[rows], [lengths[row] for row in rows])
            assert np.array_equal(again, company[rows])


def test_no_pair_of_products_can_pass_sixteen_bits():
    assert np.iinfo(np.int16).max >= 2 * 255 * WEIGHT_TOP
    _, sites = quantized(SHAPE, weights_of(SHAPE), texts(30))
    assert len(sites) == 4 * SHAPE.layers
    for site in sites.values():
        assert int(np.abs(site.weight.astype(int)).max()) <= WEIGHT_TOP


def test_a_channel_of_outliers_does_not_spoil_the_others():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((400, 24)).astype(np.float32)
    x[:, 3] *= 80
    weight = (rng.standard_normal((24, 16)) / 5).astype(np.float32)
    weight[3] /= 80
    site = fit_site(Observed.of(x), weight, np.zeros(16, np.float32), signed=True)
    one_scale = np.abs(x).max() / 127
    naive = (np.rint(x / one_scale) * one_scale) @ weight
    exact = x @ weight
    assert site.error < 0.1 * float(((naive - exact) ** 2).mean() / (exact**2).mean())


def test_columns_keep_their_direction_and_scale():
    columns = np.random.default_rng(0).standard_normal((50, 7)).astype(np.float32) * np.logspace(-3, 3, 7)
    integers, scale = quantize_columns(columns.astype(np.float32))
    error = ((integers * scale - columns) ** 2).mean(axis=0)
    assert np.all(error < 1e-3 * (columns**2).mean(axis=0))


def test_unsigned_sites_use_the_whole_range():
    x = np.abs(np.random.default_rng(0).standard_normal((300, 8))).astype(np.float32)
    site: Site = fit_site(Observed.of(x), np.eye(8, dtype=np.float32), np.zeros(8, np.float32), signed=False)
    assert site.zero == 0
    assert np.rint(x / site.step).max() > 127


@pytest.mark.parametrize("activation", ["relu", "gelu"])
def test_units_that_never_fire_are_left_out_and_nothing_else_changes(activation):
    shape, idle = shape_like(activation=activation), np.arange(0, 64, 3)
    weights = weights_of(shape)
    weights["layers.1.ffn_in.bias"][idle] = -1e3  # after a GELU, too, nothing is left
    sites = fit_sites(shape, weights, observe(shape, weights, texts(60)))
    lean = without_idle(sites)
    assert lean["layers.1.ffn_in"].weight.shape == (32, 3 * UNITS), "42 are used"
    assert lean["layers.1.ffn_out"].weight.shape == (3 * UNITS, 32)
    assert len(lean["layers.0.ffn_out"].weight) == 64
    assert parameters_left(shape, sites) == shape.parameters
    assert parameters_left(shape, lean) == shape.parameters - 16 * (32 + 1 + 32)
    ids = np.random.default_rng(5).integers(0, shape.vocab, (8, 16))
    whole, small = (
        run(session_of(integer_model(shape, weights, each)), ids, [16] * 8) for each in (sites, lean)
    )
    assert np.array_equal(whole, small)


def test_any_number_of_texts_is_observed_in_full_and_sampled_evenly():
    weights = weights_of(SHAPE)
    many = texts(400)
    once = [observe(SHAPE, weights, [each])["layers.1.out"] for each in many]
    seen = observe(SHAPE, weights, many)["layers.1.out"]
    assert np.array_equal(seen.peak, np.max([each.peak for each in once], axis=0))
    everything = np.concatenate([each.sample for each in once])
    step = len(everything) // SAMPLE_ROWS
    assert step > 1
    assert np.array_equal(seen.sample, everything[::step])
