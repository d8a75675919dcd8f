"""A wider network says what the narrow one said."""

from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from models.grow import widened, widened_shape  # noqa: E402
from models.network import Encoder  # noqa: E402
from models.shape import Shape  # noqa: E402

NARROW = Shape(vocab=40, hidden=24, layers=3, heads=4, ffn=48, positions=16, outputs=3, activation="gelu")


@pytest.mark.parametrize("times", [2, 3])
@pytest.mark.parametrize(
    "change",
    [
        {},
        {"head": "tokens"},
        {"first_ends": 2, "pooling": "compared"},
        {"embedding": 8, "shared": True},
        {"heads": 3, "head_size": 6},
    ],
)
def test_the_wide_network_gives_the_logits_of_the_narrow_one(times, change):
    torch.manual_seed(1)
    shape = replace(NARROW, **change)
    narrow = Encoder(shape).eval()
    with torch.no_grad():
        for weight in narrow.parameters():
            weight.add_(0.2 * torch.randn_like(weight))
    weights = {name: value.detach().numpy() for name, value in narrow.state_dict().items()}
    wide = Encoder(widened_shape(shape, times)).eval()
    grown = widened(shape, weights, times)
    wide.load_state_dict({name: torch.from_numpy(value) for name, value in grown.items()})
    ids = torch.tensor([[0, 5, 6, 7, 2, 2, 9, 10, 2, 1, 1], [0, 5, 2, 2, 6, 8, 9, 11, 12, 13, 2]])
    mask = (ids != 1).long()
    here, there = (network(ids, mask).detach().numpy() for network in (narrow, wide))
    assert np.abs(here).max() > 0.5
    real = mask.bool().numpy() if here.ndim == 3 else slice(None)
    np.testing.assert_allclose(there[real], here[real], atol=1e-3)


def test_twice_the_base_has_the_geometry_of_bert_base():
    wide = widened_shape(replace(NARROW, hidden=384, layers=12, heads=12, ffn=1536), 2)
    assert (wide.layers, wide.hidden, wide.heads, wide.ffn) == (12, 768, 12, 3072)
