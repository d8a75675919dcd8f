"""Where a text says when, how long, how much or why: spans by rule, as an annotator would mark them."""

from __future__ import annotations

import re
from collections.abc import Mapping

from models.data.rows import Mention

_DIGITS = r"\d+(?:[.,]\d+)*"
_WORDS = "[一二三四五六七八九十百千万两]"
_NUMBER = (
    r"(?<![第\d.,])(?![百千万](?:年|米|里|斤|元|人|岁|次|天))"
    rf"(?:{_DIGITS}[多余]?[百千万亿]*|{_WORDS}*[二三四五六七八九十百千万两]{_WORDS}*)[多余几]?"
)
_SMALL = rf"(?:\d{{1,2}}|{_WORDS}{{1,3}})"
_HOUR = "(?:今天|明天|后天|昨天|当天)?(?:凌晨|清晨|早上|上午|中午|下午|傍晚|晚上)?"
_PATTERNS: Mapping[str, str] = {
    "reason": r"(?:(?<=因为)|(?<=由于)|(?<=[，。；：\s]因)(?![此而素果特为]))[^，。；！？!?,;\s]{2,20}(?=，)",
    "date": rf"(?:\d{{4}}年)?{_SMALL}月{_SMALL}[日号]",
    "month": rf"(?:\d{{4}}年)?(?<![第\d.])(?:1?\d|十?{_WORDS})月(?:[上中下]旬|初|底|份)?",
    "year": r"(?<!\d)\d{4}年(?!\d)",
    "weekday": "(?:每|上|下|本|这)?(?:周|星期|礼拜)[一二三四五六日天](?!年)",
    "clock": rf"(?<![第\d])(?!一点[^钟半]){_HOUR}(?:{_SMALL}点(?:半|钟|整|{_SMALL}分)?|\d{{1,2}}[:：]\d\d)"
    r"(?![儿\d])",
    "span": rf"(?!0\d年|[12]\d{{3}}年){_NUMBER}"
    "(?:个半?(?:小时|钟头|月|星期|多月)|分钟|小时|天|周|年|秒)(?!代|级|前后|轻)",
    "money": rf"{_NUMBER}(?:元钱?|块钱?|美元|欧元|英镑)",
    "share": rf"(?:百分之{_NUMBER}|{_DIGITS}[%％])",
    "length": rf"{_NUMBER}(?:公里|千米|米|厘米|毫米)",
    "weight": rf"{_NUMBER}(?:公斤|千克|斤|吨|克)",
    "age": rf"{_NUMBER}岁",
    "people": rf"{_NUMBER}(?:人|名|位)(?!民|们|物|生|类|家|间|才|于|置|数)",
    "times": rf"{_NUMBER}(?:次|遍|回)",
    "count": rf"{_NUMBER}(?:个|只|张|本|件|台|辆|座|家|条|瓶|盒|袋|片|粒|度|瓦|毫升|升|平方米|亩|层|间|所)"
    "(?!多|半|月|工|大|人|里)",
    "telephone": r"(?<!\d)(?:0\d{2,3}-\d{7,8}|\d{3}-\d{3,4}-\d{4}|1\d{10}|[2-8]\d{7})(?![-\d])",
    "line": rf"{_NUMBER}(?:号线|路车)",
}
_ANY = re.compile("|".join(f"(?P<{kind}>{pattern})" for kind, pattern in _PATTERNS.items()))


def amounts(text: str) -> list[Mention]:
    """Times, periods, sums and counts of `text` with their units, and reasons: in order, none overlaps."""
    return [Mention(*found.span(), found.lastgroup or "") for found in _ANY.finditer(text)]
