"""A calibrated network answers as before, with scores that are chances; several teachers are as one."""

from __future__ import annotations

import io

import numpy as np
import pytest
from rich.console import Console

torch = pytest.importorskip("torch")
pytest.importorskip("onnx")

from hypothesis import given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

from models.calibrate import temperature  # noqa: E402
from models.distil import mean_said  # noqa: E402
from models.errors import MakeError  # noqa: E402
from models.infer import load_network, logits_of  # noqa: E402
from models.losses import hard_loss  # noqa: E402
from models.make import make  # noqa: E402
from models.recipe import read_recipe  # noqa: E402
from models.tasks.figures import NO_LABEL  # noqa: E402
from models.workspace import load_trained  # noqa: E402
from server.inference.bundle import load_bundle  # noqa: E402
from tests.kit import making_kit as kit  # noqa: E402
from tests.kit import rows_kit  # noqa: E402


def chances(seed, rows=4000, options=4):
    """Logits and targets drawn by those very logits' chances."""
    drawn = torch.Generator().manual_seed(seed)
    logits = 2 * torch.randn(rows, options, generator=drawn, dtype=torch.float64)
    return logits, torch.multinomial(logits.softmax(dim=1), 1, generator=drawn).flatten()


@settings(max_examples=20, deadline=None)
@given(st.floats(0.2, 5.0), st.integers(0, 50))
def test_logits_too_sharp_or_too_flat_by_a_factor_are_divided_by_it(factor, seed):
    logits, targets = chances(seed)
    assert temperature(logits * factor, targets) == pytest.approx(factor, rel=0.12)


def test_no_other_temperature_makes_the_targets_likelier():
    logits, targets = chances(1, rows=60)
    targets[:20] = NO_LABEL
    found = temperature(logits, targets)
    least = hard_loss(logits / found, targets)
    assert all(least <= hard_loss(logits / each, targets) + 1e-12 for each in np.geomspace(0.06, 19, 300))


def test_a_network_that_is_always_right_becomes_no_surer_than_the_bound():
    logits = torch.tensor([[3.0, 0.0], [0.0, 3.0]], dtype=torch.float64)
    assert temperature(logits, torch.tensor([0, 1])) == pytest.approx(0.05, rel=1e-3)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Data and a base; two teachers of all layers that differ in their first steps."""
    folder = tmp_path_factory.mktemp("calibrate")
    kit.write_data(folder / "data")
    rows_kit.write_entities(folder / "data")
    kit.write_recipe(folder, kit.write_base(folder / "tiny.bin"), epochs=3)
    head, rest = recipe_of(folder).replace("[0, 2]", "[0, 1, 2]").split("[bundle]")
    for name, epochs in (("one", 3), ("other", 2)):
        text = head.replace('"tiny"', f'"{name}"').replace("epochs = 3", f"epochs = {epochs}")
        run(folder, name, text + "[labels]" + rest.split("[labels]")[1])
    return folder


def recipe_of(folder):
    return (folder / "tiny.toml").read_text(encoding="utf-8")


def run(folder, name, text):
    path = folder / f"{name}.toml"
    path.write_text(text, encoding="utf-8")
    make(str(path), folder / "data", folder / "work", Console(file=io.StringIO()))
    return folder / "work" / name


@pytest.mark.parametrize("task", ["classify", "ner"])
def test_the_calibrated_network_is_packed_and_answers_the_same(place, task):
    if task == "ner":
        kit.write_task_recipe(place, place / "tiny.bin", task)
        text = (place / f"{task}.toml").read_text(encoding="utf-8")
    else:
        text = recipe_of(place).replace('"tiny"', f'"{task}"')
    made = run(place, task, text.replace("[quantise]", "[calibrate]\n\n[quantise]"))
    before, after = load_trained(made / "finetune"), load_trained(made / "calibrate")
    assert after.record.stage == "calibrate"
    assert after.record.epochs == before.record.epochs
    assert not before.record.looks, "the look is at what ships"
    assert len(after.record.looks) == 1
    ids = [[before.config.start, 8, 9, 40, before.config.end]]
    here, there = (logits_of(load_network(each), ids, before.config.pad)[0] for each in (before, after))
    np.testing.assert_allclose(there * after.record.notes["temperature"], here, rtol=1e-3, atol=1e-4)
    assert not np.allclose(there, here, rtol=1e-2)
    assert load_bundle(made / "pack" / task)


def test_a_reader_is_not_calibrated(place):
    kit.write_task_recipe(place, place / "tiny.bin", "qa")
    text = (place / "qa.toml").read_text(encoding="utf-8")
    (place / "qa.toml").write_text(text.replace("[quantise]", "[calibrate]\n\n[quantise]"), encoding="utf-8")
    with pytest.raises(MakeError, match="what a reader scores are whole answers"):
        read_recipe(str(place / "qa.toml"))


DISTIL = """[distil]
teacher = "one"
also = ["other"]
hard = 0.0
[distil.training]
epochs = 8
tokens_a_batch = 128
rate = 3e-3
head_rate = 1e-2
bfloat16 = false

[quantise]"""


def test_two_teachers_are_learnt_as_their_mean(place):
    made = run(place, "taught", recipe_of(place).replace('"tiny"', '"taught"').replace("[quantise]", DISTIL))
    student = load_trained(made / "distil")
    assert len(list((made / "teacher").iterdir())) == 2
    assert student.record.best > 0.8
    assert [row.tolist() for row in mean_said([[np.array([1.0, 3.0])], [np.array([2.0, 1.0])]])] == [[1.5, 2]]


def test_each_of_several_teachers_must_be_there(place):
    text = recipe_of(place).replace('"tiny"', '"untaught"')
    text = text.replace("[quantise]", DISTIL.replace('["other"]', '["nobody"]'))
    with pytest.raises(MakeError, match="nobody"):
        run(place, "untaught", text)
    assert not (place / "work/untaught").exists()
