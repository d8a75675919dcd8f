"""Texts for a teacher to label, in the form that each task asks."""

from __future__ import annotations

import io
import json
from dataclasses import replace

import msgspec
import pytest
from rich.console import Console

pytest.importorskip("torch")

from models.data.rows import bare
from models.data.texts import read_texts
from models.errors import MakeError
from models.job import Job
from models.make import make
from models.recipe import read_recipe
from models.task_data import official_rows, split_of
from models.unlabelled import unlabelled
from models.workspace import load_trained
from tests.kit import making_kit as kit
from tests.kit import rows_kit

QUIET = Console(file=io.StringIO())


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with data of three tasks, a base, and a recipe for each."""
    folder = tmp_path_factory.mktemp("unlabelled")
    base = kit.write_base(folder / "tiny.bin")
    kit.write_data(folder / "data")
    rows_kit.write_pairs(folder / "data")
    rows_kit.write_questions(folder / "data")
    kit.write_recipe(folder, base).rename(folder / "classify.toml")
    for task in ("pair", "qa"):
        kit.write_task_recipe(folder, base, task)
    return folder


def drawn(place, task, counts):
    """The job's split, and what is drawn for it."""
    recipe = place / f"{task}.toml"
    make(str(recipe), place / "data", place / "work", QUIET, last="base")
    job = Job(*read_recipe(str(recipe)), "", place / "data", place / "work", QUIET)
    tokenizer, split = load_trained(job.folder("base")).tokenizer(), split_of(job)
    texts = unlabelled(job, counts, split, tokenizer)
    assert texts == unlabelled(job, counts, split, tokenizer), "the seed draws them"
    return split, texts


def test_single_texts_never_stand_in_train(place):
    split, texts = drawn(place, "classify", {"tnews": 7, "afqmc": 10})
    assert len(texts) == len(set(texts)) == 10, "the titles are all learnt, held out or measured on"
    assert not {bare(text.first) for text in texts} & {
        row.key[0] for row in (*split.train, *split.validation)
    }
    assert all(text.second is None for text in texts)


def test_pairs_are_of_raw_texts_that_are_not_held_out(place):
    split, texts = drawn(place, "pair", {"afqmc": 60})
    raw = set(read_texts(place / "data", "afqmc"))
    held = {part for row in split.validation for part in row.key}
    assert len(texts) == 60
    assert sum({text.first, text.second} <= raw for text in texts) >= 40
    for text in texts:
        assert not {bare(text.first), bare(text.second)} & held


def test_questions_are_made_on_raw_passages(place):
    split, texts = drawn(place, "qa", {"c3": 9, "cmrc2018": 30})
    passages = [*read_texts(place / "data", "c3"), *read_texts(place / "data", "cmrc2018")]
    held = {row.context for row in split.validation}
    assert len(texts) >= 9
    assert not [text for text in texts for context in held if text.second in context]
    for text in texts:
        assert any(text.second in passage for passage in passages)
        assert text.first.endswith("？")


def with_asked(job, **asked):
    """The job, with so many questions asked on each set."""
    data = msgspec.structs.replace(job.recipe.data, asked=asked)
    return replace(job, recipe=msgspec.structs.replace(job.recipe, data=data))


@pytest.fixture
def reader(place):
    recipe, _ = read_recipe(str(place / "qa.toml"))
    return Job(recipe, "", "", place / "data", place / "work", QUIET)


@pytest.fixture
def openings(reader):
    """How a context opens that is held out, one that is measured on, and one that is neither."""
    sides = (split_of(reader).validation, official_rows(reader))
    return [
        *(max(rows, key=lambda row: len(row.context)).context for rows in sides),
        "小王在店里买了一台电视，",
    ]


def write_rows(folder, file, rows):
    folder.mkdir(exist_ok=True)
    (folder / file).write_text("\n".join(json.dumps(row, ensure_ascii=False) for row in rows), "utf-8")


def test_a_reader_learns_questions_asked_on_other_texts_but_none_on_what_is_held_out(reader, openings):
    texts = [f"{opening}他付了三百块钱。" for opening in openings]
    write_rows(reader.data / "notices", "train.jsonl", [{"text": text, "label": "any"} for text in texts])
    plain, more = split_of(reader), split_of(with_asked(reader, notices=2))
    asked = more.train[len(plain.train) :]
    assert more.validation == plain.validation
    assert {(each.context, each.answers) for each in asked} == {(texts[-1], ("三百块钱",))}
    (file,) = more.files[len(plain.files) :]
    assert (file.file, file.rows) == ("notices/train.jsonl", len(asked))
    assert "asked" in file.source


def test_names_that_are_marked_are_asked_for(reader, openings):
    rows = [
        {"text": f"{opening}周芷兰", "label": {"name": {"周芷兰": [[len(opening), len(opening) + 2]]}}}
        for opening in openings
    ]
    write_rows(reader.data / "cluener2020", "train.json", rows)
    asked = split_of(with_asked(reader, cluener2020=3)).train[len(split_of(reader).train) :]
    assert {(each.context.rstrip("。"), each.answers) for each in asked} == {(rows[-1]["text"], ("周芷兰",))}


def test_texts_that_give_no_questions_are_said(reader):
    write_rows(reader.data / "dull", "train.jsonl", [{"text": "没有什么可以问的一句话，真的没有什么"}])
    with pytest.raises(MakeError, match='"dull", whose texts give none'):
        split_of(with_asked(reader, dull=3))


def test_questions_are_asked_of_readers_alone(place):
    recipe = (place / "classify.toml").read_text("utf-8")
    wrong = place / "asked.toml"
    wrong.write_text(
        recipe.replace("[vocabulary]", "asked = { tnews = 5 }\n\n[vocabulary]", 1), encoding="utf-8"
    )
    with pytest.raises(MakeError, match="`asked`, which is for the task qa"):
        read_recipe(str(wrong))
