"""Cores and CPU features from the texts that the kernel gives."""

from __future__ import annotations

import os

import pytest

from server.inference.cores import (
    cores,
    cpu_features,
    parse_cpuinfo,
    parse_membership,
    parse_quota_v1,
    parse_quota_v2,
    quota_below,
)

X86 = "processor\t: 0\nmodel name\t: Some CPU\nflags\t\t: fpu sse2 avx2 avx512_vnni\n\nflags\t: fpu\n"
ARM = "processor\t: 0\nBogoMIPS\t: 50.00\nFeatures\t: fp asimd asimddp\nCPU part\t: 0xd0c\n"


def test_features_of_x86_and_arm():
    assert parse_cpuinfo(X86) == {"fpu", "sse2", "avx2", "avx512_vnni"}
    assert parse_cpuinfo(ARM) == {"fp", "asimd", "asimddp"}
    assert parse_cpuinfo("") == frozenset()


@pytest.mark.parametrize(
    ("text", "quota"),
    [("max 100000\n", None), ("150000 100000\n", 1.5), ("", None), ("0 0", None), ("rubbish", None)],
)
def test_quota_of_cgroup_v2(text, quota):
    assert parse_quota_v2(text) == quota


@pytest.mark.parametrize(
    ("quota_us", "period_us", "quota"),
    [("-1\n", "100000\n", None), ("200000\n", "100000\n", 2.0), ("", "", None)],
)
def test_quota_of_cgroup_v1(quota_us, period_us, quota):
    assert parse_quota_v1(quota_us, period_us) == quota


def test_membership_in_both_generations():
    text = "12:cpu,cpuacct:/docker/abc\n3:memory:/docker/abc\n0::/system.slice/qingmo.service\n"
    assert parse_membership(text) == ("/system.slice/qingmo.service", "/docker/abc")
    assert parse_membership("") == ("/", "/")


def test_the_tightest_quota_upwards_counts(tmp_path):
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    (inner / "cpu.max").write_text("400000 100000")
    (tmp_path / "a" / "cpu.max").write_text("250000 100000")
    (tmp_path / "cpu.max").write_text("max 100000")
    assert quota_below(tmp_path, "0::/a/b\n") == 2.5
    assert quota_below(tmp_path, "0::/\n") is None
    old = tmp_path / "cpu" / "docker"
    old.mkdir(parents=True)
    (old / "cpu.cfs_quota_us").write_text("150000")
    (old / "cpu.cfs_period_us").write_text("100000")
    assert quota_below(tmp_path, "4:cpu,cpuacct:/docker\n0::/a\n") == 1.5


def test_this_process_has_a_core_and_no_more_than_its_affinity():
    assert 1 <= cores() <= len(os.sched_getaffinity(0))
    assert cpu_features() == cpu_features()
