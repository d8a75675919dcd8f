"""The inside of a network at work, and losses between a student's and a teacher's, as pure functions.

All are means over real tokens (or pairs of them), where `mask` [rows, width] is 1: scalars with gradient.
Widths may differ where `fit` leads from the student's to the teacher's; the number of heads must be equal.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F  # noqa: N812 - the name torch itself uses
from torch import Tensor

from models.network import Encoder
from models.sections import Imitation

Fit = Callable[[Tensor], Tensor]


@dataclass(frozen=True, slots=True)
class Inside:
    """What a network computes on the way to its logits.

    `states` are the embedding's output and each layer's [rows, width, hidden]; `scores` each layer's
    attention before its softmax [rows, heads, width, width]; `value` the last layer's [rows, heads, width,
    head size].
    """

    states: Sequence[Tensor]
    scores: Sequence[Tensor]
    value: Tensor


def inside_of(network: Encoder, ids: Tensor, mask: Tensor, *, attention: bool) -> Inside:
    """For `ids` [rows, width] under `mask` [rows, width], in float32; without `attention` only the states."""
    states, scores = [network.embed(ids)], []
    value = states[0]
    for layer in network.stack():
        if attention:
            query, key, value = layer.heads_of(states[-1])
            scores.append((query @ key.transpose(-1, -2)).float() / query.shape[-1] ** 0.5)
        states.append(layer(states[-1], mask[:, None, None, :].bool()))
    return Inside([state.float() for state in states], scores, value.float())


def imitation_loss(section: Imitation, student: Inside, teacher: Inside, mask: Tensor, fit: Fit) -> Tensor:
    """The recipe's terms by their weights, layer by layer as it maps them; `mask` is [rows, width]."""
    above = [layer + 1 for layer in section.layers]
    mapped = list(zip(student.states[1:], [teacher.states[layer] for layer in above], strict=True))
    terms: dict[str, Callable[[], Tensor]] = {
        "embedding": lambda: state_loss(fit(student.states[0]), teacher.states[0], mask),
        "hidden": lambda: torch.stack([state_loss(fit(own), other, mask) for own, other in mapped]).sum(),
        "cosine": lambda: cosine_loss(fit(mapped[-1][0]), mapped[-1][1], mask),
        "attention": lambda: torch.stack(
            [
                attention_loss(own, teacher.scores[layer], mask)
                for own, layer in zip(student.scores, section.layers, strict=True)
            ]
        ).sum(),
        "relations": lambda: relation_loss(student, teacher, mask),
    }
    weighed = [(getattr(section, name), term) for name, term in terms.items()]
    return sum((weight * term() for weight, term in weighed if weight), torch.zeros(()))


def state_loss(student: Tensor, teacher: Tensor, mask: Tensor) -> Tensor:
    """Mean squared error of states [rows, width, hidden] (TinyBERT: Jiao et al. 2020, arXiv 1909.10351)."""
    return (student - teacher).square().mean(-1)[mask.bool()].mean()


def cosine_loss(student: Tensor, teacher: Tensor, mask: Tensor) -> Tensor:
    """One minus the cosine of states [rows, width, hidden] (DistilBERT: Sanh et al., arXiv 1910.01108)."""
    return 1 - F.cosine_similarity(student, teacher, dim=-1)[mask.bool()].mean()


def attention_loss(student: Tensor, teacher: Tensor, mask: Tensor) -> Tensor:
    """Mean squared error of scores [rows, heads, width, width] before the softmax (TinyBERT)."""
    return (student - teacher).square().mean(1)[_pairs(mask)].mean()


def relation_loss(student: Inside, teacher: Inside, mask: Tensor) -> Tensor:
    """Divergence of the last layer's attention, and of its values' likeness (MiniLM: arXiv 2002.10957).

    Two KL(teacher || student) in nats, each of [rows, heads, width, width], added up.
    """
    attention = _divergence(student.scores[-1], teacher.scores[-1], mask)
    return attention + _divergence(_likeness(student.value), _likeness(teacher.value), mask)


def _likeness(value: Tensor) -> Tensor:
    """[rows, heads, width, width] of vectors [rows, heads, width, size]."""
    return value @ value.transpose(-1, -2) / value.shape[-1] ** 0.5


def _divergence(student: Tensor, teacher: Tensor, mask: Tensor) -> Tensor:
    """KL(teacher || student) of rows of scores [rows, heads, width, width], over real tokens."""
    hidden = mask[:, None, None, :] == 0
    want, said = (F.log_softmax(scores.masked_fill(hidden, -1e4), -1) for scores in (teacher, student))
    apart = F.kl_div(said, want, reduction="none", log_target=True).sum(-1)  # [rows, heads, width]
    return apart.mean(1)[mask.bool()].mean()


def _pairs(mask: Tensor) -> Tensor:
    """[rows, width, width], true where both tokens are real."""
    real = mask.bool()
    return real[:, :, None] & real[:, None, :]
