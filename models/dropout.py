"""Dropout (Srivastava et al. 2014), a byte a number: on CPUs torch's own costs a sixth of a training step."""

from __future__ import annotations

from typing import cast

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import FunctionCtx

_CHANCES = 256  # a byte has as many values, so a share is kept to 1/256


class _Dropped(torch.autograd.Function):
    @staticmethod
    def forward(ctx: FunctionCtx, numbers: Tensor, dropped: int) -> Tensor:
        """Zero each with the chance `dropped` of 256; the others grow, so that the mean stays."""
        # What is drawn follows from torch's own state, which a checkpoint holds.
        bits = np.random.SFC64(int(torch.randint(2**62, ())))
        drawn = np.random.Generator(bits).integers(0, _CHANCES, numbers.numel(), np.uint8)
        kept = (torch.from_numpy(drawn) >= dropped).view(numbers.shape)
        factor = kept.to(numbers.dtype).mul_(_CHANCES / (_CHANCES - dropped))
        ctx.save_for_backward(factor)
        return numbers * factor

    @staticmethod
    def backward(ctx: FunctionCtx, gradient: Tensor) -> tuple[Tensor, None]:
        """The same places, by the same scale."""
        (factor,) = ctx.saved_tensors
        return gradient * factor, None


def dropout(numbers: Tensor, share: float, training: bool) -> Tensor:
    """In training `numbers` with a `share` (0..1, to the nearest 1/256) zero, and the others grown for it."""
    dropped = round(share * _CHANCES) if training else 0
    return cast(Tensor, _Dropped.apply(numbers, dropped)) if dropped else numbers
