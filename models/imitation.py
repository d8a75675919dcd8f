"""A network that learns, without labels, what a teacher computes on the way, and which tokens were masked."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import cast

import torch
import torch.nn.functional as F  # noqa: N812 - the name torch itself uses
from torch import Tensor, nn

from models.infer import padded
from models.inside import imitation_loss, inside_of
from models.network import Encoder
from models.sections import Imitation
from models.workspace import Config

MASKED = 0.15  # of the tokens are asked for
KEPT, SWAPPED = 0.1, 0.1  # of those: left as they are, or replaced by any other; the rest become the unknown
SCORED_ROWS = 32


class Extra(nn.Module):
    """Learnt with the network and thrown away: the way to masked words, and to a teacher's width."""

    def __init__(self, network: Encoder, width: int) -> None:
        super().__init__()
        shape = network.shape
        self.word = nn.Sequential(
            nn.Linear(shape.hidden, shape.embedded), nn.GELU(), nn.LayerNorm(shape.embedded)
        )
        self.bias = nn.Parameter(torch.zeros(shape.vocab))
        self.fit = nn.Identity() if width == shape.hidden else nn.Linear(shape.hidden, width)


def without_extra(network: Encoder) -> Encoder:
    """The network as it goes on to the next stage."""
    del network.extra
    return network


class Imitator:
    """See `models.loop.Learner`: rows of ids, scored by e to the power of minus the loss on rows held out.

    Args:
        network: Learns; keeps an `extra` until `without_extra` takes it off.
        teacher: What is imitated, with the same ids; None where only masked tokens are learnt.
        config: Of the network.
        rows: Ids to learn from, and ids held out.
        terms: The weight of the masked tokens' loss, and what is imitated.
    """

    def __init__(
        self,
        network: Encoder,
        teacher: Encoder | None,
        config: Config,
        rows: tuple[Sequence[Sequence[int]], Sequence[Sequence[int]]],
        terms: tuple[float, Imitation | None],
    ) -> None:
        network.extra = Extra(network, (teacher or network).shape.hidden)
        self.network: nn.Module = network
        self.teacher, self.config = teacher, config
        (self.rows, self.held), (self.masked, self.imitate) = rows, terms

    def lengths(self) -> list[int]:
        """Tokens of each row."""
        return [len(row) for row in self.rows]

    def loss(self, rows: Sequence[int]) -> Tensor:
        """The terms, added up by their weights."""
        return self._loss(cast(Encoder, self.network), [self.rows[row] for row in rows])

    @torch.inference_mode()
    def score(self, network: nn.Module) -> float:
        """Between 0 and 1; the same tokens are masked every time."""
        held = sorted(self.held, key=len)
        parts = [held[at : at + SCORED_ROWS] for at in range(0, len(held), SCORED_ROWS)]
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            losses = [self._loss(cast(Encoder, network), part).item() * len(part) for part in parts]
        return math.exp(-sum(losses) / len(held))

    def _loss(self, network: Encoder, rows: Sequence[Sequence[int]]) -> Tensor:
        ids, mask = padded(rows, self.config.pad)
        asked = spoilt(ids, mask, self.config, network.shape.vocab) if self.masked else (ids, mask.bool())
        attention = self.imitate is not None and self.imitate.sees_attention
        student, total = inside_of(network, asked[0], mask, attention=attention), torch.zeros(())
        if self.masked:
            wanted = asked[1]
            total = total + self.masked * masked_loss(network, student.states[-1][wanted], ids[wanted])
        if self.teacher is not None and self.imitate is not None:
            with torch.no_grad():
                teacher = inside_of(self.teacher, asked[0], mask, attention=attention)
            total = total + imitation_loss(self.imitate, student, teacher, mask, network.extra.fit)
        return total


def spoilt(ids: Tensor, mask: Tensor, config: Config, vocab: int) -> tuple[Tensor, Tensor]:
    """Ids with some tokens masked, and where [rows, width]; the mask is the unknown: a word to be guessed."""
    special = torch.tensor([config.start, config.pad, config.end])
    wanted = (torch.rand(ids.shape) < MASKED) & mask.bool() & ~torch.isin(ids, special)
    fate, any_other = torch.rand(ids.shape), torch.randint(len(special) + 1, vocab, ids.shape)
    seen = torch.where(fate < KEPT, ids, torch.where(fate < KEPT + SWAPPED, any_other, config.unknown))
    return torch.where(wanted, seen, ids), wanted


def masked_loss(network: Encoder, states: Tensor, words: Tensor) -> Tensor:
    """Cross-entropy of `words` [tokens] by last states [tokens, hidden], over the embedding's own table."""
    if not len(words):
        return states.sum() * 0
    logits = F.linear(network.extra.word(states), network.embed.word, network.extra.bias)
    return F.cross_entropy(logits.float(), words)
