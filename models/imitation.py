"""A network that learns, without labels, what a teacher computes on the way, and to guess words."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn

from models.guessing import Rival, Words, masked_loss, replaced, replaced_loss, spoilt
from models.infer import padded
from models.inside import imitation_loss, inside_of
from models.network import Encoder
from models.sections import Imitation
from models.workspace import Config

SCORED_ROWS = 32


@dataclass(frozen=True, slots=True)
class Terms:
    """Weights in the loss; `masked` is the generator's where tokens are `replaced`, else the network's."""

    masked: float = 0.0
    replaced: float = 0.0
    imitate: Imitation | None = None


class Extra(nn.Module):
    """Learnt with the network and thrown away: the way to words, a generator, a way to a teacher's width."""

    def __init__(self, network: Encoder, width: int, terms: Terms) -> None:
        super().__init__()
        hidden = network.shape.hidden
        self.words = Words(network) if terms.masked else None
        self.rival = Rival(network) if terms.replaced else None
        self.fit = nn.Identity() if width == hidden else nn.Linear(hidden, width)


def without_extra(network: Encoder) -> Encoder:
    """The network as it goes on to the next stage."""
    del network.extra
    return network


class Imitator:
    """See `models.loop.Learner`: rows of ids, scored by e to the power of minus the loss on rows held out.

    Args:
        network: Learns; keeps an `extra` until `without_extra` takes it off.
        teacher: What is imitated, with the same ids; None where words alone are guessed.
        config: Of the network.
        rows: Ids to learn from, and ids held out.
        terms: What is learnt.
    """

    def __init__(
        self,
        network: Encoder,
        teacher: Encoder | None,
        config: Config,
        rows: tuple[Sequence[Sequence[int]], Sequence[Sequence[int]]],
        terms: Terms,
    ) -> None:
        network.extra = Extra(network, (teacher or network).shape.hidden, terms)
        self.network: nn.Module = network
        self.teacher, self.config = teacher, config
        (self.rows, self.held), self.terms = rows, terms

    def lengths(self) -> list[int]:
        """Tokens of each row."""
        return [len(row) for row in self.rows]

    def loss(self, rows: Sequence[int]) -> Tensor:
        """The terms of these rows, added up by their weights: a scalar with gradient."""
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
        seen, wanted, total = self._asked(network, ids, mask)
        imitate = self.terms.imitate
        attention = imitate is not None and imitate.sees_attention
        student = inside_of(network, seen, mask, attention=attention)
        if self.terms.replaced:
            told = network.extra.rival.told(student.states[-1])[..., 0]
            total = total + self.terms.replaced * replaced_loss(told, ids, seen, mask)
        elif self.terms.masked:
            logits = network.extra.words(student.states[-1][wanted], network.embed.word)
            total = total + self.terms.masked * masked_loss(logits, ids[wanted])
        if self.teacher is not None and imitate is not None:
            with torch.no_grad():
                teacher = inside_of(self.teacher, seen, mask, attention=attention)
            total = total + imitation_loss(imitate, student, teacher, mask, network.extra.fit)
        return total

    def _asked(self, network: Encoder, ids: Tensor, mask: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The ids that the network is shown, the places [rows, width] asked for, and the generator's loss."""
        if not self.terms.masked:
            return ids, mask.bool(), torch.zeros(())
        seen, wanted = spoilt(ids, mask, self.config, network.shape.vocab)
        if not self.terms.replaced:
            return seen, wanted, torch.zeros(())
        states = network.extra.rival.states(network, seen, mask)
        logits = network.extra.words(states[wanted], network.embed.word)
        return replaced(ids, wanted, logits), wanted, self.terms.masked * masked_loss(logits, ids[wanted])
