"""Questions on what is marked in a text: a name by an annotator, an amount by rule. No teacher is asked.

Short contexts, exact ends and no encyclopedia, where the published sets of questions are long, often ask for
clauses and know little else.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from models.data.amounts import amounts
from models.data.rows import Mention, Question, Tagged
from models.data.wording import askable, by_kind, ways_of

_PIECE = re.compile(r"[^。！？!?\n]+[。！？!?]?")
SHORTEST = 20  # code points of a raw text that is asked about
LONGEST = 120  # code points of a text that is asked about
OTHERS = 3  # texts that at most stand in the context besides


@dataclass(frozen=True, slots=True)
class _Asked:
    """A question, its answer in the row's text, and whether it finds that among other texts."""

    question: str
    answer: Mention
    crowd: bool


def asked_questions(texts: Sequence[Tagged], count: int, seed: int) -> list[Question]:
    """At most `count` questions on what is marked in `texts` and on their amounts, drawn by `seed`.

    A context is the text and up to three others, none of which holds the answer again.
    """
    draw, rows, made = random.Random(seed), list(texts), list[Question]()
    draw.shuffle(rows)
    for row in (*rows, *rows):
        if len(made) == count:
            break
        found = _one(draw, _with_amounts(row))
        if found is not None:
            made.append(_in_company(draw, row.text, found, rows))
    return made


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


def _with_amounts(row: Tagged) -> Tagged:
    """The row with its amounts marked too, where no name stands, and without what cannot be asked for."""
    names = [each for each in row.mentions if askable(each.type)]
    more = [
        each
        for each in amounts(row.text)
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
    """On the text among others; alone where the question tells its kind alone."""
    words = text[asked.answer.start : asked.answer.end]
    chosen = draw.choices(rows, k=draw.randint(0, OTHERS)) if asked.crowd else []
    others = [row.text for row in chosen if words not in row.text]
    place = draw.randint(0, len(others))
    before, after = "".join(others[:place]), "".join(others[place:])
    start = len(before) + asked.answer.start
    return Question(asked.question, before + text + after, (words,), start, len(words))
