"""Several processes behind one port, as real processes."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.kit.bundle_kit import write_bundle
from tests.kit.serve_kit import bundles_of_all_tasks, command, environment, served

ASKED = {"text": "今天看球"}


@pytest.fixture(scope="module")
def bundles(tmp_path_factory):
    return bundles_of_all_tasks(tmp_path_factory.mktemp("bundles"))


def until(seconds, true):
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "did not happen in time"
        time.sleep(0.05)


def status(server) -> tuple[int, str]:
    try:
        return server.ask("GET", "/health/ready")
    except OSError:  # the process that was to answer has just been killed
        return 0, ""


def children(server) -> list[int]:
    path = f"/proc/{server.process.pid}/task/{server.process.pid}/children"
    with open(path) as file:
        return [int(pid) for pid in file.read().split()]


def ask(server, times: int) -> None:
    """Each over a connection of its own, so that the kernel spreads them."""
    for _ in range(times):
        assert server.ask("POST", "/v1/classify", ASKED)[0] == 200


def test_they_count_together_and_the_dead_are_replaced(bundles, tmp_path):
    with served(bundles, tmp_path / "log", "--processes", "2", "--threads", "2") as server:
        first = children(server)
        assert len(first) == 2
        ask(server, 20)
        seen = [server.counts() for _ in range(6)]
        assert {now[("qingmo_requests_total", "classify", "ok")] for now in seen} == {20}
        assert {now[("qingmo_processes_ready",)] for now in seen} == {2}
        assert ("process_resident_memory_bytes", "1") in seen[0]
        assert {line["process"] for line in server.lines() if line["event"] == "serving"} == {0, 1}

        assert seen[0][("qingmo_processes",)] == 2
        os.kill(first[1], signal.SIGKILL)
        until(20, lambda: status(server)[0] == 503)
        assert "1 of 2 processes" in status(server)[1]
        until(30, lambda: status(server)[0] == 200)
        assert len(children(server)) == 2
        ask(server, 5)
        assert server.counts()[("qingmo_requests_total", "classify", "ok")] == 25
        assert server.stop() == 0
    assert not any(os.path.exists(f"/proc/{pid}") for pid in first)


def test_one_that_is_replaced_serves_what_the_others_do_or_nothing(bundles, tmp_path):
    """Else the same request would be answered by chance, and the counts of one model go to another."""
    folder = shutil.copytree(bundles, tmp_path / "bundles")
    with served(folder, tmp_path / "log", "--processes", "2", "--threads", "2") as server:
        (first, second) = children(server)
        before = server.ask("GET", "/v1/models")[1]
        write_bundle(folder / "aaa")
        os.kill(second, signal.SIGKILL)
        until(20, lambda: "changed since this server began" in server.log.read_text("utf-8"))
        assert {server.ask("GET", "/v1/models")[1] for _ in range(8)} == {before}
        assert first in children(server)
        shutil.rmtree(folder / "aaa")
        until(60, lambda: status(server)[0] == 200)


def test_a_signal_while_the_first_starts_is_an_ordinary_end(bundles):
    words = ("--bundles", str(bundles), "--port", "0", "--processes", "2")
    with subprocess.Popen(command(*words), stdout=subprocess.DEVNULL, env=environment()) as process:
        path = f"/proc/{process.pid}/task/{process.pid}/children"
        until(20, lambda: Path(path).read_text())
        time.sleep(0.1)
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0


def test_readiness_goes_off_in_all_at_once(bundles, tmp_path):
    flags = ("--processes", "2", "--threads", "2", "--drain-delay-seconds", "3")
    with served(bundles, tmp_path / "log", *flags) as server:
        server.process.send_signal(signal.SIGTERM)
        until(2, lambda: status(server)[0] == 503)
        assert {status(server)[0] for _ in range(8)} == {503}
        ask(server, 2)
        assert server.process.wait(20) == 0


def test_a_second_signal_ends_all_at_once(bundles, tmp_path):
    flags = ("--processes", "2", "--threads", "2", "--drain-delay-seconds", "30")
    with served(bundles, tmp_path / "log", *flags) as server:
        pids = children(server)
        server.process.send_signal(signal.SIGTERM)
        until(20, lambda: status(server)[0] == 503)
        assert server.stop(signal.SIGINT) == 128 + signal.SIGINT
        until(5, lambda: not any(_runs(pid) for pid in pids))


def test_children_do_not_outlive_a_parent_that_was_killed(bundles, tmp_path):
    with served(bundles, tmp_path / "log", "--processes", "2", "--threads", "2") as server:
        pids = children(server)
        server.stop(signal.SIGKILL)
        until(10, lambda: not any(_runs(pid) for pid in pids))


def _runs(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False
