"""Layers of one base above those of another: a deeper network that goes on from what a bundle knows."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pytest
from rich.console import Console

torch = pytest.importorskip("torch")

from models.base import open_base  # noqa: E402
from models.errors import MakeError  # noqa: E402
from models.make import make  # noqa: E402
from models.network import Encoder  # noqa: E402
from models.readback import fill_up  # noqa: E402
from models.shape import Shape  # noqa: E402
from models.stacked import Stacked  # noqa: E402
from models.workspace import load_trained  # noqa: E402
from tests.kit import making_kit as kit  # noqa: E402

QUIET = Console(file=io.StringIO())


@pytest.fixture(scope="module")
def packed(tmp_path_factory):
    """A folder with data, a base and a bundle made of both."""
    folder = tmp_path_factory.mktemp("packed")
    kit.write_data(folder / "data")
    recipe = kit.write_recipe(folder, kit.write_base(folder / "base.bin"), epochs=1)
    make(str(recipe), folder / "data", folder / "work", QUIET)
    return folder


def deeper(packed, folder, above, layers="[2, 1, 2]", change=("", ""), last="base"):
    """What a recipe begins with that puts layers of `above` on those of the bundle."""
    recipe = kit.write_recipe(folder, packed / "work/tiny/pack/tiny", epochs=1)
    network = f'layers = [0, 1]\nabove = {{ base = "{above}", layers = {layers} }}'
    text = recipe.read_text("utf-8").replace("layers = [0, 2]", network).replace(*change)
    recipe.write_text(text, "utf-8")
    make(str(recipe), packed / "data", folder / "work", QUIET, last=last)
    return load_trained(folder / "work/tiny" / last)


def narrow_base(folder, monkeypatch, name, size):
    """A base with another size of one part."""
    monkeypatch.setattr(kit, name, size)
    return kit.write_base(folder / f"{name}.bin", seed=5)


def test_the_layers_stand_above_one_another_and_the_head_is_kept(packed, tmp_path):
    started, base = deeper(packed, tmp_path, packed / "base.bin"), open_base(str(packed / "base.bin"))
    bundle = open_base(str(packed / "work/tiny/pack/tiny"))
    weights, want = started.weights(), [bundle.layer(0), bundle.layer(1), *map(base.layer, (2, 1, 2))]
    assert started.config.shape.layers == len(want)
    for place, layer in enumerate(want):
        for name, value in layer.items():
            np.testing.assert_array_equal(weights[f"layers.{place}.{name}"], value, f"{place} {name}")
    np.testing.assert_array_equal(weights["head.weight"], bundle.weights["head.weight"])
    np.testing.assert_array_equal(weights["embed.word"], bundle.weights["embed.word"])
    assert base.name in started.record.base
    assert "bundle tiny" in started.record.base


def test_with_a_gain_the_layers_add_less(packed, tmp_path):
    started = deeper(packed, tmp_path, packed / "base.bin", "[2, 1, 2], gain = 0.25")
    base, bundle = (open_base(str(packed / part)) for part in ("base.bin", "work/tiny/pack/tiny"))
    weights = started.weights()
    for place, taken in ((2, 2), (3, 1), (4, 2)):
        plain = base.layer(taken)
        for name, value in plain.items():
            if "norm" in name:
                continue
            want = value * np.float32(0.25 if name.split(".")[0] in ("out", "ffn_out") else 1)
            np.testing.assert_array_equal(weights[f"layers.{place}.{name}"], want, f"{place} {name}")
    assert "the layers 2, 1, 2 of" in started.record.base
    assert f"({base.sha256[:12]}), times 0.25, above" in started.record.base
    for place in (0, 1):
        np.testing.assert_array_equal(
            weights[f"layers.{place}.out.weight"], bundle.layer(place)["out.weight"]
        )


@pytest.mark.parametrize(("weight", "bias"), [(1.0, 0.0), (0.4, 0.0), (3.0, 0.5)])
def test_layers_that_add_almost_nothing_leave_the_states_as_they_were(tmp_path, monkeypatch, weight, bias):
    """Sixteen norms in turn must not each multiply them anew."""
    plain = kit.tensors
    last = {"l1.oln.w": np.full(32, weight, np.float32), "l1.oln.b": np.full(32, bias, np.float32)}
    monkeypatch.setattr(kit, "tensors", lambda seed: plain(seed) | last)
    base = open_base(str(kit.write_base(tmp_path / "base.bin")))
    stacked = Stacked(base, base, (0, 1), (2, 1, 2), gain=1e-6)
    shape = replace(base.shape, layers=1, head="tokens", outputs=2)
    states, seen = weight * _normed(torch.randn(2, 5, 32)) + bias, torch.ones(2, 1, 1, 5, dtype=torch.bool)
    found = states
    for place in (2, 3, 4):
        network = Encoder(shape).eval().stack()[0]
        network.load_state_dict({name: torch.tensor(value) for name, value in stacked.layer(place).items()})
        found = network(found, seen).detach()
    torch.testing.assert_close(found, states, atol=1e-4, rtol=1e-4)


def test_its_level_is_that_of_channels_of_many_scales(packed):
    bundle = open_base(str(packed / "work/tiny/pack/tiny"))
    upper = Stacked(bundle, open_base(str(packed / "base.bin")), (0, 1), (2,), gain=0.3).layer(2)
    weight, bias = bundle.layer(1)["ffn_norm.weight"], bundle.layer(1)["ffn_norm.bias"]
    states = weight * _normed(torch.randn(5000, 32)).numpy() + bias
    assert upper["attn_norm.weight"] == pytest.approx(states.std(axis=1).mean(), rel=0.02)
    assert upper["ffn_norm.bias"] == pytest.approx(states.mean(), abs=0.02)


def _normed(states):
    return torch.nn.functional.layer_norm(states, states.shape[-1:])


def test_the_deeper_network_learns_and_is_packed(packed, tmp_path):
    assert deeper(packed, tmp_path, packed / "base.bin", last="finetune").record.best > 0.5
    recipe = tmp_path / "tiny.toml"
    make(str(recipe), packed / "data", tmp_path / "work", QUIET)
    found = open_base(str(tmp_path / "work/tiny/pack/tiny"))
    assert found.shape.layers == 5


def test_a_layer_of_fewer_inner_units_is_filled_up_and_says_the_same(packed, tmp_path, monkeypatch):
    narrow = open_base(str(narrow_base(tmp_path, monkeypatch, "FFN", 32)))
    stacked = Stacked(narrow, open_base(str(packed / "base.bin")), (0, 1), (2,))
    assert stacked.shape.ffn == 64
    assert [len(stacked.layer(place)["ffn_in.bias"]) for place in range(3)] == [64, 64, 64]
    shape = Shape(vocab=9, hidden=32, layers=1, heads=4, ffn=32, positions=8, outputs=2)
    states, all_seen = torch.randn(2, 5, 32), torch.ones(2, 1, 1, 5, dtype=torch.bool)
    found = []
    for size, layer in ((32, narrow.layer(0)), (64, stacked.layer(0))):
        network = Encoder(replace(shape, ffn=size)).eval().stack()[0]
        network.load_state_dict({name: torch.tensor(value) for name, value in layer.items()})
        found.append(network(states, all_seen).detach())
    torch.testing.assert_close(found[0], found[1])


def test_nothing_is_filled_up_where_nothing_is_missing(packed):
    layer = open_base(str(packed / "base.bin")).layer(0)
    filled = dict(layer)
    fill_up(filled, 64)
    assert all(np.array_equal(filled[name], layer[name]) for name in layer)


def test_layers_of_another_width_do_not_fit(packed, tmp_path, monkeypatch):
    wide = narrow_base(tmp_path, monkeypatch, "HIDDEN", 64)
    with pytest.raises(MakeError, match=r"do not fit above those of .*: width and heads must be the same"):
        deeper(packed, tmp_path, wide)


def test_a_layer_that_the_base_above_has_not(packed, tmp_path):
    with pytest.raises(MakeError, match=r"The recipe takes layers \[2, 3\]; .* has 0 to 2\."):
        deeper(packed, tmp_path, packed / "base.bin", layers="[2, 3]")


def test_a_base_above_that_knows_other_rows_is_refused(packed, tmp_path):
    """As the one beneath is: it would know validation."""
    recipe = kit.write_recipe(tmp_path, packed / "base.bin", epochs=1)
    network = f'above = {{ base = "{packed / "work/tiny/pack/tiny"}", layers = [0] }}'
    text = recipe.read_text("utf-8").replace("seed = 3", "seed = 4")
    recipe.write_text(text.replace("positions = 16", f"positions = 16\n{network}"), "utf-8")
    with pytest.raises(MakeError, match="held out by the seed 3; the recipe, with the seed 4"):
        make(str(recipe), packed / "data", tmp_path / "work", QUIET, last="base")


def test_another_base_above_is_another_network(packed, tmp_path):
    above = kit.write_base(tmp_path / "above.bin", seed=1)
    first = deeper(packed, tmp_path, above).weights()["layers.2.out.weight"]
    assert np.array_equal(deeper(packed, tmp_path, above).weights()["layers.2.out.weight"], first)
    kit.write_base(above, seed=2)
    again = deeper(packed, tmp_path, above)
    assert not np.array_equal(again.weights()["layers.2.out.weight"], first)
