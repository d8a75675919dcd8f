"""The sets that lie in the project: as they are, and what becomes of broken lines."""

from __future__ import annotations

from itertools import chain
from pathlib import Path

import pytest

from models.data.labelled import LABELLED, PAIRED
from models.data.questions import QUESTIONS
from models.data.rows import Mention
from models.data.tagged import TAGGED
from models.data.written import asked_passages, grouped_pairs, labelled_titles, marked_names, short_reviews
from models.errors import MakeError

NOWHERE = Path("/nowhere")
SETS = [
    (PAIRED, "written_pairs"),
    (LABELLED, "written_reviews"),
    (LABELLED, "written_titles"),
    (QUESTIONS, "written_questions"),
    (TAGGED, "written_names"),
]


def written(tmp_path, text):
    path = tmp_path / "train.tsv"
    path.write_text(text, "utf-8")
    return path


@pytest.mark.parametrize("split", ["train", "test"])
@pytest.mark.parametrize(("library", "name"), SETS)
def test_every_set_is_read_whole_from_the_package_and_is_the_one_we_know(library, name, split):
    rows, file = library.read(NOWHERE, name, split)
    assert file.published is True, f"models/data/sets.py should say {file.sha256}"
    assert len(rows) == len({row.whole for row in rows}) > (500 if split == "train" else 250)


@pytest.mark.parametrize(("library", "name"), SETS)
def test_no_text_that_is_tested_is_learnt(library, name):
    train, test = (library.read(NOWHERE, name, split)[0] for split in ("train", "test"))
    learnt = {text for row in train for text in row.key if text}
    assert not [row for row in test if learnt & set(row.key)], "of a pair neither may be, nor a passage"
    assert library.official(NOWHERE, name) == "test"


@pytest.mark.parametrize("split", ["train", "test"])
@pytest.mark.parametrize(("library", "name", "kinds"), [(*SETS[0], 2), (*SETS[1], 2), (*SETS[2], 15)])
def test_no_label_is_rare(library, name, kinds, split):
    labels = [row.label for row in library.read(NOWHERE, name, split)[0]]
    assert len(set(labels)) == kinds
    assert all(labels.count(label) > 0.8 * len(labels) / kinds for label in set(labels))


def test_a_title_has_its_topic(tmp_path):
    rows = list(labelled_titles(written(tmp_path, "news_car\t电车怎么选\nnews_edu\t 开学了 \n")))
    assert [(row.text, row.label) for row in rows] == [("电车怎么选", "news_car"), ("开学了", "news_edu")]


@pytest.mark.parametrize("split", ["train", "test"])
def test_answers_stand_where_the_rows_say(split):
    for row in QUESTIONS.read(NOWHERE, "written_questions", split)[0]:
        assert row.context[row.start : row.start + row.length] == row.answers[0]


def test_a_group_gives_pairs_of_both_kinds(tmp_path):
    rows = list(grouped_pairs(written(tmp_path, "甲\t乙\t丙\t丁\t戊\n")))
    assert {(frozenset((row.text, row.second)), row.label) for row in rows} == {
        *((frozenset(pair), "same") for pair in ("甲乙", "甲丙", "乙丙")),
        *((frozenset(pair), "different") for pair in ("甲丁", "甲戊", "丙丁", "丙戊")),
    }
    assert {row.text for row in rows} & set("丁戊"), "some stand the other way round"


def test_passages_give_their_questions(tmp_path):
    rows = list(asked_passages(written(tmp_path, "# 上午九点开门。\n几点开门？\t九点\n# 二楼\n几楼\t二楼\n")))
    assert [(row.context, row.answers, row.start) for row in rows] == [
        ("上午九点开门。", ("九点",), 2),
        ("二楼", ("二楼",), 0),
    ]


def test_marks_become_entities(tmp_path):
    rows = list(marked_names(written(tmp_path, "在[深圳|address]，[华为|company]\n没有\n")))
    assert [(row.text, row.mentions) for row in rows] == [
        ("在深圳，华为", (Mention(1, 3, "address"), Mention(4, 6, "company"))),
        ("没有", ()),
    ]


@pytest.mark.parametrize(
    ("reader", "text", "said"),
    [
        (grouped_pairs, "甲\t乙\t丙\t丁\t戊\n甲\t乙\t丙\t丁\n", "line 2: not 5 different texts"),
        (grouped_pairs, "甲\t乙\t丙\t丁\t甲\n", "line 1: not 5 different texts"),
        (short_reviews, "+\t好\n?\t坏\n", 'line 2: "[?]" is no verdict'),
        (labelled_titles, "news_car\n", "line 1: not 2 different texts"),
        (short_reviews, "+\t\n", "line 1: not 2 different texts"),
        (asked_passages, "# 九点开门\n几点？\t十点\n", 'line 2: "十点" does not stand'),
        (marked_names, "在[深圳|address]\n[华为]\n", "line 2: no text, or a mark"),
        (marked_names, "\n", "line 1: no text"),
        (asked_passages, "几点？\t十点\n", 'line 1: "十点" does not'),
    ],
)
def test_a_broken_line_is_named(tmp_path, reader, text, said):
    with pytest.raises(MakeError, match=said):
        list(chain(reader(written(tmp_path, text))))
