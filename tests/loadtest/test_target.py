import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from loadtest.errors import StartFailed, TargetDied
from loadtest.places import portable
from loadtest.process import ROOT, share_cores, spawn, stop
from loadtest.usage import Stretch, allocated_mb, cpu_seconds, family, resident_mb


def test_a_server_starts_on_its_cores_and_leaves_nothing_behind(small):
    with small() as target:
        pid = target.child.pid
        assert os.sched_getaffinity(pid) == set(share_cores(1).server)
        assert target.start_seconds > 0
        assert resident_mb(target.pids) > 5
        assert 1 < allocated_mb(target.pids) <= resident_mb(target.pids)
        assert target.idle_share(0.2) < 0.5
    assert not psutil.pid_exists(pid)


def test_a_taken_port_is_refused_before_anything_starts(small):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with (
            pytest.raises(StartFailed, match=rf"^Port {port} is taken by another program\.$"),
            small(port=port),
        ):
            pass


def test_a_server_that_refuses_to_start_is_quoted(small):
    with (
        pytest.raises(StartFailed, match="exit code 1 before it was ready: this bundle is broken"),
        small("--refuse"),
    ):
        pass


def test_what_a_server_logged_of_requests_is_not_in_the_sentence(small):
    with small() as target:
        target.log.write_text('{"event":"request","status":200}\nout of memory\n{"event":"request"}\n')
        os.kill(target.child.pid, signal.SIGKILL)
        target.child.wait(10)
        sentence = "The server of narrow was ended by signal 9 while it was measured: out of memory"
        with pytest.raises(TargetDied, match=f"^{re.escape(sentence)}$"):
            target.require_alive()


def test_a_server_that_is_never_ready_is_ended(small, tmp_path):
    command = f"{sys.executable} -c 'import time; time.sleep(60)'"
    target = small(ready_seconds=0.5)
    target.serving = type(target.serving)(command, tmp_path, "x", 1, (0,), 0.5)
    with pytest.raises(StartFailed, match=r"not ready after 0"), target:
        pass
    assert not psutil.pid_exists(target.child.pid)


def test_a_grandchild_goes_with_its_parent(tmp_path):
    sleeper = "import time; time.sleep(60)"
    code = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {sleeper!r}]); {sleeper}"
    child = spawn([sys.executable, "-c", code], share_cores(1).load, tmp_path / "log")
    end = time.monotonic() + 10
    while len(family(child.pid)) < 2 and time.monotonic() < end:
        time.sleep(0.05)
    members = family(child.pid)
    assert len(members) == 2
    stop(child, 5)
    assert not any(family(pid) for pid in members)


def test_a_killed_parent_takes_its_children_along(tmp_path):
    log = str(tmp_path / "log")
    code = (
        "import sys, time; from pathlib import Path; from loadtest.process import spawn\n"
        f"child = spawn([sys.executable, '-c', 'import time; time.sleep(60)'], (), Path({log!r}))\n"
        "print(child.pid, flush=True); time.sleep(60)"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    pid = int(parent.stdout.readline())
    time.sleep(0.2)
    parent.send_signal(signal.SIGKILL)
    parent.communicate(timeout=10)
    end = time.monotonic() + 10
    while (
        psutil.pid_exists(pid)
        and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
        and time.monotonic() < end
    ):
        time.sleep(0.05)
    assert not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def test_cpu_time_of_a_stretch_is_that_of_the_watched(tmp_path):
    busy = spawn([sys.executable, "-c", "while True: pass"], share_cores(1).load, tmp_path / "log")
    try:
        time.sleep(0.3)
        before, end = cpu_seconds((busy.pid,)), time.monotonic() + 30
        with Stretch((busy.pid,)) as stretch:
            while cpu_seconds((busy.pid,)) < before + 0.1 and time.monotonic() < end:
                time.sleep(0.05)
    finally:
        stop(busy, 1)
    assert stretch.watched_cpu_seconds is not None
    assert 0.05 < stretch.watched_cpu_seconds <= stretch.seconds + 0.05
    assert stretch.own_cpu_seconds < 0.2


def test_a_command_in_a_report_names_no_folder_of_this_machine():
    command = f"{sys.executable} -m server.cli --bundles {ROOT}/models/zoo --out {Path.home()}/x {ROOT}"
    assert portable(command) == "python -m server.cli --bundles models/zoo --out ~/x ."
