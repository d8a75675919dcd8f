"""A base that has learnt a set is not validated on rows that it knows, however it learnt them."""

from __future__ import annotations

import io
import json
import shutil

import pytest
from rich.console import Console

pytest.importorskip("torch")
pytest.importorskip("onnx")

from models.errors import MakeError
from models.make import make
from models.workspace import load_trained
from server.inference.bundle import load_bundle
from tests.kit import making_kit as kit

QUIET = Console(file=io.StringIO())
LIMITED = ("validation = 20", "validation = 20\nlimit = 50")
CLAUSES = ("validation = 20", "validation = 20\nclauses = { mine = 10 }")


def recipe_of(folder, base, *changes):
    text = kit.write_recipe(folder, base, epochs=1).read_text("utf-8")
    for change in changes:
        text = text.replace(*change)
    (folder / "tiny.toml").write_text(text, "utf-8")
    return str(folder / "tiny.toml")


@pytest.fixture
def packed(tmp_path):
    """Makes a bundle by the tiny recipe, changed; its folder holds the data too."""
    kit.write_data(tmp_path / "data")
    (tmp_path / "data/mine").mkdir()
    for split, count in (("train", 60), ("dev", 5)):
        rows = [
            {"text": f"{topic}{split}{at}，{topic}很好！下次也好", "label": label}
            for at in range(count)
            for label, topic in kit.TOPICS.items()
        ]
        lines = "\n".join(json.dumps(row, ensure_ascii=False) for row in rows)
        (tmp_path / f"data/mine/{split}.jsonl").write_text(lines, "utf-8")

    def made(*changes):
        base = kit.write_base(tmp_path / "base.bin")
        make(recipe_of(tmp_path, base, *changes), tmp_path / "data", tmp_path / "work", QUIET)
        return tmp_path

    return made


def further(packed, *changes):
    """What a recipe begins with whose base is the bundle."""
    folder = packed / "further"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    bundle = packed / "work/tiny/pack/tiny"
    recipe = recipe_of(folder, bundle, ("layers = [0, 2]", "layers = [0, 1]"), *changes)
    make(recipe, packed / "data", folder / "work", QUIET, last="base")
    return load_trained(folder / "work/tiny/base")


def test_few_rows_learnt_do_not_hide_how_few_were_held_out(packed):
    folder = packed(LIMITED)
    assert load_bundle(folder / "work/tiny/pack/tiny").manifest.lineage.held_out == 20
    with pytest.raises(MakeError, match=r"holds out 21: .* `validation` no larger"):
        further(folder, ("validation = 20", "validation = 21"))
    assert further(folder).record.seed == 3


def test_a_set_that_has_grown_is_cut_otherwise(packed):
    folder = packed()
    with (folder / "data/tnews/train.json").open("a", encoding="utf-8") as file:
        file.write(json.dumps({"label_desc": "news_sports", "sentence": "足球又进球了"}) + "\n")
    with pytest.raises(MakeError, match=r"learnt tnews/train\.json with other contents"):
        further(folder)


def test_a_set_of_another_name_may_be_new(packed):
    assert further(packed(), ('set = "tnews"', 'set = "mine"')).record.seed == 3


def test_clauses_are_rows_learnt_too(packed):
    with pytest.raises(MakeError, match="learnt this set beside another"):
        further(packed(CLAUSES), ('set = "tnews"', 'set = "mine"'))
