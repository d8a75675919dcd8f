import dataclasses
import os
import pickle
import resource
import shutil
import signal
import subprocess
import sys
import time

import psutil
import pytest

from loadtest.bundles import find_bundles
from loadtest.compare import Bench
from loadtest.errors import NotWritten, StartFailed, TargetDied
from loadtest.load import Kind
from loadtest.plan import OWN_TOKENS, SAME_TOKENS, headings
from loadtest.process import ROOT
from loadtest.report import markdown, page, write
from loadtest.results import read, save
from loadtest.settings import Settings, Timing

TIMING = Timing(
    rounds=2,
    lone_seconds=0.3,
    closed_seconds=0.4,
    open_seconds=0.0,
    tune_seconds=0.0,
    idle_seconds=0.1,
    warmup_seconds=0.1,
    connections=(4,),
    rates=(),
    search_steps=0,
)


@pytest.fixture
def settings(bundle, command, tmp_path):
    """Compares two bundles, of which the small server answers `wide` 30 ms more slowly."""

    def make(*flags, **fields):
        given = {
            "bundles": (bundle("narrow"),),
            "versus": (bundle("wide", base="random weights", scores=False),),
            "out": tmp_path / "out" / "result.json",
            "timing": TIMING,
            "command": "qingmo-loadtest compare",
            "serve": command(*flags),
            "references": (),
            "engine": False,
        }
        return Settings(**given | fields)

    return make


@pytest.fixture(scope="module")
def nothing():
    return lambda step: None


def test_sides_take_turns_and_the_report_says_what_was_measured(settings, tmp_path, nothing):
    given = settings("--delay-ms", "2")
    timing = dataclasses.replace(
        TIMING, rounds=1, open_seconds=0.4, rates=(0.3,), search_steps=1, tune_seconds=0.2
    )
    given = dataclasses.replace(given, timing=timing)
    steps = []
    result = Bench(given, tmp_path, steps.append).run()
    assert result.complete
    assert result == read(given.out)
    comparison = result.comparisons[0]
    assert comparison.heading == SAME_TOKENS
    assert [turn.side for turn in comparison.turns] == ["narrow", "wide"]
    narrow, wide = comparison.of("narrow")[0], comparison.of("wide")[0]
    assert wide.lone.latency.p50 > 30
    assert [load.kind for load in narrow.opened] == [Kind.OPEN] * 2
    assert {ceiling.kind for ceiling in result.ceilings} == {"lone", "closed"}
    assert any("round 1, wide" in step for step in steps)

    paths = write(result, given.out)
    text, html = (path.read_text("utf-8") for path in paths)
    assert f"{narrow.closed.throughput:,.0f}" in text
    assert "wide (random weights)" in text
    assert html.count("<svg") >= 3
    assert "<script" not in html
    assert 'src="http' not in html
    assert "{{" not in html
    assert "never trained" in html


def test_another_tokenizer_is_another_heading(bundle):
    student, same, own, pair = find_bundles(
        [bundle("student"), bundle("same"), bundle("own", tokenizer="1" * 64), bundle("pair", task="pair")]
    )
    found = headings(student, [same, own, pair])
    assert [(heading, [entry.name for entry in entries]) for heading, entries in found] == [
        (SAME_TOKENS, ["same"]),
        (OWN_TOKENS, ["own"]),
    ]
    assert [heading for heading, _ in headings(student, [same])] == [SAME_TOKENS]


def test_a_server_that_dies_leaves_the_finished_rounds(settings, tmp_path):
    given = settings("--delay-ms", "2")

    def kill(step):
        if "round 1, wide" in step:
            server = next(
                child
                for child in psutil.Process().children(recursive=True)
                if "wide" in child.cmdline() and child.status() != psutil.STATUS_ZOMBIE
            )
            os.kill(server.pid, signal.SIGKILL)

    bench = Bench(given, tmp_path, kill)
    with pytest.raises(TargetDied, match="wide was ended by signal 9 while it was measured"):
        bench.run()
    kept = read(given.out)
    assert not kept.complete
    assert [turn.side for turn in kept.comparisons[0].turns] == ["narrow"]
    assert not servers_of("small_server.py")
    assert "ended early" in markdown(kept)
    assert "ended early" in page(kept)


def servers_of(script):
    return [
        child for child in psutil.Process().children(recursive=True) if script in " ".join(child.cmdline())
    ]


def test_a_folder_without_a_bundle_is_a_sentence(settings, tmp_path, nothing):
    given = settings(bundles=(tmp_path,))
    shutil.rmtree(tmp_path / "zoo")
    with pytest.raises(StartFailed, match="is not a bundle and holds none"):
        Bench(given, tmp_path, nothing).run()


def test_a_full_disk_is_a_sentence_and_harms_no_older_result(settings, tmp_path, nothing):
    given = settings()
    result = Bench(given, tmp_path, nothing).result
    save(result, given.out)
    before = given.out.read_bytes()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (500, hard))
    try:
        with pytest.raises(NotWritten, match="cannot be written"):
            save(result, given.out)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert given.out.read_bytes() == before
    assert list(given.out.parent.iterdir()) == [given.out]


def test_a_disk_that_fills_in_mid_run_keeps_the_rounds_before(settings, tmp_path):
    given, limits = settings("--delay-ms", "1"), resource.getrlimit(resource.RLIMIT_FSIZE)

    def fill(step):
        if "round 2, narrow" in step:
            resource.setrlimit(resource.RLIMIT_FSIZE, (given.out.stat().st_size + 100, limits[1]))

    try:
        with pytest.raises(NotWritten, match=r"result\.json cannot be written"):
            Bench(given, tmp_path, fill).run()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert [turn.side for turn in read(given.out).comparisons[0].turns] == ["narrow", "wide"]
    assert list(given.out.parent.iterdir()) == [given.out]
    assert not servers_of("small_server.py")


def test_an_interrupt_leaves_a_sentence_the_rounds_and_no_orphan(settings, tmp_path):
    given = dataclasses.replace(settings("--delay-ms", "1"), timing=TIMING.changed(500, ()))
    pickled, out = tmp_path / "settings", given.out
    pickled.write_bytes(pickle.dumps(given))
    code = (
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # ignored in a background
        "import pathlib, pickle; from loadtest.bench import compare_and_show\n"
        "from loadtest.terminal import one_sentence\n"
        f"given = pickle.loads(pathlib.Path({str(pickled)!r}).read_bytes())\n"
        "with one_sentence(): compare_and_show(given)"
    )
    run = subprocess.Popen(
        [sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    end = time.monotonic() + 90
    while not out.exists() and time.monotonic() < end and run.poll() is None:
        time.sleep(0.1)
    members = [child.pid for child in psutil.Process(run.pid).children(recursive=True)]
    run.send_signal(signal.SIGINT)
    said, complained = run.communicate(timeout=60)
    assert run.returncode == 130
    assert "Ended early; the finished rounds are kept." in complained
    assert "Traceback" not in complained
    assert "Written:" in said
    turns = [turn.side for turn in read(out).comparisons[0].turns]
    assert turns == (["narrow", "wide"] * len(turns))[: len(turns)] != []
    assert not any(psutil.pid_exists(pid) for pid in members)
