"""Files that cannot be read are refused with file and line, whatever reads them."""

from __future__ import annotations

import json
from itertools import islice

import pytest

from models.data import lines
from models.data.labelled import LABELLED, PAIRED
from models.data.questions import QUESTIONS
from models.data.tagged import TAGGED
from models.data.texts import check_texts, read_texts
from models.errors import MakeError
from models.recipe import read_recipe
from models.survey import task_of
from tests.kit import making_kit as kit

TITLE = '{"sentence": "好", "sentence1": "好", "sentence2": "坏", "label_desc": "a"}'
ROW = '{"text": "好", "text_pair": "坏", "label": "a", "entities": []}'
LONG = "长" * 131_073


def write(folder, name, file, content):
    (folder / name).mkdir(exist_ok=True)
    (folder / name / file).write_bytes(content if isinstance(content, bytes) else content.encode())


def broken(good, bad, encoding="gb18030"):
    """Ten good lines, and one in another encoding."""
    return f"{good}\n".encode() * 10 + f"{bad}\n".encode(encoding)


@pytest.mark.parametrize(
    ("library", "name", "file", "good"),
    [
        (LABELLED, "tnews", "train.json", TITLE),
        (LABELLED, "mine", "train.jsonl", ROW),
        (PAIRED, "mine", "train.jsonl", ROW),
        (PAIRED, "afqmc", "train.txt", "甲\t乙\t0"),
        (TAGGED, "mine", "train.jsonl", ROW),
        (TAGGED, "mine", "train.conll", "好 O"),
    ],
)
def test_a_line_that_is_not_utf_8_is_named(tmp_path, library, name, file, good):
    write(tmp_path, name, file, broken(good, good))
    with pytest.raises(
        MakeError, match=rf"{file}, line 11: character \d+ is the byte 0x..,.* UTF-8"
    ) as found:
        library.read(tmp_path, name, "train")
    assert str(found.value).count(".") == 2  # that of the file's ending, and the sentence's


@pytest.mark.parametrize(
    ("name", "file", "header", "good"),
    [
        ("chnsenticorp", "train.tsv", "label\ttext_a\n", "1\t好"),
        ("online_shopping", "online_shopping_10_cats.csv", "cat,label,review\n", "书,1,好"),
    ],
)
def test_below_a_header_it_is_named_too(tmp_path, name, file, header, good):
    write(tmp_path, name, file, header.encode() + broken(good, good))
    for reads in (lambda: LABELLED.read(tmp_path, name, "train"), lambda: check_texts(tmp_path, name)):
        with pytest.raises(MakeError, match=rf"{file}, line 12: character \d is the byte 0x(ba|ca)"):
            reads()


def test_its_place_is_that_of_the_character(tmp_path):
    write(tmp_path, "mine", "train.conll", "\ufeff好 O\n坏".encode() + b"\xc4 O\n")
    with pytest.raises(MakeError, match="line 2: character 2 is the byte 0xc4"):
        list(lines.numbered_lines(tmp_path / "mine" / "train.conll"))


def test_questions_that_are_not_utf_8_are_named(tmp_path):
    write(tmp_path, "mine", "train.json", broken("", "好"))
    for reads in (lambda: QUESTIONS.read(tmp_path, "mine", "train"), lambda: check_texts(tmp_path, "mine")):
        with pytest.raises(MakeError, match=r"train\.json, line 11: character 1 is the byte 0xba"):
            reads()


def test_the_task_is_told_before_the_line_that_is_at_fault(tmp_path):
    write(tmp_path, "mine", "train.jsonl", broken(ROW, ROW))
    assert task_of(tmp_path, "mine") == "ner"
    write(tmp_path, "mine", "train.jsonl", ROW.encode("utf-16"))
    with pytest.raises(MakeError, match=r"train\.jsonl, line 1: character 1 is the byte 0xff"):
        task_of(tmp_path, "mine")


def test_a_recipe_that_is_not_utf_8_is_named(tmp_path):
    path = kit.write_recipe(tmp_path, tmp_path / "base")
    whole = read_recipe(str(path))
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert read_recipe(str(path)) == whole
    path.write_text(path.read_text("utf-8-sig"), "gb18030")
    with pytest.raises(MakeError, match=r"tiny\.toml, line 34: character 12 is the byte 0xbd"):
        read_recipe(str(path))


@pytest.mark.parametrize("row", [f"书,1,{LONG}", f'书,1,"好\n{LONG}'])
def test_a_field_longer_than_csv_takes_is_named_where_its_row_begins(tmp_path, row):
    write(
        tmp_path, "online_shopping", "online_shopping_10_cats.csv", f'cat,label,review\n书,1,"好\n"\n{row}\n'
    )
    for reads in (
        lambda: LABELLED.read(tmp_path, "online_shopping", "train"),
        lambda: check_texts(tmp_path, "online_shopping"),
    ):
        with pytest.raises(MakeError, match=r"_cats\.csv, line 4: the row .*at most 131,072 characters"):
            reads()


def test_a_column_longer_than_csv_takes_is_named(tmp_path):
    write(tmp_path, "chnsenticorp", "train.tsv", f"label\ttext_a\n1\t{LONG}\n")
    with pytest.raises(MakeError, match=r"train\.tsv, line 2: the row .*at most 131,072 characters"):
        check_texts(tmp_path, "chnsenticorp")


@pytest.mark.parametrize("bad", ['"text": "\\ud83d"', '"text": "\\uD83D"', '"text": ' + "[" * 100_000])
def test_what_no_text_or_parser_can_hold_is_named(tmp_path, bad):
    write(tmp_path, "mine", "train.jsonl", f"{ROW}\n{{{bad}}}\n")
    with pytest.raises(MakeError, match=r"train\.jsonl, line 2: no JSON object"):
        LABELLED.read(tmp_path, "mine", "train")
    write(tmp_path, "mine", "train.jsonl", '{"text": "\\uD83D\\ude00", "label": "a"}')
    assert LABELLED.read(tmp_path, "mine", "train")[0][0].text == "😀"


@pytest.mark.parametrize(
    ("name", "file", "good", "bad", "why"),
    [
        ("tnews", "train.json", TITLE, '{"label_desc": "a"}', 'line 2: the "sentence" is missing'),
        ("tnews", "train.json", TITLE, '{"sentence": 3}', 'line 2: the "sentence" is missing or no text'),
        ("tnews", "train.json", TITLE, "{", "line 2: no JSON object"),
        ("ocnli", "train.50k.json", TITLE, '{"sentence1": "好"}', 'line 2: the "sentence2" is missing'),
        ("afqmc", "train.txt", "甲\t乙\t0", "甲", "line 2: 1 columns in the place of 2 or more"),
        ("mine", "train.jsonl", ROW, '{"label": "a"}', 'line 2: the "text" is missing'),
        ("mine", "train.jsonl", ROW, '{"text": "好", "text_pair": 3}', 'line 2: the "text_pair" is missing'),
        ("mine", "train.conll", "好 O", "好", "line 2: no tag beside the token"),
    ],
)
def test_a_row_without_its_raw_text_is_named_before_any_work(tmp_path, name, file, good, bad, why):
    write(tmp_path, name, file, f"{good}\n{bad}\n")
    with pytest.raises(MakeError, match=rf"{file}, {why}"):
        check_texts(tmp_path, name)


def test_raw_texts_of_a_file_that_is_one_json_are_named_by_line_or_paragraph(tmp_path):
    write(tmp_path, "c3", "d-train.json", "[]")
    write(tmp_path, "c3", "m-train.json", '["好",\n}')
    with pytest.raises(MakeError, match=r"m-train\.json, line 2: at column 1 the file is no JSON"):
        check_texts(tmp_path, "c3")
    asked = {"paragraphs": [{"context": "好", "qas": []}, {"context": "好", "qas": [{"id": "1"}]}]}
    write(tmp_path, "mine", "train.json", json.dumps({"data": [asked]}))
    with pytest.raises(MakeError, match=r'train\.json, paragraph 2: not a "context" with "qas"'):
        check_texts(tmp_path, "mine")


def test_blank_raw_texts_are_left_out_but_not_all_may_be(tmp_path):
    rows = ['{"text": " ", "text_pair": null}', '{"text": "好"}']
    write(tmp_path, "mine", "train.jsonl", "\n".join(rows))
    assert list(read_texts(tmp_path, "mine")) == ["好"]
    write(tmp_path, "mine", "train.jsonl", rows[0])
    with pytest.raises(MakeError, match="mine holds no raw texts"):
        check_texts(tmp_path, "mine")


def test_texts_are_read_as_they_are_asked_for(tmp_path):
    write(tmp_path, "zhihu_titles", "unique_titles.txt", broken("好", "坏"))
    assert list(islice(read_texts(tmp_path, "zhihu_titles"), 10)) == ["好"] * 10
    with pytest.raises(MakeError, match=r"unique_titles\.txt, line 11"):
        check_texts(tmp_path, "zhihu_titles")
