"""A bundle as a base: the float network read back from its int8 graph answers as the graph does."""

from __future__ import annotations

import io
import shutil
from dataclasses import replace

import numpy as np
import onnxruntime as ort
import pytest
from onnx import helper
from rich.console import Console

torch = pytest.importorskip("torch")

from models.base import open_base  # noqa: E402
from models.bundled import read_graph  # noqa: E402
from models.data.labelled import LABELLED  # noqa: E402
from models.errors import MakeError  # noqa: E402
from models.export import float_model  # noqa: E402
from models.make import make  # noqa: E402
from models.network import Encoder  # noqa: E402
from models.quantize import quantized  # noqa: E402
from models.shape import Shape  # noqa: E402
from models.teachers import answers_of  # noqa: E402
from models.workspace import load_trained  # noqa: E402
from server.inference.bundle import load_bundle  # noqa: E402
from server.inference.predictor import Predictor  # noqa: E402
from tests.kit import making_kit as kit  # noqa: E402

QUIET = Console(file=io.StringIO())
SHAPE = Shape(vocab=60, hidden=32, layers=3, heads=4, ffn=64, positions=16, outputs=3)
CHANGES = [
    {},
    {"activation": "gelu"},
    {"activation": "gelu_tanh", "head": "tokens"},
    {"pooling": "cls"},
    {"head": "spans", "outputs": 2, "first_ends": 2},
    {"pooling": "compared", "first_ends": 2},
    {"embedding": 16, "shared": True, "activation": "gelu"},
    {"head_size": 6},
]


def weights_of(shape):
    torch.manual_seed(1)
    network = Encoder(shape)
    with torch.no_grad():
        for weight in network.parameters():
            weight.add_(0.2 * torch.randn_like(weight))
    return {name: value.detach().numpy() for name, value in network.state_dict().items()}


def logits(model, ids):
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(["logits"], {"input_ids": ids, "attention_mask": np.ones_like(ids)})[0]


@pytest.mark.parametrize("change", CHANGES, ids=str)
def test_the_network_read_back_says_what_the_graph_says(change):
    shape = replace(SHAPE, **change)
    rng = np.random.default_rng(5)
    texts = [np.array([0, *rng.integers(5, 60, 6), 2, *rng.integers(5, 60, 5), 2]) for _ in range(40)]
    graph, _ = quantized(shape, weights_of(shape), texts)
    found, weights = read_graph(graph.graph)
    unshared = replace(shape, shared=False)
    assert found == replace(unshared, outputs=0, pooling="mean", head="classify", first_ends=None)
    ids = np.stack(texts)
    want, got = logits(graph, ids), logits(float_model(unshared, weights), ids)
    assert np.abs(want - got).max() < 0.1 * np.abs(want).max()
    assert np.corrcoef(want.ravel(), got.ravel())[0, 1] > 0.995


def test_both_sides_of_a_relu_and_of_attention_are_equally_strong():
    rng = np.random.default_rng(5)
    texts = [rng.integers(5, 60, 12) for _ in range(40)]
    _, weights = read_graph(quantized(SHAPE, weights_of(SHAPE), texts)[0].graph)
    for before, after in (("qkv", "out"), ("ffn_in", "ffn_out")):
        given, taken = weights[f"layers.1.{before}.weight"], weights[f"layers.1.{after}.weight"]
        gives, takes = np.linalg.norm(given[-taken.shape[1] :], axis=1), np.linalg.norm(taken, axis=0)
        dead = takes == 0
        np.testing.assert_allclose(gives[~dead], takes[~dead], rtol=1e-3)
        assert gives.max() < 5 * np.median(gives) < 25 * gives.min(), "also where nothing is taken yet"


@pytest.fixture(scope="module")
def packed(tmp_path_factory):
    """A folder with data and a bundle made of them."""
    folder = tmp_path_factory.mktemp("packed")
    kit.write_data(folder / "data")
    recipe = kit.write_recipe(folder, kit.write_base(folder / "base.bin"))
    make(str(recipe), folder / "data", folder / "work", QUIET)
    return folder


def further(packed, folder, change=("", "")):
    """The network that a recipe starts with whose base is the bundle."""
    folder.mkdir(exist_ok=True)
    recipe = kit.write_recipe(folder, packed / "work/tiny/pack/tiny")
    text = recipe.read_text("utf-8").replace("layers = [0, 2]", "layers = [0, 1]").replace(*change)
    recipe.write_text(text, "utf-8")
    make(str(recipe), packed / "data", folder / "work", QUIET, last="base")
    return load_trained(folder / "work/tiny/base")


def test_a_recipe_goes_on_from_a_bundle(packed, tmp_path):
    started = further(packed, tmp_path)
    bundle = load_bundle(packed / "work/tiny/pack/tiny")
    assert bundle.manifest.version == started.record.base_sha256
    assert "by way of the bundle tiny" in started.record.base
    assert [digest.file for digest in started.record.data] == ["tnews/train.json"]
    predictor = Predictor(bundle)
    predictor.start()
    rows, _ = LABELLED.read(packed / "data", "tnews", "dev")
    answers = answers_of(started, rows)
    alike = [
        predictor.answer(row.asked).labels[0].label == answer.labels[0].label
        for row, answer in zip(rows, answers, strict=True)
    ]
    assert np.mean(alike) >= 0.97


def test_other_labels_get_a_new_head(packed, tmp_path):
    learnt = load_trained(packed / "work/tiny/finetune").weights()
    kept = further(packed, tmp_path / "a").weights()["head.weight"]
    lines = 'news_sports = "体育"\nnews_finance = "财经"'
    other = further(packed, tmp_path / "b", (lines, "\n".join(reversed(lines.split("\n")))))
    np.testing.assert_allclose(kept, learnt["head.weight"], atol=1e-6)
    assert np.abs(other.weights()["head.weight"]).max() < 0.1


@pytest.mark.parametrize("what", ["foreign", "changed"])
def test_what_is_no_bundle_of_ours_is_said(packed, tmp_path, what):
    folder = shutil.copytree(packed / "work/tiny/pack/tiny", tmp_path / "tiny")
    if what == "changed":
        (folder / "model.onnx").write_bytes(b"other")
        with pytest.raises(MakeError, match=r"has 5 bytes; \d+ were packed"):
            open_base(str(folder))
    else:
        node = helper.make_node("Identity", ["input_ids"], ["logits"])
        with pytest.raises((LookupError, ValueError)):
            read_graph(helper.make_graph([node], "other", [], []))
