"""A user's own questions and entities are held to what they say, or refused in a sentence."""

from __future__ import annotations

import json

import pytest

from models.data.questions import QUESTIONS
from models.data.rows import Mention
from models.data.tagged import TAGGED
from models.errors import MakeError

CONTEXT = "李冰修了都江堰"
GOOD = {"question": "谁修的?", "answers": [{"text": "李冰", "answer_start": 0}]}


def write_questions(folder, name, *paragraphs):
    (folder / name).mkdir(exist_ok=True)
    whole = {"data": [{"paragraphs": [{"context": CONTEXT, "qas": qas} for qas in paragraphs]}]}
    (folder / name / "train.json").write_text(json.dumps(whole), encoding="utf-8")


def write_entities(folder, *rows):
    (folder / "mine").mkdir(exist_ok=True)
    lines = [json.dumps({"text": "我在北京大学", "entities": row}) for row in rows]
    (folder / "mine" / "train.jsonl").write_text("\n".join(lines), encoding="utf-8")


def entity(start, end, **more):
    return {"type": "ORG", "start": start, "end": end, **more}


def test_own_questions_whose_answers_stand_there_are_read(tmp_path):
    both = {"question": "哪里?", "answers": [GOOD["answers"][0], {"text": "都江堰", "answer_start": 4}]}
    write_questions(tmp_path, "mine", [GOOD], [both])
    rows, _ = QUESTIONS.read(tmp_path, "mine", "train")
    assert [(row.start, row.length, row.answers) for row in rows] == [
        (0, 2, ("李冰",)),
        (0, 2, ("李冰", "都江堰")),
    ]


@pytest.mark.parametrize(
    ("answers", "why"),
    [
        ([{"text": "李冰", "answer_start": 1}], 'the answer "李冰" does not stand in the context at 1'),
        ([{"text": "都江", "answer_start": -3}], 'the answer "都江" does not stand in the context at -3'),
        ([GOOD["answers"][0], {"text": "秦", "answer_start": 0}], 'the answer "秦" does not stand'),
        ([], "it has no answers"),
    ],
)
def test_an_own_answer_must_stand_where_the_file_says(tmp_path, answers, why):
    asked = {"question": "何人?", "answers": answers}
    write_questions(tmp_path, "mine", [GOOD], [GOOD, asked])
    with pytest.raises(MakeError, match=rf'train\.json, paragraph 2, question "何人\?": {why}'):
        QUESTIONS.read(tmp_path, "mine", "train")
    write_questions(tmp_path, "cmrc2018", [GOOD], [GOOD, asked])
    assert len(QUESTIONS.read(tmp_path, "cmrc2018", "train")[0]) == 3


@pytest.mark.parametrize(
    ("answers", "why"),
    [
        ([{"text": None, "answer_start": 0}], 'the "text" of an answer is missing, empty or no text'),
        ([{"text": "", "answer_start": 0}], 'the "text" of an answer is missing, empty or no text'),
        ([{"text": "李冰"}], 'the "answer_start" of "李冰" is missing or no integer'),
        ([{"text": "李冰", "answer_start": False}], 'the "answer_start" of "李冰" is missing or no integer'),
        ([{"text": "李冰", "answer_start": 0.0}], 'the "answer_start" of "李冰" is missing or no integer'),
        (["李冰"], 'its "answers" are not a list'),
        (None, 'its "answers" are not a list'),
    ],
)
@pytest.mark.parametrize("name", ["mine", "cmrc2018"])
def test_what_is_no_answer_is_refused_in_any_set(tmp_path, name, answers, why):
    write_questions(tmp_path, name, [GOOD], [{"question": "何人?", "answers": answers}])
    with pytest.raises(MakeError, match=rf'train\.json, paragraph 2, question "何人\?": {why}'):
        QUESTIONS.read(tmp_path, name, "train")


def test_own_entities_that_the_server_answered_are_read(tmp_path):
    write_entities(
        tmp_path, [entity(2, 6, name="机构", text="北京大学", score=0.9), entity(1, 2), entity(0, 1)], []
    )
    rows, _ = TAGGED.read(tmp_path, "mine", "train")
    assert [row.mentions for row in rows] == [
        (Mention(0, 1, "ORG"), Mention(1, 2, "ORG"), Mention(2, 6, "ORG")),
        (),
    ]


@pytest.mark.parametrize(
    ("entities", "why"),
    [
        ([entity(0.0, 2)], '"start" and "end" of an entity must be integers, but are 0.0 and 2'),
        ([entity(False, 2)], '"start" and "end" of an entity must be integers, but are false and 2'),
        ([entity(0, True)], '"start" and "end" of an entity must be integers, but are 0 and true'),
        ([entity("0", 2)], '"start" and "end" of an entity must be integers, but are "0" and 2'),
        ([{"type": "ORG", "start": 0}], "must be integers, but are 0 and null"),
        ([entity(0, 7)], "an entity lies outside the text of 6 characters: 0 to 7"),
        ([entity(-1, 1)], "an entity lies outside the text of 6 characters: -1 to 1"),
        ([entity(2, 2)], "an entity lies outside the text of 6 characters: 2 to 2"),
        ([entity(2, 4, text="大学")], 'is "大学", but from 2 to 4 stands "北京"'),
        ([entity(2, 4, text=None)], 'is null, but from 2 to 4 stands "北京"'),
        ([entity(2, 6), entity(2, 4)], 'the entities "北京" and "北京大学" overlap at 2'),
        ([entity(2, 5), entity(0, 1), entity(4, 6)], 'the entities "北京大" and "大学" overlap at 4'),
        ([{"type": 3, "start": 0, "end": 1}], 'the "type" of an entity is missing, empty or no text'),
        ([{"start": 0, "end": 1}], 'the "type" of an entity is missing, empty or no text'),
        ({}, '"entities" is not a list'),
        (["北京"], '"entities" is not a list'),
        (None, '"entities" is not a list'),
    ],
)
def test_own_entities_must_be_what_they_say(tmp_path, entities, why):
    write_entities(tmp_path, [entity(2, 6)], entities)
    with pytest.raises(MakeError, match=rf"train\.jsonl, line 2: .*{why}"):
        TAGGED.read(tmp_path, "mine", "train")
