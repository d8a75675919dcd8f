"""Questions on what is marked in a text: a name by an annotator, a fact by rule. No teacher is asked.

Short contexts, exact ends and no encyclopedia, where the published sets of questions are long, often ask for
clauses and know little else.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from models.data.facts import facts
from models.data.rows import Mention, Question, Tagged
from models.data.wording import askable, by_kind, ways_of

_PIECE = re.compile(r"[^。！？!?\n]+[。！？!?]?")
_CLOSES = ("。", "！", "？", "!", "?", "…", "”", "\n")
SHORTEST = 20  # code points of a raw text that is asked about
LONGEST = 120  # code points of a text that is asked about
OTHERS = 3  # texts that at most stand in the context besides


@dataclass(frozen=True, slots=True)
class _Asked:
    """A question, its answer in the row's text, and whether it can be told among other texts."""

    question: str
    answer: Mention
    company: bool


def asked_questions(texts: Sequence[Tagged], count: int, seed: int) -> list[Question]:
    """At most `count` questions on what is marked in `texts` and on their facts, each once, drawn by `seed`.

    A context is the text and up to three others, and holds the answer once.
    """
    draw, rows, made = random.Random(seed), list(texts), dict[tuple[object, ...], Question]()
    draw.shuffle(rows)
    for row in (*rows, *rows):
        if len(made) == count:
            break
        found = _one(draw, _with_facts(row))
        if found is not None:
            question = _in_company(draw, row.text, found, rows)
            made.setdefault(question.whole, question)
    return list(made.values())


def pieces(texts: Sequence[str]) -> list[Tagged]:
    """Raw texts in pieces of whole sentences, with nothing marked yet; no short ones, and no questions."""
    told = (text for text in texts if len(text) >= SHORTEST and not text.endswith(("？", "?")))
    return [Tagged(piece, ()) for text in told for piece in _pieces(text)]


def _pieces(text: str) -> Iterator[str]:
    piece = ""
    for found in _PIECE.finditer(text):
        if piece and len(piece) + len(found[0]) > LONGEST:
            yield piece
            piece = ""
        piece += found[0] if len(found[0]) <= LONGEST else ""
    if piece:
        yield piece


def _with_facts(row: Tagged) -> Tagged:
    """The row with its facts marked too, where no name stands, and without what cannot be asked for."""
    names = [each for each in row.mentions if askable(each.type)]
    more = [
        each
        for each in facts(row.text)
        if all(each.end <= name.start or name.end <= each.start for name in names)
    ]
    return Tagged(row.text, tuple(sorted((*names, *more))))


def _one(draw: random.Random, row: Tagged) -> _Asked | None:
    """A question on the row; None where what was drawn tells too little or stands there twice."""
    answer = draw.choice(row.mentions) if row.mentions else None
    if answer is None or row.text.count(row.text[answer.start : answer.end]) > 1:
        return None
    way = draw.choice(ways_of(row, answer))
    question = way(draw, row, answer)
    return None if question is None else _Asked(question, answer, way is not by_kind)


def _in_company(draw: random.Random, text: str, asked: _Asked, rows: Sequence[Tagged]) -> Question:
    """On the text among others; alone where the question tells only a kind, or they hold the answer too."""
    words = text[asked.answer.start : asked.answer.end]
    chosen = draw.choices(rows, k=draw.randint(0, OTHERS)) if asked.company else []
    place = draw.randint(0, len(chosen))
    before = "".join(_closed(row.text) for row in chosen[:place])
    context = before + _closed(text) + "".join(_closed(row.text) for row in chosen[place:])
    if context.count(words) > 1:
        before, context = "", text
    return Question(asked.question, context, (words,), len(before) + asked.answer.start, len(words))


def _closed(text: str) -> str:
    """Texts are cut from others: none runs into the next."""
    return text if text.endswith(_CLOSES) else text + "。"
