"""Questions by the word that asks for a span: who for a person, how much for a sum.

A Chinese question keeps the order of its statement, so the word in the span's place makes one: what is marked
in a text, a name by an annotator or an amount by rule, can be asked for with no teacher at hand. Short
contexts, exact ends and no encyclopedia, where the published sets of questions are long, often ask for
clauses and know little else.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from models.data.amounts import amounts
from models.data.cloze import thinned
from models.data.rows import Mention, Question, Tagged

_WORDS: Mapping[str, tuple[str, ...]] = {
    "name": ("谁", "谁", "哪位", "什么人"),
    "position": ("什么职务", "什么职位", "什么人"),
    "company": ("哪家公司", "哪个公司", "什么公司"),
    "organization": ("哪个组织", "什么组织", "哪个机构", "哪支队伍"),
    "government": ("哪个部门", "哪个机构", "什么机构", "什么部门"),
    "address": ("哪里", "哪儿", "什么地方", "哪个地方"),
    "scene": ("哪里", "哪个景点", "什么地方"),
    "book": ("哪本书", "什么书", "哪部作品"),
    "movie": ("哪部电影", "什么电影", "哪部影片"),
    "game": ("哪款游戏", "什么游戏", "哪个游戏"),
    "date": ("哪天", "什么时候", "几月几日", "何时", "哪一天"),
    "month": ("几月", "什么时候", "何时"),
    "year": ("哪一年", "哪年", "什么时候", "何时"),
    "weekday": ("周几", "星期几", "哪天", "什么时候"),
    "clock": ("几点", "什么时候", "什么时间"),
    "span": ("多久", "多长时间", "多少时间"),
    "money": ("多少钱", "多少", "多少钱"),
    "share": ("多少", "百分之几", "百分之多少"),
    "length": ("多少", "多长", "多远"),
    "weight": ("多少", "多重"),
    "age": ("几岁", "多大", "多少岁"),
    "people": ("多少人", "几个人", "多少"),
    "times": ("几次", "多少次"),
    "count": ("多少", "几"),
    "telephone": ("多少", "什么号码"),
    "line": ("几号线", "哪条线", "哪路车"),
}
_OFFICE = ("name", "position", "company")
_FIRST = frozenset(
    {"date", "month", "year", "weekday", "clock"}
)  # whose word stands at the head as well as in place
_COUNTED = frozenset({"length", "weight", "people", "times", "money", "age"})
_NUMERALS = "0123456789.,一二三四五六七八九十百千万亿两几多余"
_ALONE: Mapping[str, tuple[str, ...]] = {
    "name": ("说的是谁？", "提到了谁？", "这个人叫什么名字？", "人名是什么？"),
    "company": ("是哪家公司？", "提到了哪家公司？", "公司叫什么名字？"),
    "address": ("在哪里？", "地点在哪里？", "什么地方？"),
    "book": ("书名是什么？", "是哪本书？"),
    "movie": ("电影叫什么名字？", "说的是哪部电影？"),
    "game": ("游戏叫什么名字？", "说的是哪款游戏？"),
    "date": ("是哪天？", "日期是哪天？", "什么时候？"),
    "clock": ("是几点？", "时间是几点？", "什么时候？"),
    "span": ("要多久？", "多长时间？", "时间有多长？"),
    "money": ("多少钱？", "价格是多少？", "金额是多少？"),
    "share": ("比例是多少？", "占多少？"),
    "age": ("多大年纪？", "几岁？", "年龄是多少？"),
    "telephone": ("电话是多少？", "联系电话是多少？", "怎么联系？"),
}
_CLAUSE = re.compile(r"[^，、：,:。！？；!?;\n（）()“”]+")
_PIECE = re.compile(r"[^。！？!?\n]+[。！？!?]?")
ASKED = 20  # code points of a clause that the question keeps on either side
LEAST = 4  # code points that it keeps at least in all: fewer tell nothing
SHORTEST = 20  # code points of a raw text that is asked about
LONGEST = 120  # code points of a text that is asked about
OTHERS = 3  # texts that at most stand in the context besides
KEEP = (0.4, 1.2)  # share of a clause's words that its question keeps, drawn between; over 1 is all


_Way = Callable[[random.Random, Tagged, Mention], str | None]


@dataclass(frozen=True, slots=True)
class _Asked:
    question: str
    answer: Mention


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
    names = [each for each in row.mentions if each.type in _WORDS]
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
    ways: list[_Way] = [_in_place, _in_place, *([_of_office] * 2 if answer.type in _OFFICE else [])]
    if [each.type for each in row.mentions].count(answer.type) == 1 and answer.type in _ALONE:
        ways.append(_alone)
    question = draw.choice(ways)(draw, row, answer)
    return None if question is None else _Asked(question, answer)


def _in_place(draw: random.Random, row: Tagged, answer: Mention) -> str | None:
    """The clause with the asking word for the span, or with the word at its head."""
    clause = next(
        (found for found in _CLAUSE.finditer(row.text) if found.start() <= answer.start < found.end()), None
    )
    start, end = (answer.start, answer.end) if clause is None else clause.span()
    before, after = row.text[start : answer.start], row.text[answer.end : max(end, answer.end)]
    keep = draw.uniform(*KEEP)
    before, after = thinned(draw, before[-ASKED:], keep), thinned(draw, after[:ASKED], keep)
    if len(before) + len(after) < LEAST:
        return None
    word = _word(draw, row.text[answer.start : answer.end], answer.type)
    if answer.type in _FIRST and draw.random() < 0.5:
        before, word = word + before, ""
    return before + word + after + "？"


def _word(draw: random.Random, words: str, kind: str) -> str:
    """What asks for a span of that kind; for a count also how many of its unit."""
    unit = words.lstrip(_NUMERALS)
    if kind == "count" or (kind in _COUNTED and draw.random() < 0.4):
        return draw.choice(("多少", "几") if kind == "count" else ("多少",)) + unit
    return draw.choice(_WORDS[kind])


def _of_office(draw: random.Random, row: Tagged, answer: Mention) -> str | None:
    """Who holds a post, which post one holds and where: of a name right behind its post or company."""
    at = row.mentions.index(answer)
    run = [answer]
    while at + len(run) < len(row.mentions) and row.mentions[at + len(run)].start == run[-1].end:
        run.append(row.mentions[at + len(run)])
    while at and row.mentions[at - 1].end == run[0].start:
        at -= 1
        run.insert(0, row.mentions[at])
    words = {each.type: row.text[each.start : each.end] for each in run}
    name, post, firm = words.get("name"), words.get("position"), words.get("company", "")
    if name is None or post is None or len(words) < len(run):
        return None
    if answer.type == "name":
        asked = draw.choice((firm, "")) + post
        return draw.choice((f"{asked}是谁？", f"谁是{asked}？", f"{asked}叫什么名字？", f"{asked}姓名？"))
    if answer.type == "position":
        return draw.choice((f"{name}的职务是什么？", f"{name}担任什么职位？", f"{name}是做什么的？"))
    return draw.choice((f"{name}在哪家公司？", f"{name}来自哪家公司？", f"{name}是哪家公司的{post}？"))


def _alone(draw: random.Random, _: Tagged, answer: Mention) -> str:
    """By its kind alone: there is no other of it in the text."""
    return draw.choice(_ALONE[answer.type])


def _in_company(draw: random.Random, text: str, asked: _Asked, rows: Sequence[Tagged]) -> Question:
    """On the text among others; alone where the question tells its kind alone."""
    words = text[asked.answer.start : asked.answer.end]
    few = 0 if asked.question in _ALONE.get(asked.answer.type, ()) else draw.randint(0, OTHERS)
    others = [row.text for row in draw.choices(rows, k=few) if words not in row.text]
    place = draw.randint(0, len(others))
    before, after = "".join(others[:place]), "".join(others[place:])
    return Question(
        asked.question, before + text + after, (words,), len(before) + asked.answer.start, len(words)
    )
