from __future__ import annotations

import io
import re
from dataclasses import replace

import msgspec
import numpy as np
import onnxruntime as ort
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

torch = pytest.importorskip("torch")
pytest.importorskip("onnx")
from torch import nn  # noqa: E402

from models.errors import MakeError  # noqa: E402
from models.export import float_model  # noqa: E402
from models.loop import Run, batches  # noqa: E402
from models.network import Encoder, following, mean_pool  # noqa: E402
from models.sections import TrainingSection  # noqa: E402
from models.shape import Shape  # noqa: E402

SHAPE = Shape(vocab=40, hidden=16, layers=2, heads=4, ffn=32, positions=12, outputs=3)
SECTION = TrainingSection(
    epochs=3, rate=1e-2, head_rate=1e-2, tokens_a_batch=40, average=0.5, bfloat16=False, patience=9
)


@given(st.lists(st.integers(1, 30), max_size=200), st.integers(1, 64), st.integers(0, 3))
def test_batches_hold_every_row_once_within_the_tokens(lengths, tokens, seed):
    made = batches(lengths, tokens, seed)
    assert sorted(row for batch in made for row in batch) == list(range(len(lengths)))
    assert all(len(b) == 1 or len(b) * max(lengths[row] for row in b) <= tokens for b in made)
    assert made == batches(lengths, tokens, seed)


def test_batches_waste_little_and_change_with_the_seed():
    lengths = np.random.default_rng(0).integers(5, 40, 2000).tolist()
    made = batches(lengths, 1024, 1)
    slots = sum(len(batch) * max(lengths[row] for row in batch) for batch in made)
    assert slots < 1.1 * sum(lengths)
    assert made != batches(lengths, 1024, 2)


def test_the_shape_counts_what_torch_counts():
    assert SHAPE.parameters == sum(weight.numel() for weight in Encoder(SHAPE).parameters())


def test_padding_changes_nothing():
    network = Encoder(SHAPE).eval()
    ids = torch.randint(4, 40, (1, 7))
    wide = torch.cat([ids, torch.ones(1, 5, dtype=torch.long)], 1)
    mask = (torch.arange(12) < 7).long()[None]
    torch.testing.assert_close(network(ids, torch.ones_like(ids)), network(wide, mask), atol=1e-5, rtol=1e-4)
    assert mean_pool(torch.tensor([[[2.0], [4.0], [99.0]]]), torch.tensor([[1, 1, 0]])).item() == 3


@pytest.mark.parametrize("pooling", ["mean", "compared"])
def test_the_second_text_is_marked_and_torch_and_onnx_agree(pooling):
    shape = replace(SHAPE, first_ends=2, pooling=pooling)
    network = Encoder(shape).eval()
    assert shape.parameters == sum(weight.numel() for weight in network.parameters())
    ids = torch.tensor([[0, 5, 6, 2, 2, 7, 8, 9, 2], [0, 5, 2, 2, 6, 2, 1, 1, 1]])
    mask = (ids != 1).long()
    here = network(ids, mask).detach().numpy()
    weights = {name: weight.numpy() for name, weight in network.state_dict().items()}
    session = ort.InferenceSession(float_model(shape, weights).SerializeToString())
    (there,) = session.run(None, {"input_ids": ids.numpy(), "attention_mask": mask.numpy()})
    np.testing.assert_allclose(there, here, atol=1e-5)
    with torch.no_grad():
        network.embed.second += 1
        moved = network.hidden(ids[:1], mask[:1])
        network.embed.second -= 1
        torch.testing.assert_close(
            network(ids[1:, :6], mask[1:, :6]), network(ids, mask)[1:], atol=1e-5, rtol=1e-4
        )
    assert not np.allclose(moved.numpy(), network.hidden(ids[:1], mask[:1]).detach().numpy())
    assert following(ids, 2).tolist()[0] == [0, 0, 0, 0, 1, 1, 1, 1, 1]


@pytest.mark.parametrize("head", ["tokens", "spans"])
def test_other_heads_answer_every_token(head):
    shape = Shape(**{**{name: getattr(SHAPE, name) for name in SHAPE.__slots__}, "head": head})
    ids = torch.randint(4, 40, (2, 7))
    assert Encoder(shape)(ids, torch.ones_like(ids)).shape == (2, 7, 3)


class Toy:
    """Learns whether a number is positive; can be stopped at a step, as if the machine had failed."""

    def __init__(self, stop_at: int = -1, scores: list[float] | None = None) -> None:
        torch.manual_seed(5)
        self.network = nn.Sequential(nn.Linear(1, 8), nn.Dropout(0.5), nn.Linear(8, 1))
        self.stop_at, self.steps, self.scores = stop_at, 0, scores
        self.x = torch.linspace(-1, 1, 60)[:, None]

    def lengths(self):
        return [4 + i % 3 for i in range(60)]

    def loss(self, rows):
        self.steps += 1
        if self.steps == self.stop_at:
            raise KeyboardInterrupt
        logits = self.network(self.x[rows])
        return nn.functional.binary_cross_entropy_with_logits(logits, (self.x[rows] > 0).float())

    def score(self, network):
        if self.scores is not None:
            return self.scores.pop(0)
        with torch.no_grad():
            return float(((network(self.x) > 0) == (self.x > 0)).float().mean())


def run_of(learner, folder, **changes):
    section = msgspec.structs.replace(SECTION, **changes)
    return Run(learner, section, folder, seed=7, console=Console(file=io.StringIO()))


def test_a_loss_that_is_no_number_ends_the_run_in_a_sentence(tmp_path):
    learner = Toy()
    learner.x[7] = torch.nan
    with pytest.raises(MakeError, match="In epoch 1 the loss became nan: a lower `rate` may help"):
        run_of(learner, tmp_path / "lost").train()


def test_who_has_no_terminal_is_told_of_loss_pace_and_what_is_left(tmp_path):
    run = run_of(Toy(), tmp_path / "told", checkpoint_seconds=0.0)
    run.console = Console(file=io.StringIO(), width=120)
    run.at.seconds = 3600.0  # an hour gone before the first step, so that the pace can be told
    run.train()
    lines = run.console.file.getvalue().splitlines()
    steps = len(batches(Toy().lengths(), 40, 7))
    found = re.fullmatch(
        rf"epoch 1, step 1 of {steps}: loss (\S+), (\d+) tokens/s, (\d+) min left at most", lines[0]
    )
    assert 0 < float(found[1]) < 2
    assert int(found[2]) == 0
    assert int(found[3]) == pytest.approx(60 * (3 * steps - 1), abs=1)
    last = next(line for line in reversed(lines) if "step" in line)
    assert last.startswith(f"epoch 3, step {steps} of {steps}")
    assert last.endswith(", 0 min left at most")


@pytest.mark.parametrize("stop_at", [3, 11])
def test_an_interrupted_run_ends_with_the_weights_of_a_whole_one(tmp_path, stop_at):
    whole = Toy()
    done = run_of(whole, tmp_path / "whole", checkpoint_seconds=0.0).train()
    broken = Toy(stop_at)
    with pytest.raises(KeyboardInterrupt):
        run_of(broken, tmp_path / "broken", checkpoint_seconds=0.0).train()
    again = Toy()
    torch.manual_seed(999)
    resumed = run_of(again, tmp_path / "broken", checkpoint_seconds=0.0).train()
    assert again.steps + stop_at - 1 == whole.steps
    assert [epoch.loss for epoch in resumed.epochs] == [epoch.loss for epoch in done.epochs]
    for a, b in zip(again.network.parameters(), whole.network.parameters(), strict=True):
        assert torch.equal(a, b)


def test_the_best_epoch_is_kept_and_a_run_without_progress_stops(tmp_path):
    learner = Toy(scores=[0.5, 0.7, 0.6, 0.7, 0.9])
    kept = {}
    original = learner.score

    def score(network):
        value = original(network)
        kept.setdefault(value, [weight.clone() for weight in network.parameters()])
        return value

    learner.score = score
    done = run_of(learner, tmp_path, epochs=9, patience=2).train()
    assert [epoch.validation for epoch in done.epochs] == [0.5, 0.7, 0.6, 0.7]
    assert done.best == 0.7
    for a, b in zip(learner.network.parameters(), kept[0.7], strict=True):
        assert torch.equal(a, b)


def test_the_last_epoch_is_kept_where_the_recipe_says_so(tmp_path):
    learner, last = Toy(scores=[0.9, 0.7, 0.6, 0.5]), []
    original = learner.score

    def score(network):
        last[:] = [weight.clone() for weight in network.parameters()]
        return original(network)

    learner.score = score
    done = run_of(learner, tmp_path, epochs=4, patience=1, weights="last").train()
    assert done.best == done.epochs[-1].validation == 0.5
    for a, b in zip(learner.network.parameters(), last, strict=True):
        assert torch.equal(a, b)


def test_a_finished_run_is_not_trained_again(tmp_path):
    first = Toy()
    done = run_of(first, tmp_path).train()
    second = Toy()
    assert run_of(second, tmp_path).train() == done
    assert second.steps == 0


def test_it_learns(tmp_path):
    assert run_of(Toy(), tmp_path, epochs=8).train().best > 0.9


@pytest.mark.parametrize(("layer_rate", "rates"), [(None, [1, 1, 1]), (0.5, [0.25, 0.5, 1])])
def test_lower_layers_may_learn_more_slowly(tmp_path, layer_rate, rates):
    learner = Toy()
    learner.network = Encoder(SHAPE)
    changes = {} if layer_rate is None else {"layer_rate": layer_rate}
    run = run_of(learner, tmp_path, rate=1e-3, head_rate=1e-1, **changes)
    start = {id(p): group["initial_lr"] for group in run.optimizer.param_groups for p in group["params"]}
    found = {name: start[id(p)] for name, p in learner.network.named_parameters()}
    names = ("embed.word", "layers.0.qkv.weight", "layers.1.ffn_norm.bias")
    assert [found[name] for name in names] == pytest.approx([1e-3 * rate for rate in rates])
    assert found["head.bias"] == 1e-1
