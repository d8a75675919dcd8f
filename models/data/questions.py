"""Readers of the sets whose rows are a question, its context and the answers, nearly all in SQuAD's form."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from models.data.library import Library
from models.data.lines import whole_json
from models.data.rows import Question
from models.data.written import asked_passages
from models.errors import MakeError


def paragraphs(path: Path) -> Iterator[tuple[int, str, list[dict[str, Any]]]]:
    """Each paragraph's number from 1, its context and its questions, whose answers are not looked at."""
    try:
        articles = whole_json(path)["data"]
        found = [paragraph for article in articles for paragraph in article["paragraphs"]]
    except (KeyError, TypeError) as error:
        raise MakeError(f'{path} is not in SQuAD\'s form: no "data" of "paragraphs".') from error
    for number, paragraph in enumerate(found, 1):
        try:
            context, questions = paragraph["context"], list(paragraph["qas"])
            texts = [context, *(each["question"] for each in questions)]
        except (KeyError, TypeError) as error:
            raise MakeError(
                f'{path}, paragraph {number}: not a "context" with "qas", each with a "question".'
            ) from error
        if not all(isinstance(text, str) and text.strip() for text in texts):
            raise MakeError(f"{path}, paragraph {number}: a question or its context is empty or no text.")
        yield number, context, questions


def _squad(path: Path) -> Iterator[Question]:
    """As published: references that do not stand where the data says are known, and stay."""
    return _rows(path, strict=False)


def _own(path: Path) -> Iterator[Question]:
    """A user's own: each question has an answer, and every answer stands where the file says."""
    return _rows(path, strict=True)


def _rows(path: Path, *, strict: bool) -> Iterator[Question]:
    for number, context, questions in paragraphs(path):
        for each in questions:
            try:
                answers = _answers(each)
                if strict:
                    _check_places(context, answers)
            except ValueError as error:
                raise MakeError(
                    f'{path}, paragraph {number}, question "{each["question"]}": {error}.'
                ) from error
            yield _question(each["question"], context, answers)


def _answers(given: dict[str, Any]) -> list[tuple[int, str]]:
    """Where each reference is said to stand, and its text; ValueError, in words, where one says neither."""
    answers = given.get("answers")
    if not isinstance(answers, list) or not all(isinstance(each, dict) for each in answers):
        raise ValueError('its "answers" are not a list of {"text", "answer_start"}')
    found = [(each.get("answer_start"), each.get("text")) for each in answers]
    for start, text in found:
        if not isinstance(text, str) or not text.strip():
            raise ValueError('the "text" of an answer is missing, empty or no text')
        if type(start) is not int:  # to isinstance, false would be a 0
            raise ValueError(f'the "answer_start" of "{text}" is missing or no integer')
    return found


def _check_places(context: str, answers: Sequence[tuple[int, str]]) -> None:
    """ValueError, in words, where there is no answer, or one does not stand at its place."""
    if not answers:
        raise ValueError("it has no answers, but must have one that stands in the context")
    for start, text in answers:
        if not _stands(context, start, text):
            raise ValueError(
                f'the answer "{text}" does not stand in the context at {start}, its "answer_start"'
            )


def _stands(context: str, start: int, text: str) -> bool:
    return start >= 0 and context.startswith(text, start)  # a negative one would count from the end


def _question(question: str, context: str, answers: Sequence[tuple[int, str]]) -> Question:
    """Its place is that of the first reference that stands where the data says."""
    found = ((start, len(text)) for start, text in answers if _stands(context, start, text))
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
        "written_questions": (asked_passages, {"train": "train.txt", "test": "test.txt"}),
    },
    {".json": _own},
    {"drcd": 2802},  # where an article begins
)
