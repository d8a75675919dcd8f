"""A table that is measured line by line: what it keeps of before, and what it says of when."""

from __future__ import annotations

import shutil

import msgspec
import pytest
from typer.testing import CliRunner

from models.cli import main
from models.table.sheet import Sheet, read
from server.inference.manifest import Quality
from tests.kit import making_kit as kit
from tests.kit.bundle_kit import write_bundle


@pytest.fixture
def place(tmp_path):
    """A folder with data and two bundles."""
    kit.write_data(tmp_path / "data")
    for name in ("one", "other"):
        write_bundle(
            tmp_path / name, quality=(Quality(metric="accuracy", value=0.5, split="tnews dev", n=40),)
        )
    return tmp_path


def table(place, *words):
    out = place / "models.json"
    runner = CliRunner(env={"QINGMO_WORK": str(place / "work")})
    return runner.invoke(main, ["table", *words, "--data", str(place / "data"), "--out", str(out)])


def bundles(place, *names):
    return [word for name in names for word in ("--bundle", str(place / name))]


def test_lines_of_other_models_are_kept_with_their_day_and_commit(place):
    assert table(place, *bundles(place, "one", "other")).exit_code == 0
    first = read(place / "models.json")
    (place / "models.json").write_bytes(
        msgspec.json.encode(
            msgspec.structs.replace(
                first,
                made="2020-02-02T00:00:00+00:00",
                commit="0123456789",
                lines=tuple(msgspec.structs.replace(line, measured="", tokens=99.0) for line in first.lines),
            )
        )
    )
    assert table(place, *bundles(place, "one"), "--keep").exit_code == 0
    kept, fresh = read(place / "models.json").lines
    assert (kept.name, kept.tokens, kept.measured) == ("other", 99.0, "2020-02-02, 0123456")
    assert (fresh.name, fresh.tokens) == ("one", first.lines[0].tokens)
    assert fresh.measured == read(place / "models.json").when
    text = (place / "models.md").read_text("utf-8")
    assert "2020-02-02, 0123456 |" in text
    assert (kept.command, "--keep" in fresh.command) == (first.command, True)
    assert f"- other: `{kept.command}`\n- one: `{fresh.command}`" in text
    assert table(place, *bundles(place, "one")).exit_code == 0
    assert [line.name for line in read(place / "models.json").lines] == ["one"]


def test_a_line_stands_until_its_successor_is_measured(place):
    assert table(place, *bundles(place, "one", "other")).exit_code == 0
    quality = (Quality(metric="accuracy", value=0.5, split="afqmc dev", n=40),)
    shutil.rmtree(place / "other")
    write_bundle(place / "other", quality=quality)
    assert table(place, *bundles(place, "one", "other"), "--keep").exit_code == 1
    assert sorted(line.name for line in read(place / "models.json").lines) == ["one", "other"]


def test_a_bundle_has_one_line_wherever_it_lies(place):
    shutil.copytree(place / "one", place / "copy")
    assert table(place, *bundles(place, "one", "other", "copy")).exit_code == 0
    assert [line.name for line in read(place / "models.json").lines] == ["other", "one"]


def test_milliseconds_of_two_machines_do_not_stand_in_one_table(place):
    table(place, *bundles(place, "one"))
    sheet: Sheet = msgspec.structs.replace(read(place / "models.json"), machine="another")
    (place / "models.json").write_bytes(msgspec.json.encode(sheet))
    done = table(place, *bundles(place, "other"), "--keep")
    assert done.exit_code == 1
    assert "measured on another" in done.stderr
    assert read(place / "models.json") == sheet


def test_there_must_be_a_table_to_keep_lines_of(place):
    done = table(place, *bundles(place, "one"), "--keep")
    assert done.exit_code == 1
    assert "holds no table of models" in done.stderr
