"""Every stage that can stand behind another, in one recipe, by the command: a bundle in two minutes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from server.inference.bundle import load_bundle
from server.inference.predictor import Predictor
from server.inference.values import Text
from tests.kit import making_kit as kit
from tests.kit import rows_kit

ROOT = Path(__file__).parents[2]
TWO_MINUTES = 120
STAGES = f"""
[pretrain]
texts = {{ afqmc = 2000, more = 2000 }}
rows = true
masked = 1.0
[pretrain.training]{kit.TRAINING}
[rehearse]
questions = {{ afqmc = 60 }}
labels = ["different", "same"]
judged = [0.5, 0.5]
[rehearse.training]{kit.TRAINING}
[imitate]
teacher = "teacher"
[imitate.imitate]
layers = [0, 1]
hidden = 1.0
[imitate.training]{kit.TRAINING}
[distil]
teacher = "teacher"
[distil.training]{kit.TRAINING.replace("epochs = 2", "epochs = 9")}
[prune]
heads = 2
ffn = 16
[prune.training]{kit.TRAINING}
[calibrate]
"""


@pytest.fixture
def place(tmp_path):
    """Pairs, raw texts, and the recipes of a teacher and of a student that learns by every stage."""
    folder = rows_kit.write_pairs(tmp_path / "data")
    (folder / "more").mkdir()
    texts = "".join(f'{{"text": "北京的足球怎么样{at}", "label": "x"}}\n' for at in range(1100))
    (folder / "more/train.jsonl").write_text(texts, "utf-8")
    text = kit.write_task_recipe(tmp_path, kit.write_base(tmp_path / "tiny.bin"), "pair").read_text("utf-8")
    finetune, bundle = text.index("[finetune]"), text.index("[quantise]")
    teacher = text.replace('work = "pair"', 'work = "teacher"').replace('name = "pair"', 'name = "teacher"')
    (tmp_path / "teacher.toml").write_text(teacher, "utf-8")
    (tmp_path / "pair.toml").write_text(text[:finetune] + STAGES + text[bundle:], "utf-8")
    return tmp_path


def make(place, recipe, *arguments):
    command = [sys.executable, "-m", "models.cli", "make", str(place / recipe), "--data", str(place / "data")]
    environment = {**os.environ, "QINGMO_WORK": str(place / "work"), "COLUMNS": "200"}
    return subprocess.run(
        [*command, *arguments],
        env=environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=TWO_MINUTES,
        check=False,
    )


def test_through_every_stage(place):
    pytest.importorskip("torch")
    pytest.importorskip("onnx")
    taught = make(place, "teacher.toml", "--until", "finetune")
    assert taught.returncode == 0, taught.stderr
    made = make(place, "pair.toml")
    assert made.returncode == 0, made.stdout + made.stderr
    begun = [line.removesuffix(": begins") for line in made.stderr.splitlines() if line.endswith(": begins")]
    assert begun == [
        *("base", "pretrain", "rehearse", "imitate", "distil", "prune", "calibrate"),
        *("export", "quantise", "evaluate", "pack"),
    ]
    predictor = Predictor(load_bundle(place / "work/pair/pack/pair"))
    predictor.start()
    assert predictor.answer(Text("今天的足球", "足球比赛")).labels[0].label == "same"
