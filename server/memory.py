"""What a process does about its memory at start: few heaps, nothing of start-up kept, less garbage collected.

Heaps are told to glibc alone; other C libraries are left as they are.
"""

from __future__ import annotations

import ctypes
import gc
import os

HEAPS = 2
"""Of the C library, which would open one for each thread and keep what each has freed."""
_M_ARENA_MAX = -8  # as malloc.h of glibc numbers it
GARBAGE = 20_000
"""Objects more than freed before the garbage collector looks; a request leaves hardly a cycle behind."""


def limit_heaps() -> None:
    """Let all threads share HEAPS heaps, unless the operator has set how many; before pools are started."""
    if not os.environ.keys() & {"MALLOC_ARENA_MAX", "GLIBC_TUNABLES"}:
        _of_c_library("mallopt", _M_ARENA_MAX, HEAPS)


def settle() -> None:
    """Give back what start-up has freed, and spare the garbage collector what it left.

    Walking that again and again would be work of every request.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(GARBAGE, 20, 100)
    _of_c_library("malloc_trim", 0)


def _of_c_library(name: str, *numbers: int) -> None:
    """Call the function, where there is one."""
    function = getattr(ctypes.CDLL(None), name, None)
    if function is not None:
        function(*numbers)
