"""Words to be guessed in raw texts: those that were masked, and those that a small generator has replaced.

Masked tokens: BERT (Devlin et al. 2019, arXiv 1810.04805). Replaced tokens: ELECTRA (Clark et al. 2020, arXiv
2003.10555), whose network says of every token whether it stood there.
"""

from __future__ import annotations

from typing import cast

import torch
import torch.nn.functional as F  # noqa: N812 - the name torch itself uses
from torch import Tensor, nn

from models.network import Encoder, Layer
from models.workspace import Config

MASKED = 0.15  # of the tokens are asked for
KEPT, SWAPPED = 0.1, 0.1  # of those: left as they are, or replaced by any other; the rest become the unknown


class Words(nn.Module):
    """From states to words, over the network's own table of them."""

    def __init__(self, network: Encoder) -> None:
        super().__init__()
        shape = network.shape
        self.word = nn.Sequential(
            nn.Linear(shape.hidden, shape.embedded), nn.GELU(), nn.LayerNorm(shape.embedded)
        )
        self.bias = nn.Parameter(torch.zeros(shape.vocab))

    def forward(self, states: Tensor, table: Tensor) -> Tensor:
        """`states` [tokens, hidden] and `table` [vocab, embedded] to logits [tokens, vocab], in float32."""
        return F.linear(self.word(states), table, self.bias).float()


class Rival(nn.Module):
    """ELECTRA's generator, one layer over the network's own embedding, and what the network tells of it."""

    def __init__(self, network: Encoder) -> None:
        super().__init__()
        self.layer = Layer(network.shape, network.dropout)
        self.layer.load_state_dict(network.stack()[0].state_dict())
        self.told = nn.Linear(network.shape.hidden, 1)

    def states(self, network: Encoder, ids: Tensor, mask: Tensor) -> Tensor:
        """Of `ids` [rows, width] under `mask`: [rows, width, hidden]."""
        return cast(Tensor, self.layer(network.embed(ids), mask[:, None, None, :].bool()))


def spoilt(ids: Tensor, mask: Tensor, config: Config, vocab: int) -> tuple[Tensor, Tensor]:
    """Ids with some tokens masked, and where [rows, width]; the mask is the unknown: a word to be guessed."""
    special = torch.tensor([config.start, config.pad, config.end])
    wanted = (torch.rand(ids.shape) < MASKED) & mask.bool() & ~torch.isin(ids, special)
    fate, any_other = torch.rand(ids.shape), torch.randint(len(special) + 1, vocab, ids.shape)
    seen = torch.where(fate < KEPT, ids, torch.where(fate < KEPT + SWAPPED, any_other, config.unknown))
    return torch.where(wanted, seen, ids), wanted


def masked_loss(logits: Tensor, words: Tensor) -> Tensor:
    """Cross-entropy of `words` [tokens] by logits [tokens, vocab]; 0 where none is asked for."""
    return F.cross_entropy(logits, words) if len(words) else logits.sum() * 0


def replaced(ids: Tensor, wanted: Tensor, logits: Tensor) -> Tensor:
    """`ids` [rows, width], in each `wanted` place a word drawn by the generator's logits [tokens, vocab]."""
    found = ids.clone()
    if len(logits):
        found[wanted] = torch.multinomial(torch.softmax(logits.detach(), -1), 1)[:, 0]
    return found


def replaced_loss(told: Tensor, ids: Tensor, seen: Tensor, mask: Tensor) -> Tensor:
    """Mean cross-entropy over real tokens of `told` [rows, width], the logits that a token is not its own.

    A generator that guesses the very word has replaced nothing.
    """
    real = mask.bool()
    return F.binary_cross_entropy_with_logits(told[real].float(), (seen != ids)[real].float())
