"""Numbers left out at random, and attention as it is written for training."""

from __future__ import annotations

from dataclasses import replace

import pytest

torch = pytest.importorskip("torch")

from models.dropout import dropout  # noqa: E402
from models.network import Encoder  # noqa: E402
from models.shape import Shape  # noqa: E402

SHAPE = Shape(vocab=40, hidden=16, layers=2, heads=4, ffn=32, positions=12, outputs=3)


@pytest.mark.parametrize("kind", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("share", [0.1, 0.5])
def test_a_share_is_left_out_and_the_mean_stays(kind, share):
    torch.manual_seed(3)
    numbers = torch.ones(400, 500, dtype=kind)
    found = dropout(numbers, share, training=True)
    assert found.dtype == kind
    assert (found == 0).float().mean().item() == pytest.approx(share, abs=0.006)
    assert found.float().mean().item() == pytest.approx(1, abs=0.01)
    assert len(found.unique()) == 2


def test_no_row_and_no_column_is_left_out_together():
    torch.manual_seed(3)
    gone = dropout(torch.ones(300, 300), 0.5, training=True) == 0
    for side in (0, 1):
        assert 0.3 < gone.float().mean(side).min() < gone.float().mean(side).max() < 0.7


def test_the_gradient_goes_where_the_numbers_went():
    numbers = torch.randn(30, 40, requires_grad=True)
    found = dropout(numbers, 0.3, training=True)
    found.sum().backward()
    torch.testing.assert_close(numbers.grad * numbers, found)


def test_torchs_seed_says_what_is_left_out():
    numbers = torch.ones(64, 64)
    torch.manual_seed(1)
    state = torch.get_rng_state()
    first, second = dropout(numbers, 0.5, training=True), dropout(numbers, 0.5, training=True)
    assert not torch.equal(first, second)
    torch.set_rng_state(state)
    assert torch.equal(dropout(numbers, 0.5, training=True), first)


def test_nothing_is_left_out_but_in_training():
    numbers = torch.randn(5, 5)
    assert torch.equal(dropout(numbers, 0.5, training=False), numbers)
    assert torch.equal(dropout(numbers, 0.0, training=True), numbers)


@pytest.mark.parametrize("head", ["classify", "spans"])
def test_what_learns_computes_what_answers(head):
    network = Encoder(replace(SHAPE, head=head), dropout=0.0)
    ids = torch.tensor([[0, 5, 6, 7, 8, 9, 2], [0, 5, 6, 2, 1, 1, 1]])
    mask = (ids != 1).long()
    seen = mask.bool() if head == "spans" else ...  # what stands where no token does is nobody's business
    torch.testing.assert_close(network.train()(ids, mask)[seen], network.eval()(ids, mask)[seen])
