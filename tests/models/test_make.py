from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest
from rich.console import Console

from models.errors import MakeError
from models.recipe import read_recipe, recipe_names
from models.workspace import load_trained
from server.inference.bundle import load_bundle
from server.inference.predictor import Predictor
from server.inference.values import Text
from tests.kit import making_kit as kit

DISTIL = """[distil]
teacher = "nobody"
[distil.training]
epochs = 1
rate = 1e-3
head_rate = 1e-3
"""
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("make")
    kit.write_data(folder / "data")
    kit.write_recipe(folder, kit.write_base(folder / "tiny.bin"))
    return folder


@pytest.fixture(scope="module")
def made(place):
    """Everything made once by the command, in a process of its own."""
    pytest.importorskip("torch")
    pytest.importorskip("onnx")
    return command(place, "make", str(place / "tiny.toml"), "--data", str(place / "data"))


def command(place, *arguments):
    return subprocess.run(
        [sys.executable, "-m", "models.cli", *arguments],
        env={**os.environ, "QINGMO_WORK": str(place / "work"), "COLUMNS": "200"},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=3000,
        check=False,
    )


def test_from_nothing_to_a_bundle_that_answers(place, made):
    assert made.returncode == 0, made.stderr
    bundle = load_bundle(place / "work/tiny/pack/tiny")
    assert len(bundle.manifest.golden) == 2
    predictor = Predictor(bundle)
    predictor.start()
    assert predictor.answer(Text("今天的足球比赛队员进球")).labels[0].label == "news_sports"
    assert predictor.answer(Text("我们的银行股票基金利率")).labels[0].name == "财经"


def test_the_bundle_says_where_it_comes_from_and_how_good_it_is(place, made):
    manifest = load_bundle(place / "work/tiny/pack/tiny").manifest
    whole, unseen = manifest.quality
    assert (whole.n, unseen.n) == (40, 36)
    assert whole.value >= 0.9
    assert whole.low <= whole.value <= whole.high
    assert whole.baseline < 0.8
    assert re.search(r"Tokens are pieces of words; \d+\.\d\d % of them are unknown", whole.notes)
    assert manifest.lineage.data[0].file == "tnews/train.json"
    assert manifest.lineage.data[0].rows < 241 - 15
    assert manifest.lineage.recipe_sha256 == read_recipe(str(place / "tiny.toml"))[1]


def test_its_figures_can_be_found_again(place, made):
    bundle = place / "work/tiny/pack/tiny"
    checked = command(place, "check", str(bundle), "--data", str(place / "data"))
    assert checked.returncode == 0, checked.stderr
    assert checked.stdout.count("same") == len(load_bundle(bundle).manifest.quality)


def test_each_look_at_the_dev_split_is_recorded(place, made):
    record = load_trained(place / "work/tiny/finetune").record
    (look,) = record.looks
    assert (look.split, look.rows, len(look.figures)) == ("tnews/dev.json", 40, 2)
    assert record.validation_rows == 20
    assert record.epochs[-1].loss < record.epochs[0].loss


def test_what_is_finished_is_kept(place, made):
    before = load_trained(place / "work/tiny/finetune").record.made
    again = command(place, "make", str(place / "tiny.toml"), "--data", str(place / "data"), "--from", "pack")
    assert again.returncode == 0, again.stderr
    assert "finetune: done before, kept" in again.stderr
    assert load_trained(place / "work/tiny/finetune").record.made == before


@pytest.mark.parametrize(
    ("broken", "why"),
    [
        (lambda text: text.replace("[0, 2]", "[0, 3]"), "has 0 to 2"),
        (lambda text: text.replace("positions = 16", "positions = 99"), "has 32"),
        (lambda text: text.replace('news_finance = "财经"', ""), 'the label "news_finance"'),
        (lambda text: text.replace("validation = 20", "validation = 9999"), "too few to hold out"),
        (lambda text: text.replace('"tnews"', '"mystery"'), "is no known set with a text and a label a row"),
        (lambda text: text.replace("gate = 10", "gait = 10"), "unknown field `gait`"),
        (lambda text: text.replace("seed = 3", "seed = "), "tiny.toml"),
        (lambda text: text.replace("seed = 3", "seed = -1"), r"Expected `int` >= 0 - at `\$\.seed`"),
        (lambda text: text.replace("{ tnews = 1 }", "{ tnews = nan }"), "Expected `float` >= 0.0"),
        (lambda text: text.replace("rate = 3e-3", "rate = 3e-3\ndropout = 0.95"), "Expected `float` <= 0.9"),
        (lambda text: text.replace('task = "classify"', 'task = "write"'), "Invalid enum value 'write'"),
        (lambda text: text.replace('task = "classify"', 'task = "pair"'), "golden texts of another form"),
        (lambda text: text.replace('task = "classify"', 'task = "qa"'), "question answering has none"),
        (lambda text: text.replace("validation = 20", "validation = 20\nswapped = true"), "not pair"),
        (
            lambda text: text.replace("[quantise]", f"{DISTIL}smoothing = 0.1\n[quantise]"),
            r"smooths labels in \[distil.training\]",
        ),
        (
            lambda text: text.replace("texts = { tnews", "texts = { zhihu_titles"),
            "unique_titles.txt is missing",
        ),
        (
            lambda text: text.replace("validation = 20", "validation = 20\nalso = { book_review = 9 }"),
            "book_review/train.tsv is missing",
        ),
        (
            lambda text: text.replace("[quantise]", f"{DISTIL}\n[quantise]"),
            "nobody/finetune holds no trained network",
        ),
    ],
)
def test_a_wrong_recipe_stops_with_a_sentence_and_harms_nothing(place, made, tmp_path, broken, why):
    from models.make import make

    finished = (place / "work/tiny/pack/tiny/bundle.json").read_bytes()
    recipe = tmp_path / "tiny.toml"
    text = broken((place / "tiny.toml").read_text(encoding="utf-8"))
    recipe.write_text(text.replace('work = "tiny"', 'work = "other"'), encoding="utf-8")
    with pytest.raises(MakeError, match=why):
        make(str(recipe), place / "data", tmp_path / "work", Console(file=io.StringIO()))
    assert (place / "work/tiny/pack/tiny/bundle.json").read_bytes() == finished


def test_the_command_says_what_is_wrong_in_one_sentence(place):
    pytest.importorskip("torch")
    run = command(place, "make", "no-such-recipe", "--data", str(place / "data"))
    assert run.returncode == 1
    assert "neither a file nor one of the recipes" in run.stderr
    assert "topic-student" in run.stderr
    assert "Traceback" not in run.stderr


def test_a_package_that_is_missing_is_named_in_one_sentence(place):
    words = {
        "make": [place / "tiny.toml", "--data", place / "data"],
        "pack": ["--onnx", "x", "--tokenizer", "x", "--task", "ner", "--out", "x"],
    }
    without = "import sys; sys.modules |= {'torch': None, 'onnx': None}; from models.cli import main; main()"
    for name, flags in words.items():
        line = [sys.executable, "-c", without, name, *map(str, flags)]
        run = subprocess.run(line, capture_output=True, text=True, timeout=60, check=False, cwd=ROOT)
        assert run.returncode == 1
        assert re.fullmatch(r"The package \w+ is not installed; .*\n", run.stderr), run.stderr


def test_the_recipes_of_the_house_can_be_read():
    for name in recipe_names():
        assert read_recipe(name)[0].name == name


def test_what_was_made_is_listed_shown_and_set_side_by_side(place, made):
    tiny = str(place / "tiny.toml")
    listed = command(place, "list")
    assert "topic-student" in listed.stdout
    shown = command(place, "show", tiny)
    assert "finished: base, finetune, export, quantise, evaluate, pack" in shown.stdout
    assert "look at tnews/dev.json" in shown.stdout
    took = re.search(r"seconds: (.*)\nin all (.*) minutes", shown.stdout)
    seconds = [float(each.rsplit(" ", 1)[1]) for each in took[1].split(", ")]
    assert (len(seconds), seconds[1] >= 1) == (6, True), "what a stage took is not what its neighbour did"
    assert float(took[2]) * 60 == pytest.approx(sum(seconds), abs=8)
    compared = command(place, "compare", tiny, "topic-student")
    assert "accuracy, tnews dev" in compared.stdout
    assert "Traceback" not in listed.stderr + shown.stderr + compared.stderr
    missing = command(place, "show", "topic-teacher")
    assert missing.returncode == 1
    assert "no trained network" in missing.stderr


def test_a_set_is_described(place):
    run = command(place, "data", "tnews", "--data", str(place / "data"))
    assert run.returncode == 0, run.stderr
    assert "NOT as published" in run.stdout
    assert "news_sports" in run.stdout
    assert re.search(r"train .* 241 .* 1 ", run.stdout)
    assert command(place, "data", "mystery", "--data", str(place / "data")).returncode == 1


def test_other_sets_are_learnt_without_what_is_held_out_or_measured_on(tmp_path):
    pytest.importorskip("torch")
    from models.job import Job
    from models.task_data import split_of

    kit.write_data(tmp_path / "data")
    recipe, digest = read_recipe(str(kit.write_recipe(tmp_path, tmp_path)))
    job = Job(recipe, digest, "", tmp_path / "data", tmp_path, Console(file=io.StringIO()))
    alone = split_of(job)
    (tmp_path / "data/more").mkdir()
    rows = [row.text + "！" for row in alone.validation] + [
        "今天的足球比赛进球队员很好" + "一二三四"[i] for i in range(4)
    ]
    lines = [json.dumps({"text": text, "label": "news_sports"}) for text in rows]
    (tmp_path / "data/more/train.jsonl").write_text("\n".join(lines), encoding="utf-8")
    data = msgspec.structs.replace(recipe.data, also={"more": 99})
    more = split_of(replace(job, recipe=msgspec.structs.replace(recipe, data=data)))
    assert more.validation == alone.validation
    assert [row.text for row in more.train[len(alone.train) :]] == rows[-4:]
    assert [(file.file, file.rows) for file in more.files] == [
        ("tnews/train.json", len(alone.train)),
        ("more/train.jsonl", 4),
    ]


def test_the_command_needs_no_torch_until_it_trains():
    code = "import sys, models.cli; sys.exit('torch' in sys.modules or 'onnx' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, timeout=300, check=False).returncode == 0


def test_quality_measures_against_hand_computed_values():
    from models.scores import bootstrap, calibration_error, macro_f1, mean_of

    assert macro_f1("aab", "abb") == pytest.approx((2 / 3 + 2 / 3) / 2)
    scores, right = np.array([0.95, 0.95, 0.55, 1.0]), np.array([True, False, True, True])
    # bin 9: |2.9 - 2|, bin 5: |0.55 - 1|, over four rows
    assert calibration_error(scores, right) == pytest.approx((0.9 + 0.45) / 4)
    low, high = bootstrap(np.stack([np.arange(400) % 2, np.ones(400)], axis=1), mean_of, seed=1)
    assert 0.44 < low < 0.47
    assert 0.53 < high < 0.56
