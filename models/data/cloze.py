"""Questions made from raw texts: part of a sentence is asked for by what stands around it.

They teach a network to look in a context for what a question shares with it, before it sees the few real
questions there are: cloze-style pretraining for question answering (Dhingra et al. 2018, arXiv 1804.00720).
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from models.data.rows import Question

_SENTENCE = re.compile(r"[^。！？；!?;\n]{12,120}")
_CLAUSE = re.compile(r"[^，、：,:。！？；!?;\n]{4,30}")
_PHRASE = re.compile(
    r"《[^《》]{1,20}》|“[^“”]{2,20}”"
    r"|约?\d[\d.,]*[多余万亿千百]*[年月日时元人个次名座米吨公里平方％%]*(?:\d+[月日]){0,2}"
    r"|[A-Z][A-Za-z]+(?: [A-Z][A-Za-z]+)*"
    r"|(?<=[是为于在由叫])[^，、。的了和与是为于在由]{2,12}(?=[，、的了]|$)"
)
_WHEN = re.compile(r"\d.*[年月日时]")
_WORDS = {
    "when": ("什么时候", "何时", "哪一年", "哪天"),
    "many": ("多少", "几", "多大", "是多少"),
    "work": ("哪部作品", "什么", "哪一部"),
    "rest": ("什么", "谁", "哪里", "哪个", "怎么样", "如何", "是什么", "为什么", "哪些", "什么原因"),
}
CONTEXT = 200  # code points kept around a sentence
ASKED = 22  # code points of the sentence that the question keeps on either side
KEEP = 0.8  # share of what is kept that stays after words have dropped out
CLAUSES = 0.5  # share of questions whose answer is a whole clause
TRIES = 6  # draws for each question wanted, before too few are settled for


@dataclass(frozen=True, slots=True)
class _Place:
    start: int
    end: int


def cloze_questions(texts: Sequence[str], count: int, seed: int) -> list[Question]:
    """At most `count` questions on `texts`, drawn by `seed`; fewer where the texts have too few sentences."""
    draw, made = random.Random(seed), list[Question]()
    sentences = [(text, _Place(*found.span())) for text in texts for found in _SENTENCE.finditer(text)]
    for _ in range(TRIES * count):
        if len(made) == count or not sentences:
            break
        made.extend(_asked(draw, *draw.choice(sentences)))
    return made


def _asked(draw: random.Random, text: str, sentence: _Place) -> Iterator[Question]:
    pattern = _CLAUSE if draw.random() < CLAUSES else _PHRASE
    found = [_Place(*match.span()) for match in pattern.finditer(text, sentence.start, sentence.end)]
    if not found:
        return
    answer = draw.choice(found)
    before, after = text[sentence.start : answer.start], text[answer.end : sentence.end]
    if len(before) + len(after) < 6:
        return
    words = text[answer.start : answer.end]
    question = (
        thinned(draw, before[-ASKED:], KEEP) + _word(draw, words) + thinned(draw, after[:ASKED], KEEP) + "？"
    )
    left = max(0, sentence.end - CONTEXT + draw.randrange(max(1, CONTEXT - (sentence.end - sentence.start))))
    left = min(left, sentence.start)
    context = text[left : left + CONTEXT]
    yield Question(question, context, (words,), answer.start - left, len(words))


def _word(draw: random.Random, answer: str) -> str:
    kind = "work" if answer[0] == "《" else "rest"
    if answer[0].isdigit() or answer[0] == "约":
        kind = "when" if _WHEN.match(answer) else "many"
    return draw.choice(_WORDS[kind])


def thinned(draw: random.Random, text: str, keep: float) -> str:
    """Runs of one to three characters dropped, but for a share of `keep`: a question is no plain copy."""
    kept, at = "", 0
    while at < len(text):
        run = text[at : at + draw.randint(1, 3)]
        kept += run if draw.random() < keep else ""
        at += len(run)
    return kept
