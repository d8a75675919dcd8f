"""Losses as pure functions of logits, for every head: one choice a text, one a token, or a start and an end.

`choices_of` and `targets_of` turn any head's logits and targets into rows of single choices, which
`hard_loss` and `soft_loss` take; each loss is a scalar, the mean over choices.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - the name torch itself uses
from numpy.typing import NDArray
from torch import Tensor

from models.shape import Head
from models.tasks.figures import NO_LABEL

HIDDEN = -1e4  # the logit of a place that holds no token


def choices_of(head: Head, logits: Tensor, mask: Tensor) -> Tensor:
    """Logits [rows, labels] or [rows, width, outputs] as choices [choices, options].

    For `tokens` a choice is a real token and an option a tag; for `spans` each row gives two choices, of
    start and end, whose options are the places [width]. `mask` [rows, width] is 1 where a token stands.
    """
    if head == "classify":
        return logits
    if head == "tokens":
        return logits[mask.bool()]
    return logits.masked_fill(mask[:, :, None] == 0, HIDDEN).transpose(1, 2).flatten(0, 1)


def said_choices(head: Head, logits: Sequence[NDArray[np.float32]], width: int = 0) -> Tensor:
    """A teacher's logits of some rows, each [outputs] or [length, outputs], in the order of `choices_of`.

    Of `spans` the options are the places of the longest of these rows, or of `width`, if that is more.
    """
    if head == "classify":
        return torch.from_numpy(np.stack(logits))
    if head == "tokens":
        return torch.from_numpy(np.concatenate(logits))
    width = max(width, *map(len, logits))
    rows = np.full((len(logits), 2, width), HIDDEN, np.float32)
    for row, own in enumerate(logits):
        rows[row, :, : len(own)] = own.T
    return torch.from_numpy(rows).flatten(0, 1)


def targets_of(targets: Sequence[Sequence[int]]) -> Tensor:
    """The right options [choices], in the order of `choices_of`: one a row, one a token, or start and end."""
    return torch.tensor([option for target in targets for option in target])


def hard_loss(logits: Tensor, targets: Tensor, smoothing: float = 0.0) -> Tensor:
    """Cross-entropy of `logits` [choices, options] over those whose target is not NO_LABEL; 0 without any.

    In nats. `targets` are [choices]; `smoothing` (0..1) is the share that all options have alike.
    """
    count = (targets != NO_LABEL).sum().clamp(min=1)
    summed = F.cross_entropy(
        logits, targets, ignore_index=NO_LABEL, reduction="sum", label_smoothing=smoothing
    )
    return summed / count


def soft_loss(student: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """KL(teacher || student) at a temperature, times its square (Hinton et al. 2015, arXiv 1503.02531).

    Args:
        student: Logits [choices, options].
        teacher: Logits [choices, options].
        temperature: Divides both; 1 is plain probability.
    """
    want = F.log_softmax(teacher / temperature, dim=-1)
    said = F.log_softmax(student / temperature, dim=-1)
    return F.kl_div(said, want, reduction="batchmean", log_target=True) * temperature**2
