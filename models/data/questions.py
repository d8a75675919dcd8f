"""Readers of the sets whose rows are a question, its context and the right answers, all in SQuAD's form."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from models.data.library import Library
from models.data.rows import Question
from models.errors import MakeError


def _squad(path: Path) -> Iterator[Question]:
    try:
        articles = json.loads(path.read_text(encoding="utf-8-sig"))["data"]
        paragraphs = [paragraph for article in articles for paragraph in article["paragraphs"]]
    except (ValueError, KeyError, TypeError) as error:
        raise MakeError(f'{path} is not in SQuAD\'s form: no "data" of "paragraphs".') from error
    for number, paragraph in enumerate(paragraphs, 1):
        try:
            yield from [_question(paragraph["context"], each) for each in paragraph["qas"]]
        except (KeyError, TypeError, IndexError, AttributeError, ValueError) as error:
            raise MakeError(
                f"{path}, paragraph {number}: not a context with questions that have answers ({error!r})."
            ) from error


def _question(context: str, given: dict[str, Any]) -> Question:
    """Its first reference that stands where the data says; published sets hold a few that do not."""
    question, answers = given["question"], [(each["answer_start"], each["text"]) for each in given["answers"]]
    if not question.strip() or not context.strip():
        raise ValueError("a question or its context is empty")
    found = (
        (start, len(text)) for start, text in answers if text and context[start : start + len(text)] == text
    )
    start, length = next(found, (None, 0))
    return Question(question, context, tuple(text for _, text in answers), start, length)


def _simplified(path: Path) -> Iterator[Question]:
    """Rows in traditional characters as simplified ones, place by place: no answer moves."""
    try:
        from opencc import OpenCC  # noqa: PLC0415 - only this set needs it, and only training has it
    except ImportError as error:
        raise MakeError(
            f"{path} is in traditional characters; to read it takes OpenCC: make train."
        ) from error
    change = OpenCC("t2s").convert

    def simplified(text: str) -> str:
        whole: str = change(text)  # by words where that keeps the length, else character by character
        return whole if len(whole) == len(text) else "".join(map(change, text))

    for row in _squad(path):
        answers, context = tuple(map(simplified, row.answers)), simplified(row.context)
        if row.start is not None:
            answers = (context[row.start : row.start + row.length], *answers[1:])
        yield replace(row, question=simplified(row.question), context=context, answers=answers)


QUESTIONS = Library(
    "a question, a context and answers",
    {
        "cmrc2018": (_squad, {"train": "train.json", "dev": "dev.json"}),
        "drcd": (_simplified, {"train": "DRCD_dev.json", "dev": "DRCD_dev.json"}),
    },
    {".json": _squad},
    {"drcd": 2802},  # where an article begins
)
