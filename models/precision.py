"""bfloat16 where this CPU is made for it, float32 where it is not."""

from __future__ import annotations

import torch

_INSTRUCTIONS = ("avx512_bf16", "amx_bf16", "bf16")
"""As `torch.cpu.get_capabilities` names them; the last is Arm's."""


def has_bfloat16() -> bool:
    """Whether this CPU multiplies bfloat16 by instructions of its own.

    Without them torch does it number by number, a hundred times slower than float32 (docs/experiments.md).
    """
    able = torch.cpu.get_capabilities()
    return any(able.get(name, False) for name in _INSTRUCTIONS)


def autocast(wanted: bool = True) -> torch.autocast:
    """Inside, matrices are multiplied in bfloat16, where wanted and where that is sooner."""
    return torch.autocast("cpu", dtype=torch.bfloat16, enabled=wanted and has_bfloat16())
