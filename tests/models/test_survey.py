"""What `qingmo-models data` says of a set."""

from __future__ import annotations

import hashlib
import io
import json

import pytest
from rich.console import Console

from models.survey import survey


def write(folder, name, file, *rows):
    (folder / name).mkdir(exist_ok=True)
    path = folder / name / file
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return hashlib.sha256(path.read_bytes()).hexdigest()


def said_of(folder, name):
    """What is printed on a terminal of 80 columns."""
    out = io.StringIO()
    survey(folder, name, Console(file=out, width=80))
    return out.getvalue()


def test_a_split_without_a_label_has_no_shares(tmp_path):
    entity = {"type": "LOC", "start": 0, "end": 2}
    train = write(tmp_path, "my-own-place-names", "train.jsonl", {"text": "北京好", "entities": [entity]})
    write(tmp_path, "my-own-place-names", "dev.jsonl", {"text": "好", "entities": []})
    said = said_of(tmp_path, "my-own-place-names")
    assert [part.strip() for part in said.split("LOC")[1].split("│")[1:3]] == ["1 (100.0%)", "0"]
    assert f"\nmy-own-place-names/train.jsonl: own, SHA-256 {train}\n" in said


def test_the_files_of_raw_texts_are_digested_too(tmp_path):
    digests = [write(tmp_path, "c3", f"{part}-train.json", ["好"]) for part in "dm"]
    said = said_of(tmp_path, "c3")
    assert "2 raw texts, 1 of them repeats" in said
    for part, digest in zip("dm", digests, strict=True):
        assert f"\nc3/{part}-train.json: NOT as published, SHA-256 {digest}\n" in said


def test_a_file_of_two_splits_is_named_once(tmp_path):
    pytest.importorskip("opencc")
    asked = {"question": "好?", "answers": [{"text": "好", "answer_start": 0}]}
    write(
        tmp_path,
        "drcd",
        "DRCD_dev.json",
        {"data": [{"paragraphs": [{"context": "好", "qas": [asked] * 2803}]}]},
    )
    said = said_of(tmp_path, "drcd")
    assert said.count("drcd/DRCD_dev.json: ") == 1
    assert "│ dev " in said
