"""What matters least is cut, and a smaller network is left that every later stage can take."""

from __future__ import annotations

import io
import json
from dataclasses import replace

import msgspec
import numpy as np
import pytest
from msgspec import UNSET
from rich.console import Console

torch = pytest.importorskip("torch")
onnx = pytest.importorskip("onnx")

from models.errors import MakeError  # noqa: E402
from models.export import float_model  # noqa: E402
from models.finetune import Fitting  # noqa: E402
from models.infer import load_network, logits_of  # noqa: E402
from models.make import make  # noqa: E402
from models.network import Encoder  # noqa: E402
from models.prune import importance, most, pruned  # noqa: E402
from models.quantize import quantized  # noqa: E402
from models.shape import Shape, pruned_shape  # noqa: E402
from models.task_data import Exam, Examples  # noqa: E402
from models.workspace import Config, load_trained  # noqa: E402
from server.inference.bundle import load_bundle  # noqa: E402
from server.inference.predictor import Predictor  # noqa: E402
from server.inference.values import Text  # noqa: E402
from tests.kit import making_kit as kit  # noqa: E402
from tests.models.test_quantize import run, session_of  # noqa: E402

QUIET = Console(file=io.StringIO())
WHOLE = Shape(vocab=40, hidden=24, layers=3, heads=4, ffn=32, positions=16, outputs=3, activation="gelu")
PRUNE = """[prune]
heads = {heads}
ffn = {ffn}
[prune.training]
epochs = 2
tokens_a_batch = 128
rate = 1e-3
head_rate = 1e-3
bfloat16 = false
"""


def network_of(shape: Shape, seed: int = 1) -> Encoder:
    torch.manual_seed(seed)
    network = Encoder(shape).eval()
    with torch.no_grad():
        for weight in network.parameters():
            weight.add_(0.2 * torch.randn_like(weight))
    return network


def weights_of(network: Encoder) -> dict[str, np.ndarray]:
    return {name: value.detach().numpy() for name, value in network.state_dict().items()}


def learner_of(network: Encoder, rows: int = 24) -> Fitting:
    random = np.random.default_rng(0)
    ids = [random.integers(2, network.shape.vocab, random.integers(3, 12)).tolist() for _ in range(rows)]
    outputs = network.shape.outputs
    labels = [[int(label)] for label in random.integers(0, outputs, rows)]
    config = Config(shape=network.shape, labels=(), start=0, pad=1, end=2, unknown=3)
    return Fitting(network, Examples(ids, labels, [1] * rows), Exam(config, [], []), 0.0)


def cut(network: Encoder, heads: int, ffn: int) -> Encoder:
    found = importance(learner_of(network), [list(range(at, at + 8)) for at in (0, 8, 16)])
    smaller = pruned_shape(network.shape, heads, ffn)
    made = Encoder(smaller).eval()
    weights = pruned(network.shape, smaller, weights_of(network), found)
    made.load_state_dict({name: torch.from_numpy(value) for name, value in weights.items()})
    return made


def plant(network: Encoder, layer: int, heads: list[int], units: list[int], size: float = 0.0) -> None:
    """Has the layer hear those heads and units `size` times as loud."""
    loud = network.layers[layer].out.weight.detach().unflatten(1, (network.shape.heads, -1))
    loud[:, heads] *= size
    network.layers[layer].ffn_out.weight.detach()[:, units] *= size


def asked(network: Encoder) -> list[np.ndarray]:
    return logits_of(network, learner_of(network).examples.ids, 1)


def gap(one: Encoder, other: Encoder) -> float:
    return max(float(np.abs(a - b).max()) for a, b in zip(asked(one), asked(other), strict=True))


@pytest.mark.parametrize("change", [{}, {"embedding": 8}, {"activation": "relu"}, {"layers": 1}])
def test_heads_and_units_that_nothing_hears_go_first_and_the_logits_stay(change):
    network = network_of(replace(WHOLE, **change))
    for layer in range(network.shape.layers):
        plant(network, layer, [layer, 3], list(range(layer, 24 + layer)))
    small = cut(network, 2, 8)
    assert np.abs(np.stack(asked(network))).max() > 0.5
    assert gap(network, small) < 1e-5
    assert small.layers[0].qkv.weight.shape == (3 * 12, 24)
    assert small.layers[0].ffn_out.weight.shape == (24, 8)


def test_the_quietest_are_cut_though_all_are_heard():
    network = network_of(WHOLE)
    plant(network, 1, [0, 2], [5, 6, 30], 0.02)
    plan = [list(range(24))]
    for _ in range(2):  # and the same ones each time
        found = importance(learner_of(network), plan)[1]
        assert most(found.heads, 2).tolist() == [1, 3]
        assert not {5, 6, 30} & set(most(found.units, 29).tolist())


def test_importance_is_what_closing_a_gate_costs_to_first_order():
    """Against the loss itself, with a gate moved a little, text by text."""
    network = network_of(WHOLE)
    learner, step = learner_of(network, rows=4), 1e-2
    rows = [[row] for row in range(4)]
    found = importance(learner, rows)[2].heads
    costs = np.zeros(4)
    for head in range(4):
        for row in rows:
            losses = []
            for size in (1 + step, (1 - step) / (1 + step)):
                plant(network, 2, [head], [], size)
                losses.append(learner.loss(row).item())
            plant(network, 2, [head], [], 1 / (1 - step))
            costs[head] += abs(losses[0] - losses[1]) / (2 * step)
    np.testing.assert_allclose(found, costs, rtol=0.02, atol=1e-4)


def test_shared_layers_lose_what_matters_least_at_all_depths_together():
    network = network_of(replace(WHOLE, shared=True, embedding=8))
    plant(network, 0, [1, 2], list(range(20)))
    (found,) = importance(learner_of(network), [list(range(24))])
    assert np.flatnonzero(found.heads).tolist() == [0, 3]
    small = cut(network, 2, 12)
    assert gap(network, small) < 1e-5
    assert small.shape.parameters == sum(weight.numel() for weight in small.parameters())


@pytest.mark.parametrize("change", [{}, {"activation": "relu"}, {"shared": True, "embedding": 8}])
@pytest.mark.parametrize("heads", [1, 3])
def test_torch_and_both_graphs_say_the_same_of_a_pruned_network(change, heads):
    small = cut(network_of(replace(WHOLE, **change)), heads, 20)
    ids, weights = learner_of(small, 60).examples.ids, weights_of(small)
    graphs = [
        float_model(small.shape, weights),
        quantized(small.shape, weights, [np.array(row) for row in ids])[0],
    ]
    exact, rough = (
        np.concatenate([run(session_of(graph), np.array([row]), [len(row)]) for row in ids])
        for graph in graphs
    )
    said = np.stack(logits_of(small, ids, 1))
    np.testing.assert_allclose(exact, said, atol=1e-4)
    ordered = np.sort(said, axis=1)
    clear = ordered[:, -1] - ordered[:, -2] > 0.1
    assert clear.sum() > 30
    assert np.array_equal(rough.argmax(1)[clear], said.argmax(1)[clear])


def test_pruned_twice_is_pruned_still():
    network = network_of(WHOLE)
    once = cut(network, 3, 24)
    plant(once, 0, [1], [])
    for layer in (1, 2):
        plant(once, layer, [2], [])
    twice = cut(once, 2, 24)
    assert (twice.shape.heads, twice.shape.head_size, twice.shape.attention) == (2, 6, 12)
    assert gap(once, twice) < 1e-5


def test_the_size_of_heads_stands_in_no_file_of_a_network_that_was_not_pruned():
    shape = replace(WHOLE)
    written = msgspec.json.encode(shape)
    assert b"head_size" not in written
    assert msgspec.json.decode(written, type=Shape) == shape
    assert shape.head_size is UNSET
    assert shape.parameters == sum(weight.numel() for weight in Encoder(shape).parameters())
    small = pruned_shape(shape, 3, 20)
    assert msgspec.json.decode(msgspec.json.encode(small), type=Shape) == small
    assert small.parameters == sum(weight.numel() for weight in Encoder(small).parameters())


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("prune")
    kit.write_data(folder / "data")
    kit.write_recipe(folder, kit.write_base(folder / "tiny.bin"))
    return folder


def write(place, heads: int, ffn: int, more: str = ""):
    text = (place / "tiny.toml").read_text("utf-8")
    section = PRUNE.format(heads=heads, ffn=ffn) + more
    path = place / f"pruned-{heads}-{ffn}.toml"
    path.write_text(text.replace("[quantise]", f"{section}\n[quantise]"), "utf-8")
    return str(path)


def test_a_pruned_network_goes_through_every_stage_to_a_bundle(place):
    make(write(place, 2, 24), place / "data", place / "work", QUIET)
    work = place / "work/tiny"
    whole, small = load_trained(work / "finetune"), load_trained(work / "prune")
    assert small.record.stage == "prune"
    assert small.record.notes == {
        **whole.record.notes,
        "heads": 2,
        "ffn": 24,
        "parameters_before": whole.config.shape.parameters,
        "parameters": small.config.shape.parameters,
    }
    assert small.config.shape.parameters == sum(value.size for value in small.weights().values())
    assert small.config.shape.parameters < whole.config.shape.parameters
    assert len(small.record.epochs) == 2
    bundle = load_bundle(work / "pack/tiny")
    assert bundle.manifest.quality[0].value > 0.85
    assert bundle.manifest.parameters == small.config.shape.parameters
    predictor = Predictor(bundle)
    predictor.start()
    asked = ["今天的足球比赛队员进球", "我们的银行股票基金利率"]
    answers = [predictor.answer(Text(text)).labels[0].label for text in asked]
    assert answers == ["news_sports", "news_finance"]
    assert json.loads((work / "quantise/report.json").read_text("utf-8"))["agreement"] >= 0.95
    assert load_network(small).layers[0].heads == 2


def test_a_pruned_network_can_grow(place):
    recipe = write(place, 3, 40, "[grow]\ntimes = 2\n")
    make(recipe, place / "data", place / "grown", QUIET, last="export")
    shape = load_trained(place / "grown/tiny/grow").config.shape
    assert (shape.hidden, shape.heads, shape.attention, shape.ffn) == (64, 3, 48, 80)


@pytest.mark.parametrize(("heads", "ffn"), [(5, 24), (2, 65)])
def test_more_than_there_is_cannot_be_kept(place, tmp_path, heads, ffn):
    why = rf"keeps {heads} heads and {ffn} inner units of each layer; the network has 4 and 64\."
    recipe, work = write(place, heads, ffn), tmp_path
    with pytest.raises(MakeError, match=why):
        make(recipe, place / "data", work, QUIET)
    assert not (work / "tiny/base").exists()
    make(str(place / "tiny.toml"), place / "data", work, QUIET, last="base")
    (work / "tiny/base").rename(work / "tiny/finetune")
    with pytest.raises(MakeError, match=why):
        make(recipe, place / "data", work, QUIET, first="prune")
    assert not (work / "tiny/prune").exists()
