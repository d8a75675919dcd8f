"""What a figure depends on besides the code: CPU, memory, versions, commit. Reads, never guesses."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import psutil
from msgspec import Struct

from loadtest.process import ROOT

LIBRARIES = (
    "onnxruntime",
    "tokenizers",
    "numpy",
    "fastapi",
    "uvicorn",
    "uvloop",
    "httptools",
    "msgspec",
    "locust",
)


class Version(Struct, frozen=True):
    """A library and its version."""

    name: str
    version: str


class Machine(Struct, frozen=True, kw_only=True):
    """Where a measurement ran. `flags` are the CPU's, in the words of /proc/cpuinfo, if there is one."""

    cpu: str
    flags: tuple[str, ...]
    cores: int
    memory_mb: int
    system: str
    python: str
    libraries: tuple[Version, ...]
    commit: str
    load_average: float


def _cpuinfo(field: str) -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        return ""
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith(field)), "")


def _commit() -> str:
    """The commit, with `-dirty` where files differ from it; empty outside a checkout."""
    command = ["git", "describe", "--always", "--dirty", "--abbrev=12"]
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip()


def _versions(names: Sequence[str]) -> tuple[Version, ...]:
    found = []
    for name in names:
        try:
            found.append(Version(name, importlib.metadata.version(name)))
        except importlib.metadata.PackageNotFoundError:
            continue
    return tuple(found)


def this_machine() -> Machine:
    """The machine and the code as they are now."""
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    return Machine(
        cpu=_cpuinfo("model name") or platform.processor() or platform.machine(),
        flags=tuple((_cpuinfo("flags") or _cpuinfo("Features")).split()),
        cores=os.cpu_count() or 1,
        memory_mb=int(psutil.virtual_memory().total / 1e6),
        system=f"{platform.system()} {platform.release()} {platform.machine()}",
        python=sys.version.split()[0],
        libraries=_versions(LIBRARIES),
        commit=_commit(),
        load_average=load,
    )
