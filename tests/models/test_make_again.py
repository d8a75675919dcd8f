"""What a making reads before it begins, and what it can still do when something is gone."""

from __future__ import annotations

import io
import json
import shutil

import pytest
from rich.console import Console

pytest.importorskip("torch")
pytest.importorskip("onnx")

from models import pack
from models.errors import MakeError
from models.make import make
from models.workspace import load_trained
from server.inference.bundle import load_bundle
from tests.kit import making_kit as kit


def rows(texts):
    lines = (json.dumps({"text": text, "label": label}, ensure_ascii=False) for text, label in texts)
    return "\n".join(lines) + "\n"


def labelled(count, start=0):
    topics = list(kit.TOPICS.items())
    return [(f"{topics[i % 2][1]}{i}", topics[i % 2][0]) for i in range(start, start + count)]


@pytest.fixture
def place(tmp_path):
    """A set of one's own with dev beside test, another to learn besides, and a recipe for both."""
    kit.write_data(tmp_path / "data")
    for name, parts in {"mine": (120, 20, 30), "more": (20, 4, 4)}.items():
        (tmp_path / "data" / name).mkdir()
        at = 1000 * (name == "more")
        for split, count in zip(("train", "dev", "test"), parts, strict=True):
            (tmp_path / "data" / name / f"{split}.jsonl").write_text(rows(labelled(count, at)), "utf-8")
            at += count
    recipe = kit.write_recipe(tmp_path, kit.write_base(tmp_path / "base.bin"), epochs=1)
    text = recipe.read_text("utf-8").replace('set = "tnews"', 'set = "mine"')
    recipe.write_text(text.replace("validation = 20", "validation = 20\nalso = { more = 9 }"), "utf-8")
    return tmp_path


def made(place, **stages):
    said = io.StringIO()
    console = Console(file=said, width=300)
    make(str(place / "tiny.toml"), place / "data", place / "work", console, **stages)
    return said.getvalue()


def test_every_file_beside_train_is_read_before_anything_is_learnt(place):
    """None of their texts is to be learnt; a row that cannot be read would stop a later stage."""
    with (place / "data/mine/dev.jsonl").open("a", encoding="utf-8") as file:
        file.write("{\n")
    with pytest.raises(MakeError, match=r"dev\.jsonl, line 21: no JSON object"):
        made(place)
    assert not (place / "work/tiny/base").exists()


def test_a_text_that_comes_to_dev_is_learnt_no_longer(place):
    made(place, last="finetune")
    assert "finetune: done before, kept" in made(place, last="finetune")
    learnt = load_trained(place / "work/tiny/finetune").record.rows
    with (place / "data/mine/dev.jsonl").open("a", encoding="utf-8") as file:
        file.write(rows(labelled(20, 1000)))  # all that `more` has
    assert "base: begins anew" in made(place, last="finetune")
    assert load_trained(place / "work/tiny/finetune").record.rows == learnt - 9


def test_figures_are_found_again_without_the_base(place):
    """A recipe names the bundle that it goes on from by its version: that says enough."""
    made(place)
    bundle = place / "work/tiny/pack/tiny"
    text = (place / "tiny.toml").read_text("utf-8").replace("layers = [0, 2]", "layers = [0, 1]")
    named = f"{bundle}@{load_bundle(bundle).manifest.version[:12]}"
    text = text.replace(str(place / "base.bin"), named).replace('work = "tiny"', 'work = "further"')
    (place / "tiny.toml").write_text(text, "utf-8")
    made(place)
    shutil.rmtree(bundle)
    assert "evaluate: begins anew" in made(place, first="evaluate")


def test_a_bundle_larger_than_those_that_ship_is_packed_with_a_note(place, monkeypatch):
    monkeypatch.setattr(pack, "MOST_PARAMETERS", 100)
    said = made(place)
    assert "no bundle that ships with qingmo has more than 100 in" in said
    assert "packed " in said
