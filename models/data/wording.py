"""The wordings of a question for a span: the word that asks for its kind, in its place or around it.

A Chinese question keeps the order of its statement, so the word in the span's place makes one.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from models.data.cloze import thinned
from models.data.rows import Mention, Tagged


@dataclass(frozen=True, slots=True)
class _Kind:
    """The words that ask for a kind of span, and whole questions for the only one of its kind in a text.

    A word that `heads` stands at the head of a question as well as in place; what `counts` can also be asked
    for by how many of its unit.
    """

    words: tuple[str, ...]
    alone: tuple[str, ...] = ()
    heads: bool = False
    counts: bool = False


_KINDS: Mapping[str, _Kind] = {
    "name": _Kind(
        ("谁", "谁", "哪位", "什么人"),
        alone=("说的是谁？", "提到了谁？", "这个人叫什么名字？", "人名是什么？"),
    ),
    "position": _Kind(("什么职务", "什么职位", "什么人")),
    "company": _Kind(
        ("哪家公司", "哪个公司", "什么公司"), alone=("是哪家公司？", "提到了哪家公司？", "公司叫什么名字？")
    ),
    "organization": _Kind(("哪个组织", "什么组织", "哪个机构", "哪支队伍")),
    "government": _Kind(("哪个部门", "哪个机构", "什么机构", "什么部门")),
    "address": _Kind(
        ("哪里", "哪儿", "什么地方", "哪个地方"), alone=("在哪里？", "地点在哪里？", "什么地方？")
    ),
    "scene": _Kind(("哪里", "哪个景点", "什么地方")),
    "book": _Kind(("哪本书", "什么书", "哪部作品"), alone=("书名是什么？", "是哪本书？")),
    "movie": _Kind(("哪部电影", "什么电影", "哪部影片"), alone=("电影叫什么名字？", "说的是哪部电影？")),
    "game": _Kind(("哪款游戏", "什么游戏", "哪个游戏"), alone=("游戏叫什么名字？", "说的是哪款游戏？")),
    "date": _Kind(
        ("哪天", "什么时候", "几月几日", "何时", "哪一天"), alone=("是哪天？", "日期是哪天？"), heads=True
    ),
    "month": _Kind(("几月", "什么时候", "何时"), heads=True),
    "year": _Kind(("哪一年", "哪年", "什么时候", "何时"), heads=True),
    "weekday": _Kind(("周几", "星期几", "哪天", "什么时候"), heads=True),
    "clock": _Kind(
        ("几点", "什么时候", "什么时间"), alone=("是几点？", "时间是几点？", "几点？"), heads=True
    ),
    "span": _Kind(("多久", "多长时间", "多少时间"), alone=("要多久？", "多长时间？", "时间有多长？")),
    "money": _Kind(
        ("多少钱", "多少", "多少钱"), alone=("多少钱？", "价格是多少？", "金额是多少？"), counts=True
    ),
    "share": _Kind(("多少", "百分之几", "百分之多少"), alone=("比例是多少？", "占多少？")),
    "length": _Kind(("多少", "多长", "多远"), counts=True),
    "weight": _Kind(("多少", "多重"), counts=True),
    "age": _Kind(
        ("几岁", "多大", "多少岁"),
        alone=("多大年纪？", "几岁？", "年龄是多少？"),
        counts=True,
    ),
    "people": _Kind(("多少人", "几个人", "多少"), counts=True),
    "times": _Kind(("几次", "多少次"), counts=True),
    "count": _Kind(("多少", "几")),
    "telephone": _Kind(("多少", "什么号码"), alone=("电话是多少？", "联系电话是多少？", "怎么联系？")),
    "line": _Kind(("几号线", "哪条线", "哪路车")),
}
_REASON = "reason"
_OFFICE = ("name", "position", "company")
_NUMERALS = "0123456789.,一二三四五六七八九十百千万亿两几多余"
_MARKS = r"，、：,:。！？；!?;\n（）()“”"
_BEFORE = re.compile(rf"[^{_MARKS}]*$")
_AFTER = re.compile(rf"[^{_MARKS}]*")
# What links a clause to the span that ends it; 现在, 没有, 不到, 认为 and 位于 are words of their own.
_LINK = re.compile("(?<!现)(?<!没)(?<!不)(?<!认)(?<!位)(?:约为|约|共有|共|只有|仅有|仅|达到|达|为|是|在|叫)$")
_SO = re.compile("^(?:所以|因此|因而|于是|就|便)+")
ASKED = 20  # code points of a clause that the question keeps on either side
LEAST = 4  # code points that it keeps at least in all: fewer tell nothing
KEEP = (0.4, 1.2)  # share of a clause's words that its question keeps, drawn between; over 1 is all

Way = Callable[[random.Random, Tagged, Mention], str | None]
"""Makes a question for a span of a row; None where that would tell too little."""


def ways_of(row: Tagged, answer: Mention) -> list[Way]:
    """How `answer` can be asked for, the usual ways more than once."""
    if answer.type == _REASON:
        return [_why]
    clause = _clause(row.text, answer)
    ways: list[Way] = [_in_place, _in_place]
    if not clause.after and len(_LINK.sub("", clause.before)) >= 2:
        ways += [_what_it_is] * 3
    if answer.type in _OFFICE:
        ways += [_of_office] * 2
    if answer.type in _OFFICE and not clause.before and len(clause.after) >= LEAST:
        ways.append(_who_it_is)
    if _KINDS[answer.type].alone and [each.type for each in row.mentions].count(answer.type) == 1:
        ways.append(by_kind)
    return ways


def askable(kind: str) -> bool:
    """Whether there is a word that asks for spans of that kind."""
    return kind in _KINDS or kind == _REASON


def by_kind(draw: random.Random, _: Tagged, answer: Mention) -> str:
    """By its kind alone: there is no other of it in the text."""
    return draw.choice(_KINDS[answer.type].alone)


@dataclass(frozen=True, slots=True)
class _Clause:
    """What stands before the span and after it, up to the next mark."""

    before: str
    after: str


def _clause(text: str, answer: Mention) -> _Clause:
    before, after = _BEFORE.search(text, 0, answer.start), _AFTER.match(text, answer.end)
    return _Clause(before[0] if before else "", after[0] if after else "")


def _in_place(draw: random.Random, row: Tagged, answer: Mention) -> str | None:
    """The clause with the asking word for the span, or with the word at its head."""
    clause, keep = _clause(row.text, answer), draw.uniform(*KEEP)
    before = thinned(draw, clause.before[-ASKED:], keep)
    after = thinned(draw, clause.after[:ASKED], keep)
    if len(before) + len(after) < LEAST:
        return None
    word = _word(draw, row.text[answer.start : answer.end], answer.type)
    if _KINDS[answer.type].heads and draw.random() < 0.5:
        before, word = word + before, ""
    return before + word + after + "？"


def _what_it_is(draw: random.Random, row: Tagged, answer: Mention) -> str:
    """Of a span that ends its clause: what stands before it is so-and-so."""
    before = _LINK.sub("", _clause(row.text, answer).before)[-ASKED:]
    word = _word(draw, row.text[answer.start : answer.end], answer.type)
    return before + draw.choice(("是", "是", "")) + word + "？"


def _who_it_is(draw: random.Random, row: Tagged, answer: Mention) -> str:
    """Of a span that begins its clause: who it is that does what follows."""
    after = _clause(row.text, answer).after[:ASKED]
    return after + "的是" + draw.choice(_KINDS[answer.type].words) + "？"


def _why(draw: random.Random, row: Tagged, answer: Mention) -> str | None:
    """Of a reason: why what is said next is so."""
    found = _AFTER.match(row.text, answer.end + 1)
    what = _SO.sub("", found[0]) if found else ""
    if len(what) < LEAST:
        return None
    what = thinned(draw, what[:ASKED], draw.uniform(*KEEP))
    return draw.choice((f"为什么{what}？", f"{what}的原因是什么？", f"{what}是因为什么？", f"为何{what}？"))


def _word(draw: random.Random, words: str, kind: str) -> str:
    """What asks for a span of that kind; for a count also how many of its unit."""
    unit = words.lstrip(_NUMERALS)
    if kind == "count" or (_KINDS[kind].counts and draw.random() < 0.4):
        return draw.choice(("多少", "几") if kind == "count" else ("多少",)) + unit
    return draw.choice(_KINDS[kind].words)


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
