"""Losses as pure functions of logits; each is a scalar, the mean over rows."""

from __future__ import annotations

import torch.nn.functional as F  # noqa: N812 - the name torch itself uses
from torch import Tensor

NO_LABEL = -1


def hard_loss(logits: Tensor, targets: Tensor, smoothing: float = 0.0) -> Tensor:
    """Cross-entropy of `logits` [rows, labels] over the rows whose target is not NO_LABEL; 0 without any."""
    count = (targets != NO_LABEL).sum().clamp(min=1)
    summed = F.cross_entropy(
        logits, targets, ignore_index=NO_LABEL, reduction="sum", label_smoothing=smoothing
    )
    return summed / count


def soft_loss(student: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """KL(teacher || student) at a temperature, times its square (Hinton et al. 2015, arXiv 1503.02531).

    Args:
        student: Logits [rows, labels].
        teacher: Logits [rows, labels].
        temperature: Divides both; 1 is plain probability.
    """
    want = F.log_softmax(teacher / temperature, dim=-1)
    said = F.log_softmax(student / temperature, dim=-1)
    return F.kl_div(said, want, reduction="batchmean", log_target=True) * temperature**2
