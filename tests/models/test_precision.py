"""Half precision is taken only where the CPU is made for it."""

from __future__ import annotations

from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from models.precision import autocast, has_bfloat16  # noqa: E402

CPU = Path("/proc/cpuinfo")


@pytest.mark.skipif(not CPU.exists(), reason="only Linux lists the CPU's features in a file")
def test_the_kernel_lists_the_instructions_too():
    listed = set(CPU.read_text("utf-8").split()) & {"avx512_bf16", "amx_bf16", "bf16"}
    assert has_bfloat16() is bool(listed)


@pytest.mark.parametrize(("has", "wanted"), [(True, True), (True, False), (False, True)])
def test_products_are_bfloat16_just_where_the_cpu_has_it_and_it_is_wanted(monkeypatch, has, wanted):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx2": True, "avx512_bf16": has})
    with autocast(wanted):
        made = torch.nn.Linear(32, 32)(torch.randn(2, 32))
    assert (made.dtype is torch.bfloat16) is (has and wanted)
