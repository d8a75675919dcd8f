from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.data.labelled import LABELLED, PAIRED
from models.data.questions import QUESTIONS
from models.data.rows import Labelled, majority_share, opening, seen_before, split_off, without_repeats
from models.data.sets import SETS, data_file
from models.data.tagged import TAGGED
from models.data.texts import read_texts
from models.errors import MakeError
from tests.kit import making_kit as kit

REAL = Path(os.environ.get("QINGMO_DATA", "no-such-folder"))
needs_data = pytest.mark.skipif(not REAL.is_dir(), reason="QINGMO_DATA names no folder with the data sets")

rows_of = st.lists(
    st.builds(Labelled, text=st.sampled_from(["甲", "甲 ", "乙", "丙丁", "戊"]), label=st.sampled_from("ab"))
)


def write(folder: Path, name: str, file: str, content: str) -> Path:
    (folder / name).mkdir(exist_ok=True)
    (folder / name / file).write_text(content, encoding="utf-8")
    return folder


@given(rows_of)
def test_each_text_stays_once_a_label_in_order(rows):
    kept = without_repeats(rows)
    assert {(row.key, row.label) for row in kept} == {(row.key, row.label) for row in rows}
    assert len({(row.key, row.label) for row in kept}) == len(kept)
    assert [rows.index(row) for row in kept] == sorted(rows.index(row) for row in kept)


@given(rows_of, st.integers(0, 4), st.integers(0, 5))
def test_a_split_keeps_equal_texts_together_and_loses_none(rows, count, seed):
    learn, held = split_off(rows, count, seed)
    assert sorted(map(repr, learn + held)) == sorted(map(repr, rows))
    assert not any(seen_before(held, learn))
    assert len({row.key for row in held}) == min(count, len({row.key for row in rows}))
    assert split_off(rows, count, seed) == (learn, held)


@given(
    st.lists(st.tuples(st.sampled_from("甲乙丙"), st.sampled_from("甲乙丙")), max_size=12),
    st.integers(0, 4),
    st.integers(0, 5),
)
def test_a_pair_the_other_way_round_stays_on_its_side(pairs, count, seed):
    rows = [Labelled(first, "a", second) for first, second in pairs]
    learn, held = split_off(rows, count, seed)
    assert sorted(map(repr, learn + held)) == sorted(map(repr, rows))
    assert not any(seen_before(held, [row.swapped for row in learn]))
    assert not any(seen_before([row.swapped for row in held], learn))


def test_white_space_does_not_hide_a_leak():
    assert seen_before([Labelled("北 京", "a"), Labelled("上海", "a")], [Labelled("北京", "b")]) == [
        True,
        False,
    ]


def test_the_majority_share():
    assert majority_share([Labelled("x", "a"), Labelled("y", "b"), Labelled("z", "a")]) == pytest.approx(
        2 / 3
    )


def test_tnews_rows_are_sentence_and_described_label(tmp_path):
    rows, file = LABELLED.read(kit.write_data(tmp_path), "tnews", "train")
    assert len(rows) == 241
    assert {row.label for row in rows} == set(kit.TOPICS)
    assert not file.published


def test_review_rows_are_read_past_header_and_byte_order_mark(tmp_path):
    write(tmp_path, "chnsenticorp", "train.tsv", '﻿label\ttext_a\n1\t好"\t用\n0\t不好\n')
    rows, _ = LABELLED.read(tmp_path, "chnsenticorp", "train")
    assert rows == [Labelled('好"\t用', "positive"), Labelled("不好", "negative")]


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("{", "no JSON object"),
        ('{"sentence": "x"}', 'the "label_desc" is missing'),
        ("[]", "no JSON object"),
        ('{"sentence": " ", "label_desc": "a"}', 'the "sentence" is missing, empty'),
        ('{"sentence": "x", "label_desc": 3}', 'the "label_desc" is missing, empty'),
    ],
)
def test_a_broken_row_is_named_with_file_and_line(tmp_path, line, why):
    good = json.dumps({"sentence": "好", "label_desc": "a"})
    write(tmp_path, "tnews", "train.json", f"{good}\n{line}\n")
    with pytest.raises(MakeError, match=rf"train\.json, line 2: .*{why}"):
        LABELLED.read(tmp_path, "tnews", "train")


def test_what_is_not_there_is_said(tmp_path):
    with pytest.raises(MakeError, match=r"train\.json is missing"):
        LABELLED.read(tmp_path, "tnews", "train")
    with pytest.raises(MakeError, match='no split "test"'):
        LABELLED.read(tmp_path, "tnews", "test")
    with pytest.raises(MakeError, match="is no known set with a text and a label a row"):
        LABELLED.read(tmp_path, "c3", "train")
    with pytest.raises(MakeError, match="is not known"):
        data_file(tmp_path, "mystery", "x")


def test_raw_texts_take_every_text_field_and_leave_blank_ones_out(tmp_path):
    write(tmp_path, "afqmc", "train.txt", "甲\t 乙\t0\n丙\t \t1\n")
    assert list(read_texts(tmp_path, "afqmc")) == ["甲", "乙", "丙"]
    lines = 'cat,label,review\n书籍,1,"好,\n书"\n书籍,0,\ufeff差\n'
    write(tmp_path, "online_shopping", "online_shopping_10_cats.csv", lines)
    assert list(read_texts(tmp_path, "online_shopping")) == ["好,\n书", "差"]
    for name in ("chnsenticorp", "book_review"):
        write(tmp_path, name, "train.tsv", "label\ttext_a\n1\t好\n")
        assert list(read_texts(tmp_path, name)) == ["好"]
    write(tmp_path, "c3", "d-train.json", '[[["男：甲"], [{"question": "乙", "choice": ["丙"]}], "1-2"]]')
    write(tmp_path, "c3", "m-train.json", "[]")
    assert list(read_texts(tmp_path, "c3")) == ["男：甲", "乙", "丙", "1-2"]


@needs_data
@pytest.mark.parametrize("name", sorted(SETS))
def test_the_files_are_the_published_ones(name):
    for file in SETS[name].files:
        assert data_file(REAL, name, file).published


@needs_data
def test_tnews_traps():
    train, _ = LABELLED.read(REAL, "tnews", "train")
    dev, _ = LABELLED.read(REAL, "tnews", "dev")
    assert (len(train), len({row.text for row in train}), len(dev)) == (53360, 49726, 10000)
    assert sum(seen_before(dev, train)) >= 1099


@needs_data
def test_sentiment_traps():
    train, _ = LABELLED.read(REAL, "chnsenticorp", "train")
    test, _ = LABELLED.read(REAL, "chnsenticorp", "test")
    assert (len(train), len({row.text for row in train}), len(test)) == (9600, 8249, 1200)
    assert sum(seen_before(test, train)) >= 331
    shopping, _ = LABELLED.read(REAL, "online_shopping", "train")
    assert sum(seen_before(test, shopping)) >= 1025
    openings = {opening(row) for row in test}
    kept = [row for row in shopping if opening(row) not in openings]
    assert not any(seen_before(test, kept))
    assert len(kept) > 55_000


@needs_data
def test_pairs_entities_and_answers_have_their_traps_too():
    pairs, _ = PAIRED.read(REAL, "afqmc", "dev")
    assert majority_share(pairs) == pytest.approx(0.690, abs=0.001)
    inferred, _ = PAIRED.read(REAL, "ocnli", "dev")
    assert (len(inferred), {row.label for row in inferred}) == (
        2950,
        {"entailment", "neutral", "contradiction"},
    )
    tagged, _ = TAGGED.read(REAL, "cluener2020", "train")
    assert (len(tagged), sum(len(row.mentions) for row in tagged)) == (10748, 23971)
    questions, _ = QUESTIONS.read(REAL, "cmrc2018", "train")
    assert sum(row.start is None for row in questions) == 21
    dev, _ = QUESTIONS.read(REAL, "cmrc2018", "dev")
    assert sum(row.start is None for row in dev) == 3
    assert {len(row.answers) for row in dev} == {3}
