"""Clauses that are learnt beside a set: of its own rows or another's, never of what is held out."""

from __future__ import annotations

import io
import json

import msgspec
import pytest
from rich.console import Console

pytest.importorskip("torch")

from models.errors import MakeError
from models.job import Job
from models.recipe import read_recipe
from models.task_data import official_rows, split_of
from tests.kit import making_kit as kit

LABELS = {"bad": "坏", "good": "好"}


@pytest.fixture
def job(tmp_path):
    """A recipe on reviews of our own, with `clauses` of them and of another set."""
    for name, opening in (("reviews", "这家"), ("others", "那家")):
        (tmp_path / name).mkdir()
        for split, count in (("train", 40), ("dev", 5)):
            rows = [
                {"text": f"{opening}{split}{at}号{LABELS[label]}店，没话说！{at}次都一样", "label": label}
                for at in range(count)
                for label in LABELS
            ]
            lines = (json.dumps(row, ensure_ascii=False) for row in rows)
            (tmp_path / name / f"{split}.jsonl").write_text("\n".join(lines), "utf-8")
    text = kit.RECIPE.format(base="any", epochs=1).replace('"tnews"', '"reviews"')
    text = text.replace("validation = 20", "validation = 20\nclauses = { reviews = 500, others = 7 }")
    text = text.replace('news_sports = "体育"\nnews_finance = "财经"', 'bad = "坏"\ngood = "好"')
    (tmp_path / "clauses.toml").write_text(text, "utf-8")
    recipe, _ = read_recipe(str(tmp_path / "clauses.toml"))
    return Job(recipe, "", "", tmp_path, tmp_path, Console(file=io.StringIO()))


def test_clauses_of_what_is_held_out_are_not_learnt(job):
    split = split_of(job)
    made = split.train[split.own :]
    held = [*split.validation, *official_rows(job)]
    numbers = {row.text.split("，")[0] for row in held}
    assert len(split.validation) == 20
    assert len(made) > 60
    assert not {row.text.split("，")[0] for row in made} & numbers
    assert {row.label for row in made} == set(LABELS)


def test_the_lineage_says_of_which_files_and_how_many(job):
    files = {(each.source, each.file): each.rows for each in split_of(job).files}
    assert files["clauses of own data", "others/train.jsonl"] == 7
    assert files["own data", "reviews/train.jsonl"] == split_of(job).own == 60


def test_clauses_are_of_texts_with_a_label(job, tmp_path):
    text = (tmp_path / "clauses.toml").read_text("utf-8").replace('task = "classify"', 'task = "ner"')
    (tmp_path / "ner.toml").write_text(text, "utf-8")
    with pytest.raises(MakeError, match="learns `clauses`, which is for the task classify"):
        read_recipe(str(tmp_path / "ner.toml"))


def test_a_label_that_the_recipe_does_not_name_is_said_of_other_sets_too(job):
    recipe = msgspec.structs.replace(job.recipe, labels={"bad": "坏"})
    with pytest.raises(MakeError, match='the label "good" is none that the recipe names'):
        split_of(Job(recipe, "", "", job.data, job.work, job.console))
