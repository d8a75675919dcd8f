"""A bundle as a base: the float network read back from its int8 graph answers as the graph does."""

from __future__ import annotations

import io
import json
import shutil
from dataclasses import replace

import numpy as np
import onnxruntime as ort
import pytest
from rich.console import Console

torch = pytest.importorskip("torch")

from models.base import open_base  # noqa: E402
from models.data.labelled import LABELLED  # noqa: E402
from models.errors import MakeError  # noqa: E402
from models.export import float_model  # noqa: E402
from models.make import make  # noqa: E402
from models.network import Encoder  # noqa: E402
from models.quantize import quantized  # noqa: E402
from models.readback import read_graph  # noqa: E402
from models.shape import Shape  # noqa: E402
from models.teachers import answers_of  # noqa: E402
from models.vocabulary import tokenizer_of  # noqa: E402
from models.workspace import load_trained  # noqa: E402
from server.inference.bundle import load_bundle  # noqa: E402
from server.inference.predictor import Predictor  # noqa: E402
from tests.kit import making_kit as kit  # noqa: E402
from tests.kit.bundle_kit import write_bundle  # noqa: E402

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
    assert found == replace(unshared, head=shape.head.replace("spans", "tokens"), first_ends=None)
    ids = np.stack(texts)
    want, got = logits(graph, ids), logits(float_model(unshared, weights), ids)
    assert np.abs(want - got).max() < 0.1 * np.abs(want).max()
    assert np.corrcoef(want.ravel(), got.ravel())[0, 1] > 0.995


def graph_of(weights):
    rng = np.random.default_rng(5)
    return quantized(SHAPE, weights, [rng.integers(5, 60, 12) for _ in range(40)])[0]


def test_both_sides_of_a_relu_and_of_attention_are_equally_strong():
    _, weights = read_graph(graph_of(weights_of(SHAPE)).graph)
    for before, after in (("qkv", "out"), ("ffn_in", "ffn_out")):
        given, taken = weights[f"layers.1.{before}.weight"], weights[f"layers.1.{after}.weight"]
        gives, takes = np.linalg.norm(given[-taken.shape[1] :], axis=1), np.linalg.norm(taken, axis=0)
        dead = takes == 0
        np.testing.assert_allclose(gives[~dead], takes[~dead], rtol=1e-3)
        assert gives.max() < 5 * np.median(gives) < 25 * gives.min(), "also where nothing is taken yet"


def test_a_layer_without_its_idle_units_is_filled_up_by_ones_that_can_learn():
    weights = weights_of(SHAPE)
    weights["layers.1.ffn_in.bias"][:30] = -1e3
    graph = graph_of(weights)
    shape, found = read_graph(graph.graph)
    network = Encoder(replace(shape, head="classify")).eval()
    network.load_state_dict({name: torch.tensor(value) for name, value in found.items()})
    ids = np.random.default_rng(6).integers(5, 60, (4, 12))
    want, got = logits(graph, ids), network(torch.from_numpy(ids), torch.ones(4, 12, dtype=torch.long))
    assert np.corrcoef(want.ravel(), got.detach().numpy().ravel())[0, 1] > 0.995
    got.square().sum().backward()
    taken = network.state_dict(keep_vars=True)["layers.1.ffn_out.weight"]
    fresh = taken[:, -16:]
    assert fresh.abs().max() == 0
    assert (taken.grad[:, -16:].abs().amax(0) > 0).float().mean() > 0.5


def test_a_channel_of_bias_alone_goes_on_giving_it():
    weights = weights_of(SHAPE)
    weights["layers.1.qkv.weight"][-3] = 0
    weights["layers.1.qkv.bias"][-3] = 3
    graph = graph_of(weights)
    shape, found = read_graph(graph.graph)
    ids = np.random.default_rng(6).integers(5, 60, (4, 12))
    want, got = logits(graph, ids), logits(float_model(shape, found), ids)
    assert np.abs(want - got).max() < 0.1 * np.abs(want).max()


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


LABELS = 'news_sports = "体育"\nnews_finance = "财经"'
OTHERS = {
    "labels": (LABELS, "\n".join(reversed(LABELS.split("\n")))),
    "pooling": ("positions = 16", 'positions = 16\npooling = "cls"'),
    "activation": ("positions = 16", 'positions = 16\nactivation = "gelu"'),
}


def test_the_same_task_keeps_its_head(packed, tmp_path):
    learnt = load_trained(packed / "work/tiny/finetune").weights()
    kept = further(packed, tmp_path).weights()
    np.testing.assert_allclose(kept["head.weight"], learnt["head.weight"], atol=1e-6)


@pytest.mark.parametrize("change", OTHERS.values(), ids=OTHERS)
def test_another_task_or_network_begins_a_new_one(packed, tmp_path, change):
    assert np.abs(further(packed, tmp_path, change).weights()["head.weight"]).max() < 0.1


def test_a_set_that_it_has_learnt_is_not_cut_by_another_seed(packed, tmp_path):
    with pytest.raises(MakeError, match="held out by the seed 3; the recipe, with the seed 4"):
        further(packed, tmp_path, ("seed = 3", "seed = 4"))
    with pytest.raises(MakeError, match=r"learns 200 and holds out 40: .* `validation` no larger"):
        further(packed, tmp_path, ("validation = 20", "validation = 40"))
    further(packed, tmp_path, ("validation = 20", "validation = 10"))
    further(packed, tmp_path / "few", ("validation = 20", "validation = 20\nlimit = 30"))


def test_a_set_that_it_has_learnt_beside_its_own_holds_nothing_out(packed, tmp_path):
    folder = tmp_path / "packed"
    shutil.copytree(packed / "data", folder / "data")
    (folder / "data/more").mkdir()
    rows = [
        json.dumps({"text": f"足球比赛{i}好", "label": "news_sports"}, ensure_ascii=False) for i in range(60)
    ]
    for name in ("train", "dev"):
        (folder / f"data/more/{name}.jsonl").write_text(
            "\n".join(rows if name == "train" else rows[:5]), "utf-8"
        )
    recipe = kit.write_recipe(folder, packed / "base.bin", epochs=1)
    text = recipe.read_text("utf-8").replace("validation = 20", "validation = 20\nalso = { more = 30 }")
    recipe.write_text(text, "utf-8")
    make(str(recipe), folder / "data", folder / "work", QUIET)
    with pytest.raises(MakeError, match="learnt this set beside another"):
        further(folder, tmp_path, ('set = "tnews"', 'set = "more"'))


def test_a_recipe_may_name_the_version_it_goes_on_from(packed):
    folder = packed / "work/tiny/pack/tiny"
    version = load_bundle(folder).manifest.version
    assert open_base(f"{folder}@{version[:12]}").sha256 == version
    with pytest.raises(MakeError, match=rf"version {version[:12]}; the recipe goes on from ffff\."):
        open_base(f"{folder}@ffff")


def test_the_bundle_may_have_another_name_than_the_work_folder(packed, tmp_path):
    recipe = kit.write_recipe(tmp_path, packed / "base.bin", epochs=1)
    recipe.write_text(recipe.read_text("utf-8").replace("[bundle]", '[bundle]\nname = "other"'), "utf-8")
    make(str(recipe), packed / "data", tmp_path / "work", QUIET)
    assert load_bundle(tmp_path / "work/tiny/pack/other").manifest.name == "other"


def test_what_ships_is_found_from_everywhere(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    answers = open_base("zoo/answers")
    assert answers.head(("start", "end"), replace(answers.shape, layers=2))
    assert not answers.head(("end", "start"), answers.shape)
    assert tokenizer_of(answers.pieces, range(len(answers.pieces.texts))).encode("长江").tokens == [
        "长",
        "江",
    ]


def test_a_file_that_was_changed_is_said(packed, tmp_path):
    folder = shutil.copytree(packed / "work/tiny/pack/tiny", tmp_path / "tiny")
    (folder / "model.onnx").write_bytes(b"other")
    with pytest.raises(MakeError, match=r"has 5 bytes; \d+ were packed"):
        open_base(str(folder))


def test_a_graph_that_is_not_ours_is_no_base(tmp_path):
    with pytest.raises(MakeError, match="is no base: its graph is none of qingmo's"):
        open_base(str(write_bundle(tmp_path / "mine")))
