"""The cores and the instructions that this process may use: affinity, container quota, CPU features."""

from __future__ import annotations

import os
import platform
from pathlib import Path

_CGROUPS = Path("/sys/fs/cgroup")
_MEMBERSHIP = Path("/proc/self/cgroup")
_CPUINFO = Path("/proc/cpuinfo")
_APPLE_SILICON = frozenset({"asimd", "asimddp", "asimdhp", "fphp"})


def cores() -> int:
    """Whole cores for this process, at least one: its affinity, cut to the container's CPU quota."""
    affinity = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = quota_below(_CGROUPS, _read(_MEMBERSHIP))
    return affinity if quota is None else max(1, min(affinity, int(quota)))


def cpu_features() -> frozenset[str]:
    """What this CPU can do, in the words of /proc/cpuinfo; empty where nobody says."""
    if platform.system() == "Darwin" and platform.machine() == "arm64":
        return _APPLE_SILICON
    return parse_cpuinfo(_read(_CPUINFO))


def parse_cpuinfo(text: str) -> frozenset[str]:
    """The features of the first processor in the text of /proc/cpuinfo (x86 `flags`, Arm `Features`)."""
    for line in text.splitlines():
        key, _, value = line.partition(":")
        if key.strip() in {"flags", "Features"}:
            return frozenset(value.split())
    return frozenset()


def parse_quota_v2(cpu_max: str) -> float | None:
    """Cores in the text of cgroup v2's cpu.max, such as `150000 100000`; None for no limit."""
    fields = cpu_max.split()
    if len(fields) != 2 or not all(field.isdigit() for field in fields) or int(fields[1]) == 0:
        return None
    return int(fields[0]) / int(fields[1])


def parse_quota_v1(quota_us: str, period_us: str) -> float | None:
    """Cores in the texts of cgroup v1's cpu.cfs_quota_us and cpu.cfs_period_us; None for no limit."""
    return parse_quota_v2(f"{quota_us.strip()} {period_us.strip()}")


def parse_membership(text: str) -> tuple[str, str]:
    """From /proc/self/cgroup: this process's paths below the root of v2 and of v1's cpu controller."""
    unified, cpu = "/", "/"
    for line in text.splitlines():
        number, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if number == "0" and not controllers:
            unified = path
        elif "cpu" in controllers.split(","):
            cpu = path
    return unified, cpu


def quota_below(root: Path, membership: str) -> float | None:
    """The tightest quota, in cores, of the cgroup in `membership` and of all above it; None for no limit."""
    unified, cpu = parse_membership(membership)
    quotas = [parse_quota_v2(_read(folder / "cpu.max")) for folder in _upwards(root, unified)]
    quotas += [
        parse_quota_v1(_read(folder / "cpu.cfs_quota_us"), _read(folder / "cpu.cfs_period_us"))
        for folder in _upwards(root / "cpu", cpu)
    ]
    return min((quota for quota in quotas if quota is not None), default=None)


def _upwards(root: Path, path: str) -> list[Path]:
    parts = [part for part in path.split("/") if part not in {"", "..", "."}]
    return [root.joinpath(*parts[:count]) for count in range(len(parts), -1, -1)]


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
