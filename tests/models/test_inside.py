from __future__ import annotations

import msgspec
import pytest

torch = pytest.importorskip("torch")

from models.guessing import masked_loss, replaced, replaced_loss, spoilt  # noqa: E402
from models.imitation import Imitator, Terms, without_extra  # noqa: E402
from models.inside import (  # noqa: E402
    Inside,
    attention_loss,
    cosine_loss,
    imitation_loss,
    inside_of,
    relation_loss,
    state_loss,
)
from models.network import Encoder  # noqa: E402
from models.sections import Imitation  # noqa: E402
from models.shape import Shape  # noqa: E402
from models.workspace import Config  # noqa: E402

SHAPE = Shape(vocab=20, hidden=8, layers=2, heads=2, ffn=16, positions=8, outputs=2)
WIDE = Shape(vocab=20, hidden=16, layers=4, heads=2, ffn=16, positions=8, outputs=2)
CONFIG = Config(shape=SHAPE, labels=(), start=0, pad=1, end=2, unknown=3)
IDS = torch.tensor([[0, 5, 6, 2], [0, 7, 2, 1]])
MASK = torch.tensor([[1, 1, 1, 1], [1, 1, 1, 0]])


@pytest.fixture
def networks():
    torch.manual_seed(1)
    return Encoder(SHAPE, dropout=0.0), Encoder(WIDE, dropout=0.0).eval()


def test_the_inside_is_what_the_network_computes_on_its_way(networks):
    network = networks[0].eval()
    inside = inside_of(network, IDS, MASK, attention=True)
    assert [tuple(state.shape) for state in inside.states] == [(2, 4, 8)] * 3
    torch.testing.assert_close(inside.states[-1], network.hidden(IDS, MASK))
    query, key, value = network.layers[0].heads_of(inside.states[0])
    mixed = torch.softmax(inside.scores[0].masked_fill(MASK[:, None, None] == 0, -1e9), -1) @ value
    own = network.layers[0]._attend(inside.states[0], MASK[:, None, None].bool())
    torch.testing.assert_close(mixed.transpose(1, 2).reshape(2, 4, 8), own)
    assert inside_of(network, IDS, MASK, attention=False).scores == []
    assert query.shape == key.shape == inside.value.shape


def test_losses_of_states_are_means_over_real_tokens_computed_by_hand():
    mask = torch.tensor([[1, 1, 0]])
    student = torch.tensor([[[1.0, 0.0], [0.0, 2.0], [9.0, 9.0]]])
    teacher = torch.tensor([[[0.0, 0.0], [0.0, 1.0], [0.0, 0.0]]])
    assert state_loss(student, teacher, mask).item() == pytest.approx((0.5 + 0.5) / 2)
    turned = torch.tensor([[[0.0, 3.0], [0.0, 5.0], [1.0, 0.0]]])
    assert cosine_loss(student, turned, mask).item() == pytest.approx(1 - (0 + 1) / 2)


def test_the_loss_of_attention_leaves_out_padding_on_both_sides():
    mask = torch.tensor([[1, 1, 0]])
    student, teacher = torch.zeros(1, 2, 3, 3), torch.full((1, 2, 3, 3), 100.0)
    teacher[:, 0, :2, :2], teacher[:, 1, :2, :2] = 1.0, 3.0
    assert attention_loss(student, teacher, mask).item() == pytest.approx((1 + 9) / 2)


def test_the_loss_of_relations_is_two_divergences_computed_by_hand():
    mask = torch.tensor([[1, 1, 0]])
    scores = torch.tensor([0.0, 0.0, 50.0]).expand(1, 1, 3, 3)
    sharp = torch.tensor([3.0, 1.0, 7.0]).log().expand(1, 1, 3, 3)  # 3/4 and 1/4 once padding is out
    value = torch.zeros(1, 1, 3, 4)
    student, teacher = Inside([], [scores], value), Inside([], [sharp], value)
    divergence = 0.75 * torch.tensor(1.5).log() + 0.25 * torch.tensor(0.5).log()
    assert relation_loss(student, teacher, mask).item() == pytest.approx(divergence.item(), abs=1e-6)
    assert relation_loss(teacher, teacher, mask).item() == pytest.approx(0, abs=1e-6)
    other = Inside([], [sharp], torch.randn(1, 1, 3, 4))
    assert relation_loss(other, teacher, mask).item() > 1e-3


TERMS = ("embedding", "hidden", "cosine", "attention", "relations")


@pytest.mark.parametrize("term", TERMS)
def test_every_term_of_a_recipe_counts_by_its_weight_and_teaches(networks, term):
    student, teacher = networks
    fit = torch.nn.Linear(8, 16)
    insides = [inside_of(network, IDS, MASK, attention=True) for network in (student, teacher)]
    losses = [
        imitation_loss(Imitation(layers=(1, 3), **{term: weight}), *insides, MASK, fit)
        for weight in (1.0, 3.0)
    ]
    assert losses[0].item() > 0
    assert losses[1].item() == pytest.approx(3 * losses[0].item(), rel=1e-5)
    losses[0].backward()
    assert student.embed.word.grad.abs().sum() > 0


def test_a_layer_learns_of_the_one_that_the_recipe_names(networks):
    _, teacher = networks
    inside = inside_of(teacher, IDS, MASK, attention=False)
    half = Inside([inside.states[0], inside.states[2], inside.states[4]], [], inside.value)
    same = torch.nn.Identity()
    assert imitation_loss(Imitation(layers=(1, 3), hidden=1.0), half, inside, MASK, same).item() == 0
    assert imitation_loss(Imitation(layers=(0, 3), hidden=1.0), half, inside, MASK, same).item() > 1e-3


def test_masked_are_some_tokens_and_never_a_special_one():
    torch.manual_seed(0)
    ids = torch.randint(4, 20, (200, 30))
    ids[:, 0], ids[:, -2], ids[:, -1] = CONFIG.start, CONFIG.end, CONFIG.pad
    mask = (ids != CONFIG.pad).long()
    seen, wanted = spoilt(ids, mask, CONFIG, 20)
    assert wanted[:, 1:-2].float().mean().item() == pytest.approx(0.15, abs=0.02)
    assert not wanted[:, [0, -2, -1]].any()
    assert torch.equal(seen[~wanted], ids[~wanted])
    assert (seen[wanted] == CONFIG.unknown).float().mean().item() == pytest.approx(0.8, abs=0.04)
    changed = seen[wanted] != ids[wanted]
    assert changed.float().mean().item() == pytest.approx(0.89, abs=0.04)


def test_a_generators_words_stand_where_tokens_were_asked_for():
    torch.manual_seed(0)
    ids, wanted = torch.full((50, 10), 7), torch.zeros(50, 10, dtype=torch.bool)
    wanted[:, 3] = True
    logits = torch.full((50, 20), -1e9)
    logits[:, 7], logits[:, 9] = 0.0, torch.tensor(3.0).log()
    seen = replaced(ids, wanted, logits)
    assert (seen[~wanted] == 7).all()
    assert (seen[wanted] == 9).float().mean().item() == pytest.approx(0.75, abs=0.15)
    assert torch.equal(replaced(ids, wanted & False, logits[:0]), ids)


def test_the_loss_of_replaced_tokens_counts_real_ones_computed_by_hand():
    ids, seen = torch.tensor([[5, 6, 7, 1]]), torch.tensor([[5, 9, 7, 1]])
    odds = torch.tensor(3.0).log()
    told = torch.stack([-odds, odds, torch.tensor(0.0), torch.tensor(99.0)])[None]
    wanted = -(2 * torch.tensor(0.75).log() + torch.tensor(0.5).log()) / 3
    mask = torch.tensor([[1, 1, 1, 0]])
    assert replaced_loss(told, ids, seen, mask).item() == pytest.approx(wanted.item(), abs=1e-6)


def test_the_loss_of_masked_words_is_0_where_none_is_asked_for():
    logits = torch.tensor([[0.0, torch.tensor(3.0).log()]], requires_grad=True)
    assert masked_loss(logits, torch.tensor([1])).item() == pytest.approx(-torch.tensor(0.75).log().item())
    assert masked_loss(logits[:0], torch.tensor([], dtype=torch.long)).item() == 0


@pytest.mark.parametrize(
    "terms",
    [
        Terms(imitate=Imitation(layers=(1, 3), hidden=1.0)),
        Terms(1.0, 0.0, Imitation(layers=(1, 3), hidden=1.0)),
        Terms(0.1, 1.0),
    ],
    ids=["imitated", "masked", "replaced"],
)
def test_an_imitator_learns_and_leaves_nothing_behind(networks, terms):
    student, teacher = networks
    teacher = teacher if terms.imitate else None
    before = set(student.state_dict())
    rows = [[0, 5, 6, 2], [0, 7, 2], [0, 9, 9, 9, 2]] * 4
    learner = Imitator(student, teacher, CONFIG, (rows, rows), terms)
    first = learner.score(student)
    assert first == learner.score(student), "the same tokens are masked every time"
    optimizer = torch.optim.Adam(student.parameters(), 1e-2)
    for _ in range(30):
        optimizer.zero_grad()
        learner.loss(range(len(rows))).backward()
        optimizer.step()
    assert 0 < first < learner.score(student) <= 1
    assert set(without_extra(student).state_dict()) == before


def test_imitation_stands_in_a_recipe_by_its_names():
    section = msgspec.toml.decode("layers = [1, 3]\nattention = 0.5", type=Imitation)
    assert section.sees_attention
    assert not Imitation(layers=(1,), hidden=1.0).sees_attention
