"""The command `check` with a running server, which is asked the same texts."""

from __future__ import annotations

import shutil
from dataclasses import replace

import msgspec
import pytest
from typer.testing import CliRunner

from models.checking.remote import Address, differences
from models.checking.sheet import Sheet
from models.cli import main
from models.errors import MakeError
from server.inference.bundle import load_bundle
from server.inference.predictor import Predictor
from server.inference.values import Task, Text
from tests.kit.bundle_kit import write_bundle, write_manifest
from tests.kit.check_kit import ROWS, TEXTS, TRUE, check, write_sets
from tests.kit.serve_kit import bundles_of_all_tasks, served


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_sets(tmp_path_factory.mktemp("data"))


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


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:1",
        "127.0.0.1:8000",
        "http://[",
        "ftp://127.0.0.1",
        "http://127.0.0.1:1/中文",
        "http://a..b",
    ],
)
def test_no_server_there_is_said(tmp_path, data, url):
    folder = write_bundle(tmp_path / "mine")
    done = check(folder, data, "--set", "classify", "--url", url)
    assert done.exit_code == 1
    assert url in done.stderr
    assert "accuracy, classify dev: 0.750000" in done.stdout, "what was found is not lost with it"
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


def test_several_bundles_are_written_down_with_what_the_server_said(tmp_path, running, data):
    server, bundles = running
    names, out = ("classify", "ner"), tmp_path / "found" / "checks.json"
    folders = [tmp_path / name for name in names]
    for folder in folders:
        shutil.copytree(bundles / folder.name, folder)
    words = ["check", *map(str, folders), "--data", str(data), "--url", server.url, "--out", str(out)]
    nothing = CliRunner().invoke(main, words)
    assert nothing.exit_code == 1, "these bundles name no set"
    assert not out.exists()
    sets = [[*words, "--set", name] for name in names]
    for folder, asked in zip(folders, sets, strict=True):
        done = CliRunner().invoke(main, asked)
        assert done.exit_code == 1, "the other bundle's rows are of another kind"
        sheet = msgspec.json.decode(out.read_bytes(), type=Sheet)
        (line,) = sheet.lines
        assert (line.name, line.rows, line.published) == (folder.name, len(ROWS[Task(folder.name)]), None)
        assert [(each.together, each.differ) for each in line.over_http] == [(1, 0), (32, 0)]
        assert line.figures[0].found.value == pytest.approx(TRUE[Task(folder.name)])
        assert sheet.resident_bytes is not None
        assert 20e6 < sheet.resident_bytes < 1e9
        assert "--data DIR" in sheet.command
        assert str(data) not in sheet.command
        text = out.with_suffix(".md").read_text("utf-8")
        assert f"| 0 of {line.rows} | 0 of {line.rows} |" in text
        assert "MB resident" in text
