"""What a process does about its memory at start: fewer heaps, nothing kept of start-up, less garbage collection.

Only glibc is told anything; on another C library the process is as it was.
"""

from __future__ import annotations

import ctypes
import gc

HEAPS = 2
"""Of the C library, which would open one for each thread (eight times the cores) and keep what each has freed."""
_M_ARENA_MAX = -8  # as malloc.h of glibc numbers it
GARBAGE = 20_000
"""Objects more than freed before the garbage collector looks; a request leaves hardly a cycle behind."""


def limit_heaps() -> None:
    """Let all threads share HEAPS heaps: called before any of them runs."""
    _of_c_library("mallopt", _M_ARENA_MAX, HEAPS)


def settle() -> None:
    """Give back what start-up has freed, and spare the garbage collector what it left.

    Walking that again and again would be work of every request.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(GARBAGE, 20, 100)
    _of_c_library("malloc_trim", 0)


def _of_c_library(name: str, *numbers: int) -> bool:
    """Call the function, where there is one; whether it did anything."""
    function = getattr(ctypes.CDLL(None), name, None)
    return function is not None and bool(function(*numbers))
