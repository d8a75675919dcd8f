"""Tiny data in the form of CLUENER's, AFQMC's and CMRC 2018's."""

from __future__ import annotations

import json
import random
from pathlib import Path

from tests.kit.making_kit import FILLER, TOPICS


def run_of(topic: str, random_: random.Random) -> str:
    return "".join(random_.choices(TOPICS[topic], k=random_.randint(2, 4)))


def filler(random_: random.Random, most: int = 5) -> str:
    return "".join(random_.choices(FILLER, k=random_.randint(2, most)))


def _write_lines(folder: Path, name: str, files: dict[str, list[str]]) -> None:
    (folder / name).mkdir(parents=True, exist_ok=True)
    for file, lines in files.items():
        (folder / name / file).write_text("\n".join(lines) + "\n", encoding="utf-8")


def write_entities(folder: Path, train: int = 200, dev: int = 30, seed: int = 0) -> Path:
    """A cluener2020 folder: an entity is a run of one topic's characters, with ends inclusive as there."""
    random_ = random.Random(seed)
    lines = []
    for _ in range(train + dev):
        topic, before, after = random_.choice(list(TOPICS)), filler(random_), filler(random_)
        name = run_of(topic, random_)
        label = {topic: {name: [[len(before), len(before) + len(name) - 1]]}}
        lines.append(json.dumps({"text": before + name + after, "label": label}, ensure_ascii=False))
    _write_lines(folder, "cluener2020", {"train.json": lines[:train], "dev.json": lines[train:]})
    return folder


def write_pairs(folder: Path, train: int = 240, dev: int = 40, seed: int = 0) -> Path:
    """An afqmc folder: two texts count as the same where both are on sports."""
    random_ = random.Random(seed)
    lines = []
    for _ in range(train + dev):
        topics = random_.choices([*TOPICS, "news_sports"], k=2)
        texts = [run_of(topic, random_) + filler(random_, 3) for topic in topics]
        lines.append("\t".join([*texts, str(int(set(topics) == {"news_sports"}))]))
    _write_lines(folder, "afqmc", {"train.txt": lines[:train], "dev.txt": lines[train:]})
    return folder


def write_questions(folder: Path, train: int = 200, dev: int = 30, seed: int = 0) -> Path:
    """A cmrc2018 folder: the answer is the run of topic characters in the context; one place is wrong."""
    random_ = random.Random(seed)
    made = []
    for number in range(train + dev):
        before, answer = filler(random_, 20), run_of(random_.choice(list(TOPICS)), random_)
        place = len(before) if number else 0
        answers = [{"text": answer, "answer_start": place}]
        made.append(
            {
                "context": before + answer + filler(random_, 20),
                "qas": [{"question": "说了一些" + filler(random_, 3), "answers": answers}],
            }
        )
    _write_lines(
        folder,
        "cmrc2018",
        {
            file: [json.dumps({"data": [{"paragraphs": part}]}, ensure_ascii=False)]
            for file, part in (("train.json", made[:train]), ("dev.json", made[train:]))
        },
    )
    _write_passages(folder, random_)
    return folder


def _write_passages(folder: Path, random_: random.Random) -> None:
    """A c3 folder: long texts with clauses, to make questions from."""
    clauses = [run_of(random_.choice(list(TOPICS)), random_) * 3 for _ in range(108)]
    texts = ["，".join(clauses[at : at + 12]) for at in range(0, 108, 12)]
    line = json.dumps(texts, ensure_ascii=False)
    _write_lines(folder, "c3", {"d-train.json": [line], "m-train.json": [line]})
