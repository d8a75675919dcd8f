"""The other tasks, each made through every stage from tiny data, and answered by the server's predictor."""

from __future__ import annotations

import io

import numpy as np
import pytest
from rich.console import Console

pytest.importorskip("torch")
pytest.importorskip("onnx")

from models.data.labelled import PAIRED
from models.data.questions import QUESTIONS
from models.data.rows import without_repeats
from models.errors import MakeError
from models.infer import load_network, logits_of
from models.job import Job
from models.make import make
from models.precision import has_bfloat16
from models.recipe import read_recipe
from models.teachers import answers_of, said_of_windows
from models.workspace import load_trained
from server.inference.bundle import load_bundle
from server.inference.predictor import Predictor
from server.inference.values import Options, Text
from tests.kit import making_kit as kit
from tests.kit import rows_kit

QUIET = Console(file=io.StringIO())
DISTIL = """[distil]
teacher = "{task}-teacher"
texts = {{ {raw} = 12 }}
[distil.training]
epochs = 1
rate = 1e-3
head_rate = 1e-3
"""
RAW = {"ner": "cluener2020", "pair": "afqmc", "qa": "c3"}
WRITE = {"ner": rows_kit.write_entities, "pair": rows_kit.write_pairs, "qa": rows_kit.write_questions}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A function that makes a task once and gives the folder of its work."""
    folder, done = tmp_path_factory.mktemp("tasks"), {}
    base = kit.write_base(folder / "tiny.bin")

    def of(task):
        if task not in done:
            WRITE[task](folder / "data")
            recipe = kit.write_task_recipe(folder, base, task)
            make(str(recipe), folder / "data", folder / "work", QUIET)
            done[task] = folder / "work" / task
        return done[task]

    return of


def predictor_of(work):
    predictor = Predictor(load_bundle(work / "pack" / work.name))
    predictor.start()
    return predictor


@pytest.mark.parametrize(
    ("task", "metrics", "least"),
    [("ner", ["micro F1", "macro F1"], 0.8), ("pair", ["accuracy"], 0.8), ("qa", ["F1", "EM"], 0.5)],
)
def test_the_bundle_says_how_good_it_is_beside_a_baseline(made, task, metrics, least):
    quality = load_bundle(made(task) / "pack" / task).manifest.quality
    assert [each.metric for each in quality][: len(metrics)] == metrics
    assert quality[0].value >= max(least, quality[0].baseline)
    assert all(each.low <= each.value <= each.high and each.baseline is not None for each in quality)
    (look,) = load_trained(made(task) / "finetune").record.looks
    assert list(look.figures.values()) == [each.value for each in quality]


def test_entities_are_found_with_characters_as_tokens(made):
    predictor = predictor_of(made("ner"))
    (entity,) = predictor.answer(Text("今天我们说足球比赛很好")).entities
    assert (entity.type, entity.name, entity.text) == ("news_sports", "体育", "足球比赛")
    tokens = predictor.encode(Text("足球 AB足球")).examples[0].ids
    assert len(tokens) == len("足球 AB足球") + 2
    assert "unknown" in predictor.bundle.manifest.quality[0].notes


def test_pairs_stand_with_two_separators_between(made):
    predictor = predictor_of(made("pair"))
    layout = predictor.bundle.manifest.layout
    assert layout.middle == (layout.suffix[0], layout.suffix[0])
    assert predictor.answer(Text("足球比赛", "比赛进球")).labels[0].label == "same"
    both = predictor.answer(Text("银行股票", "股票基金银行"), Options(top_k=2)).labels
    assert {label.name for label in both} == {"体育", "财经"}


def test_each_pair_is_learnt_both_ways_round(made):
    record = load_trained(made("pair") / "finetune").record
    rows, _ = PAIRED.read(made("pair").parents[1] / "data", "afqmc", "train")
    assert record.rows == 2 * (len(without_repeats(rows)) - record.validation_rows)
    assert record.data[0].rows == record.rows / 2


def test_answers_are_cut_from_long_contexts(made):
    predictor = predictor_of(made("qa"))
    assert not predictor.bundle.manifest.labels
    context = "今天我们的消息说了一些事情在北京上海" + "足球比赛" + "很好今天我们的消息说了一些事情"
    assert len(predictor.encode(Text("说了一些", context)).examples) > 1
    (answer,) = predictor.answer(Text("说了一些", context)).answers
    assert answer.text
    assert answer.text in "足球比赛"


@pytest.mark.parametrize("task", ["ner", "pair"])
def test_what_was_taken_for_what_is_a_table_and_a_picture(made, task):
    folder = made(task) / "evaluate"
    rows = [line.split("\t") for line in (folder / "confusion.tsv").read_text("utf-8").splitlines()]
    assert rows[0][1:] == [row[0] for row in rows[1:]]
    assert "</svg>" in (folder / "confusion.svg").read_text("utf-8")


def test_a_question_whose_answer_stands_nowhere_is_not_learnt(made):
    record = load_trained(made("qa") / "finetune").record
    assert [digest.file for digest in record.data] == [
        "cmrc2018/train.json",
        "c3/d-train.json",
        "c3/m-train.json",
    ]
    assert record.rows + record.validation_rows == 199


@pytest.mark.parametrize("task", ["ner", "pair", "qa"])
def test_a_teacher_speaks_of_every_token_of_the_students_windows(made, task):
    """The student of a finished task learns from another making of it; one that cuts otherwise is refused."""
    folder = made(task).parents[1]
    text = (folder / f"{task}.toml").read_text("utf-8")
    teacher = text.split("[quantise]")[0] + "[labels]" + text.partition("[labels]")[2]
    (folder / "teacher.toml").write_text(
        teacher.replace(f'work = "{task}"', f'work = "{task}-teacher"'), "utf-8"
    )
    distil = DISTIL.format(task=task, raw=RAW[task])
    (folder / "student.toml").write_text(text.replace("[quantise]", f"{distil}\n[quantise]"), "utf-8")
    for name, last in (("teacher", "finetune"), ("student", "distil")):
        make(str(folder / f"{name}.toml"), folder / "data", folder / "work", QUIET, last=last)
    learnt = load_trained(folder / "work" / task / "distil").record
    assert (
        learnt.epochs[0].loss < 0.5 * load_trained(folder / "work" / task / "finetune").record.epochs[0].loss
    )
    assert any("the teacher labelled" in digest.source and digest.rows == 12 for digest in learnt.data)
    if task == "pair":  # of classes a teacher may say its mind in windows of its own
        return
    other = teacher.replace(f'work = "{task}"', f'work = "{task}-teacher"')
    other = other.replace("size = 140", "size = 130")
    (folder / "teacher.toml").write_text(other, "utf-8")
    make(str(folder / "teacher.toml"), folder / "data", folder / "work", QUIET, first="base", last="finetune")
    with pytest.raises(MakeError, match="cuts texts otherwise"):
        make(str(folder / "student.toml"), folder / "data", folder / "work", QUIET, first="distil")


def test_what_is_kept_of_a_reader_is_what_it_says_of_each_window(made, tmp_path):
    trained = load_trained(made("qa") / "finetune")
    recipe = read_recipe(str(made("qa").parents[1] / "qa.toml"))
    job = Job(*recipe, "", made("qa").parents[1] / "data", tmp_path, QUIET)
    ids = [[0, 5, 6, 2, 2, 7, 2], [0, 8, 2, 2, 9, 10, 11, 12, 2], [0, 5, 2, 2, 6, 2]]
    want = logits_of(load_network(trained), ids, trained.config.pad)
    for said in (said_of_windows(job, trained, ids), said_of_windows(job, trained, ids)):  # asked, then read
        assert [own.shape for own in said] == [(7, 2), (9, 2), (6, 2)]
        for one, other in zip(said, want, strict=True):
            np.testing.assert_allclose(one, other, atol=0.05 if has_bfloat16() else 1e-4)


def test_a_network_without_a_bundle_is_as_brief_as_it_is_told(made):
    trained = load_trained(made("qa") / "finetune")
    rows, _ = QUESTIONS.read(made("qa").parent.parent / "data", "cmrc2018", "dev")

    def characters(*brevity):
        found = [answer.answers[0] for answer in answers_of(trained, rows, *brevity)]
        return sum(each.end - each.start for each in found)

    assert characters() == characters(0.0) > characters(3.0) >= len(rows)
