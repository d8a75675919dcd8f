"""Pairs that the base itself judges, and practice on them."""

from __future__ import annotations

import io

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

pytest.importorskip("torch")

from models.data.rows import Labelled
from models.data.texts import read_texts
from models.data.twins import twin_pairs
from models.errors import MakeError
from models.job import Job
from models.judged import RANKS, Judge, judged_pairs, neighbours
from models.make import make
from models.practice import ROWS_FILE, with_practice
from models.recipe import read_recipe
from models.rehearse import made_rows
from models.task_data import free_texts, split_of
from models.teachers import whole_base
from models.unlabelled import words_of
from models.workspace import load_trained
from server.inference.values import Text
from tests.kit import making_kit as kit
from tests.kit import rows_kit

QUIET = Console(file=io.StringIO())
REHEARSE = """[rehearse]
questions = { afqmc = 60 }
labels = ["different", "same"]
judged = [0.5, 0.5]
[rehearse.training]
epochs = 2
tokens_a_batch = 128
rate = 1e-3
head_rate = 1e-3
"""
NEAR, FAR = ["今天足球比赛", "足球今天比赛"], ["今天足球比赛", "北京银行股票"]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Data, a base, and the pair recipe with practice, made as far as its base."""
    folder = tmp_path_factory.mktemp("judged")
    rows_kit.write_pairs(folder / "data")
    recipe = kit.write_task_recipe(folder, kit.write_base(folder / "tiny.bin"), "pair")
    recipe.write_text(recipe.read_text("utf-8").replace("[finetune]", REHEARSE + "[finetune]"), "utf-8")
    make(str(recipe), folder / "data", folder / "work", QUIET, last="base")
    return folder


@pytest.fixture(scope="module")
def job(place):
    return Job(*read_recipe(str(place / "pair.toml")), "", place / "data", place / "work", QUIET)


@pytest.fixture(scope="module")
def judge_of(job):
    """A function from bounds to a judge."""
    start = load_trained(job.folder("base"))
    return lambda *bounds: Judge(whole_base(job, start), start, bounds)


def test_the_judge_goes_by_the_cosine_and_may_be_unsure(judge_of):
    vectors = judge_of(0.0, 1.0).vectors([*NEAR, FAR[1]])
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    near, far = vectors[0] @ vectors[1], vectors[0] @ vectors[2]
    assert far < near
    middle = float(near + far) / 2
    pairs = [Text(*NEAR), Text(*FAR)]
    assert judge_of(middle, middle).same(pairs) == [True, False]
    assert judge_of(far - 0.1, near + 0.1).same(pairs) == [None, None]
    assert judge_of(middle, middle).same([Text(NEAR[0], NEAR[0])]) == [True]


def test_only_pairs_that_the_judge_is_sure_of_are_practised(judge_of):
    made = [Labelled(NEAR[0], "x", NEAR[1]), Labelled(FAR[0], "x", FAR[1])]
    vectors = judge_of(0.0, 1.0).vectors([*NEAR, FAR[1]])
    middle = float(vectors[0] @ vectors[1] + vectors[0] @ vectors[2]) / 2
    rows = judged_pairs(judge_of(middle, middle), [*NEAR, FAR[1]], made, ("different", "same"), 1)
    assert rows[:2] == [Labelled(NEAR[0], "same", NEAR[1]), Labelled(FAR[0], "different", FAR[1])]
    assert len(rows) == 4  # a near pair for each that was made
    assert judged_pairs(judge_of(-1.0, 1.1), NEAR, made, ("different", "same"), 1) == []


@given(st.integers(0, 12), st.integers(0, 5))
def test_each_text_stands_beside_one_of_its_nearest_and_never_itself(count, seed):
    vectors = np.random.default_rng(seed).normal(size=(count, 4)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    pairs = neighbours(vectors, seed)
    assert [one for one, _ in pairs] == list(range(count if count > 1 else 0))
    for one, other in pairs:
        assert one != other
        likeness = vectors @ vectors[one]
        assert (likeness > likeness[other] + 1e-6).sum() <= max(RANKS) + 1  # itself may be among them


def test_practice_is_on_pairs_of_the_bases_own_judgement(job, place):
    start = load_trained(job.folder("base"))
    rows = made_rows(job, split_of(job), start)
    assert len(rows) == 60
    judge = Judge(whole_base(job, start), start, (0.5, 0.5))
    assert [row.label == "same" for row in rows] == judge.same([row.asked for row in rows])
    make(str(place / "pair.toml"), place / "data", place / "work", QUIET, last="rehearse")
    record = load_trained(job.folder("rehearse")).record
    assert record.rows == 60
    assert record.epochs[1].loss < record.epochs[0].loss


def test_what_was_practised_can_be_learnt_beside_the_labelled_rows(job, place):
    make(str(place / "pair.toml"), place / "data", place / "work", QUIET, last="rehearse")
    data = msgspec.structs.replace(job.recipe.data, practised=25)
    kept = Job(msgspec.structs.replace(job.recipe, data=data), "", "", place / "data", place / "work", QUIET)
    split = split_of(job)
    more = with_practice(kept, split)
    assert more.train[: len(split.train)] == split.train
    assert len(more.train) == len(split.train) + 25
    assert set(more.train[len(split.train) :]) <= set(made_rows(job, split, load_trained(job.folder("base"))))
    assert more.validation == split.validation
    assert with_practice(job, split) == split
    (job.folder("practice") / ROWS_FILE).unlink()
    with pytest.raises(MakeError, match="make it again"):
        with_practice(kept, split)


def test_pairs_the_other_way_round_are_of_the_own_set_too(job):
    split = split_of(job)
    both = {(row.text, row.second) for row in split.train[: split.own]}
    assert split.own == len(split.train)
    assert both == {(second, first) for first, second in both}


def test_practised_rows_need_practice(place):
    text = (place / "pair.toml").read_text("utf-8").replace(REHEARSE, "")
    wrong = place / "wrong.toml"
    wrong.write_text(text.replace("swapped = true", "practised = 9"), "utf-8")
    with pytest.raises(MakeError, match=r"has no \[rehearse\]"):
        read_recipe(str(wrong))


@pytest.mark.parametrize("bounds", ["[0.9, 0.5]", "[0.9]", '["a", "b"]', "[0.5, 1.0]"])
def test_bounds_are_two_shares_the_lower_first(place, bounds):
    text = (place / "pair.toml").read_text("utf-8").replace("[0.5, 0.5]", bounds)
    wrong = place / "wrong.toml"
    wrong.write_text(text, "utf-8")
    with pytest.raises(MakeError, match="judged"):
        read_recipe(str(wrong))


def test_a_recipe_without_bounds_goes_by_the_rule_alone(job, place):
    section = msgspec.structs.replace(job.recipe.rehearse, judged=msgspec.UNSET)
    plain = msgspec.structs.replace(job.recipe, rehearse=section)
    start, split = load_trained(job.folder("base")), split_of(job)
    rows = made_rows(Job(plain, "", "", place / "data", place / "work", QUIET), split, start)
    texts = free_texts(job, "afqmc", split.validation)
    assert rows == twin_pairs(texts, words_of(start.tokenizer()), section.labels, 60, job.recipe.seed)


def questions_of(rows):
    return {part for row in rows for part in (row.asked.first, row.asked.second)}


def test_free_texts_leave_out_what_is_held_out_or_officially_measured_on(job, tmp_path):
    """Both questions of a pair: one alone would show what validation asks."""
    folder = rows_kit.write_pairs(tmp_path / "data") / "afqmc"
    measured = (folder / "dev.txt").read_text("utf-8").split("\t")[1]
    with (folder / "train.txt").open("a", encoding="utf-8") as file:
        file.write(f"另一个问题\t{measured}\t0\n")
    other = Job(job.recipe, "", "", tmp_path / "data", tmp_path / "work", QUIET)
    split = split_of(other)
    texts = set(free_texts(other, "afqmc", split.validation))
    left_out = set(read_texts(other.data, "afqmc")) - texts
    assert measured in left_out
    assert left_out == questions_of(split.validation) | {measured}
    assert texts <= questions_of(split.train)


def test_practised_rows_are_learnt_in_finetune(job, place):
    text = (place / "pair.toml").read_text("utf-8").replace("swapped = true", "practised = 25")
    recipe = place / "kept.toml"
    recipe.write_text(
        text.replace('"pair"\n', '"kept"\n', 1).replace('work = "pair"', 'work = "kept"'), "utf-8"
    )
    make(str(recipe), place / "data", place / "work", QUIET, last="finetune")
    record = load_trained(place / "work/kept/finetune").record
    assert record.rows == len(split_of(job).train) // 2 + 25
    assert not list((place / "work/kept/checkpoints").iterdir()), "what has ended leaves no checkpoint"
