"""Pairs made from raw texts: one text said in two ways, or two texts that look alike and are not.

They teach a network to set two texts side by side before it sees labelled pairs. In both kinds words are
changed by the same rules, so that only the comparison tells them apart.
"""

from __future__ import annotations

import random
import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

from models.data.rows import Labelled
from server.inference.values import Text

WAYS = (
    ("怎么", "如何", "怎样", "咋"),
    ("为什么", "为何", "为啥", "怎么"),
    ("什么时候", "何时", "啥时候", "几时"),
    ("可以", "能", "能够", "可不可以"),
    ("能不能", "可不可以", "可以", "是否可以"),
    ("是否", "是不是"),
    ("无法", "不能", "没法", "不了"),
    ("没有", "没", "未"),
    ("什么", "啥", "哪些"),
    ("多少", "几"),
    ("怎么办", "怎么处理", "如何处理", "咋办"),
    ("是什么意思", "什么意思", "是啥意思"),
    ("关闭", "关掉", "取消", "关了"),
    ("开通", "打开", "开启", "启用"),
    ("修改", "更改", "更换", "改"),
    ("使用", "用"),
    ("还款", "还钱"),
    ("多久", "多长时间", "几天"),
    ("提前", "先"),
    ("购买", "买"),
    ("觉得", "认为", "感觉"),
    ("评价", "看待"),
    ("喜欢", "爱"),
    ("吗", "么", "嘛", ""),
    ("请问", ""),
    ("我的", "我", ""),
    ("现在", ""),
    ("呢", "啊", ""),
    ("了", ""),
    ("的", ""),
)
"""Words that may stand for each other in a question; an empty one may be left out."""
CHANGED = 0.35  # of the words found in WAYS
SHORTEST, LONGEST = 5, 60  # code points of a text that pairs are made from
CANDIDATES, NEAR = 12, 60  # neighbours looked at for each pair; for one that is only to be near
ALIKE = 0.75  # two texts that share more of their characters than this may mean the same
_WAY = re.compile("|".join(sorted((re.escape(way) for group in WAYS for way in group if way), key=len)[::-1]))
_OTHERS: Mapping[str, tuple[str, ...]] = {way: group for group in reversed(WAYS) for way in group if way}
_CLAUSES = re.compile(r"^([^，,？?。]{4,})[，,]([^，,？?。]{4,})([？?]?)$")


def twin_pairs(
    texts: Sequence[str], words: Sequence[str], labels: tuple[str, str], count: int, seed: int
) -> list[Labelled]:
    """`count` pairs of `texts`, half of either kind, drawn by `seed`.

    Args:
        texts: Raw texts; too short and too long ones are passed over.
        words: What may be replaced by another of them.
        labels: Of two texts that differ, and of two that say the same.
        count: How many.
        seed: Of all draws.
    """
    usable = [text for text in texts if SHORTEST <= len(text) <= LONGEST]
    drawn = _Draw(random.Random(seed), usable, words)
    return [drawn.pair(labels) for _ in range(count if len(usable) > 1 else 0)]


def near_pairs(texts: Sequence[str], words: Sequence[str], count: int, seed: int) -> list[Text]:
    """At most `count` pairs of a text and another that shares much with it, drawn by `seed`, for a teacher.

    They are such pairs as people set before each other to be told apart; arguments as for `twin_pairs`.
    """
    usable = [text for text in texts if SHORTEST <= len(text) <= LONGEST]
    drawn = _Draw(random.Random(seed), usable, words)
    made = (drawn.near() for _ in range(count if len(usable) > 1 else 0))
    return [pair for pair in made if pair.first != pair.second]


class _Draw:
    """Texts with an index of their words."""

    def __init__(self, draw: random.Random, texts: Sequence[str], words: Sequence[str]) -> None:
        self.draw, self.texts = draw, texts
        self.words = frozenset(words) - _OTHERS.keys()
        self.sizes = sorted({len(word) for word in self.words if len(word) > 1}, reverse=True)
        self.holding: defaultdict[str, list[int]] = defaultdict(list)
        for place, text in enumerate(texts):
            for word in {text[start:end] for start, end in self._found(text)}:
                self.holding[word].append(place)

    def pair(self, labels: tuple[str, str]) -> Labelled:
        """A drawn pair with its label."""
        text = self.draw.choice(self.texts)
        fate = self.draw.random()
        if fate < 0.5:
            both = self._replaced(text) if fate < 0.25 else text
            return Labelled(self._said(both), labels[1], self._said(both))
        other = self._replaced(text) if fate < 0.75 else self._neighbour(text)
        label = labels[_bag(text) == _bag(other)]
        return Labelled(self._said(text), label, self._said(other))

    def near(self) -> Text:
        """A drawn text and its nearest neighbour, either first."""
        text = self.draw.choice(self.texts)
        other = self._neighbour(text, NEAR, 1.0)
        return Text(text, other) if self.draw.random() < 0.5 else Text(other, text)

    def _said(self, text: str) -> str:
        """The text in other words of the same meaning; two clauses may change places."""
        clauses = _CLAUSES.match(text)
        if clauses and self.draw.random() < CHANGED:
            text = f"{clauses[2]}，{clauses[1]}{clauses[3]}"
        said = _WAY.sub(self._other_way, text)
        return said if len(said) >= SHORTEST - 1 else text

    def _other_way(self, found: re.Match[str]) -> str:
        way = found[0]
        return self.draw.choice(_OTHERS[way]) if self.draw.random() < CHANGED else way

    def _replaced(self, text: str) -> str:
        """The text with one of its words replaced by one of another text; a neighbour where it has none."""
        other = self.draw.choice(self.texts)
        here, there = self._found(text), self._found(other)
        if not here or not there:
            return self._neighbour(text)
        (start, end), (first, last) = self.draw.choice(here), self.draw.choice(there)
        return text[:start] + other[first:last] + text[end:]

    def _found(self, text: str) -> list[tuple[int, int]]:
        """Where its words lie, from the left, the longest first."""
        found, start = [], 0
        while start < len(text):
            ends = (start + size for size in self.sizes)
            end = next((end for end in ends if text[start:end] in self.words), 0)
            if end:
                found.append((start, end))
            start = end or start + 1
        return found

    def _neighbour(self, text: str, looked_at: int = CANDIDATES, alike: float = ALIKE) -> str:
        """Another text that shares a word, and as many characters as may be below `alike`."""
        words = self._found(text)
        places: Sequence[int] = range(len(self.texts))
        if words:
            start, end = self.draw.choice(words)
            places = self.holding[text[start:end]] or places
        nearest = [self.texts[place] for place in self.draw.choices(places, k=looked_at)]
        apart = [other for other in nearest if _share(text, other) < alike]
        return max(apart, key=lambda other: _share(text, other), default=self.draw.choice(self.texts))


def _bag(text: str) -> Counter[str]:
    return Counter(text)


def _share(one: str, other: str) -> float:
    """Characters in both over characters in either."""
    return (_bag(one) & _bag(other)).total() / (_bag(one) | _bag(other)).total()
