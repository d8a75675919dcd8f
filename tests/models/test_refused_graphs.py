"""A graph or a grown network that does not say what its network says is not taken."""

from __future__ import annotations

import io
import shutil

import numpy as np
import pytest
from rich.console import Console

pytest.importorskip("torch")
pytest.importorskip("onnx")

from models import grow
from models.errors import MakeError
from models.graphs import export, quantise
from models.job import Job
from models.make import make
from models.recipe import read_recipe
from models.workspace import load_trained, save_trained
from tests.kit import making_kit as kit

QUIET = Console(file=io.StringIO())


@pytest.fixture(scope="module")
def tuned(tmp_path_factory):
    """The tiny network, fine-tuned."""
    place = tmp_path_factory.mktemp("tuned")
    kit.write_data(place / "data")
    recipe = kit.write_recipe(place, kit.write_base(place / "tiny.bin"))
    text = recipe.read_text("utf-8")
    (place / "wide.toml").write_text(text.replace("[quantise]", "[grow]\ntimes = 2\n\n[quantise]"), "utf-8")
    make(str(recipe), place / "data", place / "work", QUIET, last="finetune")
    return place


@pytest.fixture
def changed(tuned, tmp_path):
    """A job whose network has been changed by a function of its weights."""

    def by(change, recipe="tiny"):
        shutil.copytree(tuned / "work", tmp_path / "work")
        job = Job(*read_recipe(str(tuned / f"{recipe}.toml")), "", tuned / "data", tmp_path / "work", QUIET)
        old = load_trained(job.work / "tiny" / "finetune")
        weights = {name: np.array(value) for name, value in old.weights().items()}
        tokenizer = old.tokenizer()
        change(weights)
        save_trained(old.folder, old.config, old.record, weights, tokenizer)
        return job

    return by


def far_out(weights):
    """Logits so large that float32 has no four places after the point left."""
    weights["head.weight"] *= 1e5


def coarse(weights):
    """One more part in each row of the dense layers, which the norm before cancels: floats do not see it.

    What a norm gives adds up to nothing once its gain and bias are taken out, but the part fills the whole
    range of eight bits.
    """
    norms = ["embed.norm"]
    for layer in range(2):
        for norm, dense in ((norms[-1], "qkv"), (f"layers.{layer}.attn_norm", "ffn_in")):
            part = 60 / weights[f"{norm}.weight"]
            weights[f"layers.{layer}.{dense}.weight"] += part
            weights[f"layers.{layer}.{dense}.bias"] -= part @ weights[f"{norm}.bias"]
        norms.append(f"layers.{layer}.ffn_norm")


def test_a_graph_that_is_away_from_torch_is_refused(changed):
    job = changed(far_out)
    with pytest.raises(MakeError, match=r"is .* away from torch; at most 0\.0001 is taken"):
        export(job)
    assert not job.folder("export").exists()


def test_int8_that_loses_more_than_the_gate_is_refused(changed):
    job = changed(coarse)
    export(job)
    with pytest.raises(MakeError, match=r"Int8 loses .* points of the validation score .* allows 10"):
        quantise(job)
    assert not job.folder("quantise").exists()


def test_a_wide_network_that_says_something_else_is_refused(changed):
    job = changed(far_out, "wide")
    with pytest.raises(MakeError, match=r"wide network is .* off the narrow; at most 0\.001 is taken"):
        grow.run(job)
    assert not job.folder("grow").exists()


def test_the_network_as_it_is_passes_all(changed):
    job = changed(lambda weights: None, "wide")
    wide = grow.run(job)
    assert wide.config.shape.hidden == 2 * kit.HIDDEN
    export(job)
    quantise(job)
    assert job.folder("quantise").is_dir()
