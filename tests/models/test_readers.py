"""Entities, questions and a user's own files: read as they are meant, or refused with file and place."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from models.data.labelled import LABELLED, PAIRED
from models.data.questions import QUESTIONS
from models.data.rows import Labelled, Mention, opening
from models.data.tagged import TAGGED
from models.data.texts import check_texts, read_texts
from models.errors import MakeError
from models.survey import task_of
from server.inference.values import Task


def write(folder, name, file, *lines):
    (folder / name).mkdir(exist_ok=True)
    content = "".join(
        f"{line if isinstance(line, str) else json.dumps(line, ensure_ascii=False)}\n" for line in lines
    )
    (folder / name / file).write_text(content, encoding="utf-8")


def squad(context, *answers, question="谁?"):
    given = [{"text": text, "answer_start": start} for start, text in answers]
    return {
        "data": [{"paragraphs": [{"context": context, "qas": [{"question": question, "answers": given}]}]}]
    }


def test_the_inclusive_ends_of_cluener_become_exclusive(tmp_path):
    row = {"text": "叶老桂去北京", "label": {"address": {"北京": [[4, 5]]}, "name": {"叶老桂": [[0, 2]]}}}
    write(tmp_path, "cluener2020", "train.json", row)
    ((found,), _) = TAGGED.read(tmp_path, "cluener2020", "train")
    assert found.mentions == (Mention(0, 3, "name"), Mention(4, 6, "address"))
    assert [found.text[each.start : each.end] for each in found.mentions] == ["叶老桂", "北京"]


@pytest.mark.parametrize(
    ("label", "why"),
    [
        ({"name": {"叶老": [[0, 2]]}}, '"叶老" does not stand'),
        ({"name": [[0, 2]]}, '"label" is not'),
        (7, '"label" is not'),
    ],
)
def test_a_broken_entity_row_is_named(tmp_path, label, why):
    write(
        tmp_path, "cluener2020", "train.json", {"text": "好", "label": {}}, {"text": "叶老桂", "label": label}
    )
    with pytest.raises(MakeError, match=rf"train\.json, line 2: {why}"):
        TAGGED.read(tmp_path, "cluener2020", "train")


def test_conll_tokens_become_a_text_with_its_entities(tmp_path):
    lines = [
        "-DOCSTART- O",
        "",
        "叶 B-PER",
        "老 I-PER",
        "去 O",
        "New B-LOC",
        "York I-LOC",
        "",
        "",
        "桂 I-PER",
        "a X S-LOC",
    ]
    write(tmp_path, "mine", "train.conll", *lines)
    rows, file = TAGGED.read(tmp_path, "mine", "train")
    assert [row.text for row in rows] == ["叶老去New York", "桂a"]
    assert rows[0].mentions == (Mention(0, 2, "PER"), Mention(3, 11, "LOC"))
    assert rows[1].mentions == (Mention(0, 1, "PER"), Mention(1, 2, "LOC"))
    assert file.published is None
    assert list(read_texts(tmp_path, "mine")) == ["叶老去New York", "桂a"]


def test_a_conll_file_of_characters_has_no_spaces_but_its_own(tmp_path):
    """So most corpora of Chinese names are written; with spaces train and dev would be spoilt alike."""
    text = "我买了iPhone 15和T恤\u3000花了2018元"
    write(tmp_path, "mine", "train.conll", *(f"{each}\tO" for each in text if each != " "), "", "好 O")
    write(tmp_path, "mine", "dev.conll", "\u3000 O", "New B-LOC", "York I-LOC")
    assert [row.text for row in TAGGED.read(tmp_path, "mine", "train")[0]] == [text.replace(" ", ""), "好"]
    assert [row.text for row in TAGGED.read(tmp_path, "mine", "dev")[0]] == ["\u3000New York"]


@pytest.mark.parametrize(("line", "why"), [("桂", "no tag"), ("桂 PER", "neither O nor like")])
def test_a_broken_conll_line_is_named(tmp_path, line, why):
    write(tmp_path, "mine", "train.conll", "叶 O", line)
    with pytest.raises(MakeError, match=rf"train\.conll, line 2: .*{why}"):
        TAGGED.read(tmp_path, "mine", "train")


def test_own_entities_have_the_form_of_the_servers_answers(tmp_path):
    entity = {"type": "PER", "start": 0, "end": 3}
    write(tmp_path, "mine", "train.jsonl", {"text": "叶老桂去", "entities": [entity]})
    ((row,), _) = TAGGED.read(tmp_path, "mine", "train")
    assert row.mentions == (Mention(0, 3, "PER"),)
    assert task_of(tmp_path, "mine") is Task.NER
    write(tmp_path, "mine", "dev.jsonl", {"text": "叶老", "entities": [entity]})
    with pytest.raises(MakeError, match=r"dev\.jsonl, line 1: an entity lies outside"):
        TAGGED.read(tmp_path, "mine", "dev")


def test_own_texts_and_pairs_are_told_apart_by_their_fields(tmp_path):
    write(tmp_path, "texts", "train.jsonl", {"text": "好", "label": "a"})
    write(tmp_path, "pairs", "train.jsonl", {"text": "好", "text_pair": "坏", "label": "a"})
    assert LABELLED.read(tmp_path, "texts", "train")[0] == [Labelled("好", "a")]
    assert PAIRED.read(tmp_path, "pairs", "train")[0] == [Labelled("好", "a", "坏")]
    assert (task_of(tmp_path, "texts"), task_of(tmp_path, "pairs")) == (Task.CLASSIFY, Task.PAIR)
    assert list(read_texts(tmp_path, "pairs")) == ["好", "坏"]
    with pytest.raises(MakeError, match=r'line 1: the ""text_pair""|line 1: the "text_pair" is missing'):
        PAIRED.read(tmp_path, "texts", "train")


def test_figures_are_measured_on_test_where_there_is_one(tmp_path):
    write(tmp_path, "mine", "train.jsonl", {"text": "好", "label": "a"})
    write(tmp_path, "mine", "dev.jsonl", {"text": "好", "label": "a"})
    assert LABELLED.official(tmp_path, "mine") == "dev"
    write(tmp_path, "mine", "test.jsonl", {"text": "好", "label": "a"})
    assert LABELLED.official(tmp_path, "mine") == "test" == LABELLED.official(tmp_path, "chnsenticorp")


def test_what_is_no_set_is_refused_with_what_would_be(tmp_path):
    with pytest.raises(MakeError, match=r"holds no train\.jsonl or train\.conll"):
        TAGGED.read(tmp_path, "mine", "train")
    with pytest.raises(MakeError, match="gives no raw texts"):
        check_texts(tmp_path, "mine")
    with pytest.raises(MakeError, match="none of the known sets"):
        task_of(tmp_path, "mine")


def test_an_answer_keeps_the_first_reference_that_stands_where_the_data_says(tmp_path):
    write(tmp_path, "cmrc2018", "train.json", squad("李冰修了都江堰", (3, "李冰"), (0, "李冰"), (0, "李")))
    ((row,), _) = QUESTIONS.read(tmp_path, "cmrc2018", "train")
    assert (row.start, row.length, row.answers) == (0, 2, ("李冰", "李冰", "李"))
    write(tmp_path, "cmrc2018", "train.json", squad("李冰修了都江堰", (3, "李冰"), (-7, "李冰")))
    ((row,), _) = QUESTIONS.read(tmp_path, "cmrc2018", "train")
    assert row.start is None
    assert list(read_texts(tmp_path, "cmrc2018")) == ["李冰修了都江堰", "谁?"]


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ({"version": 1}, "not in SQuAD's form"),
        ("{", "line 2: at column 1 the file is no JSON"),
        ({"data": [{"paragraphs": ["李冰"]}]}, 'paragraph 1: not a "context" with "qas"'),
        (squad("李冰", question=" "), "paragraph 1: .*is empty"),
        (
            {"data": [{"paragraphs": [{"context": "李", "qas": [{"question": "谁"}]}]}]},
            'paragraph 1, question "谁": .*answers',
        ),
    ],
)
def test_broken_questions_are_named(tmp_path, content, why):
    write(tmp_path, "cmrc2018", "train.json", content)
    with pytest.raises(MakeError, match=rf"train\.json.*{why}"):
        QUESTIONS.read(tmp_path, "cmrc2018", "train")


@pytest.mark.parametrize(
    ("library", "name", "file", "lines", "why"),
    [
        (PAIRED, "afqmc", "train.txt", ["甲\t乙\t0", "甲\t乙"], "line 2: 2 columns"),
        (PAIRED, "afqmc", "train.txt", ["甲\t乙\t2"], 'line 1: the label "2" is none of'),
        (PAIRED, "ocnli", "dev.json", ['{"sentence1": "甲", "label": "-"}'], 'line 1: the "sentence2"'),
        (LABELLED, "chnsenticorp", "train.tsv", ["label\ttext_a", "2\t好"], 'line 2: the label "2"'),
        (LABELLED, "online_shopping", "online_shopping_10_cats.csv", ["书,1,好"], "line 1: the header"),
        (
            LABELLED,
            "online_shopping",
            "online_shopping_10_cats.csv",
            ["cat,label,review", "书,1,好", "书,1"],
            "line 3: 2 columns",
        ),
    ],
)
def test_a_broken_line_of_a_known_set_is_named(tmp_path, library, name, file, lines, why):
    write(tmp_path, name, file, *lines)
    split = next(split for split, each in library.known[name][1].items() if each == file)
    with pytest.raises(MakeError, match=why):
        library.read(tmp_path, name, split)


def test_pairs_that_nobody_could_decide_are_left_out(tmp_path):
    pair = {"sentence1": "他走了", "sentence2": "他还在"}
    rows = (json.dumps({**pair, "label": label}) for label in ("-", "neutral"))
    write(tmp_path, "ocnli", "train.50k.json", *rows)
    read, _ = PAIRED.read(tmp_path, "ocnli", "train")
    assert [(row.text, row.second, row.label) for row in read] == [("他走了", "他还在", "neutral")]


def test_reviews_that_differ_in_punctuation_or_are_cut_short_open_alike():
    text = "四星级酒店，符合标准的地方我就不提了，有以下缺点： 1.没有水"
    assert opening(Labelled(text, "a")) == opening(Labelled(text.replace(" ", "")[:-3] + "!", "b"))
    assert opening(Labelled(text, "a")) != opening(Labelled("五" + text[1:], "a"))


def test_drcd_is_read_as_simplified_and_no_answer_moves(tmp_path):
    pytest.importorskip("opencc")
    write(
        tmp_path,
        "drcd",
        "DRCD_dev.json",
        squad("臺灣的乾隆著作，頭髮", (8, "頭髮"), (3, "乾隆"), question="誰的?"),
    )
    ((row,), file) = QUESTIONS.read(tmp_path, "drcd", "train")
    assert (row.question, row.context) == ("谁的?", "台湾的乾隆著作，头发")
    assert row.answers == ("头发", "乾隆")
    assert row.context[row.start : row.start + row.length] == "头发"
    assert file.name == "drcd/DRCD_dev.json"


def test_a_set_of_one_file_is_cut_in_two():
    cut = replace(QUESTIONS, cut={"drcd": 2})
    assert (cut.part("drcd", "train", list("abcde")), cut.part("drcd", "dev", list("abcde"))) == (
        ["a", "b"],
        ["c", "d", "e"],
    )
    assert cut.part("cmrc2018", "train", list("abcde")) == list("abcde")
