"""Where a text says when, how long, how much or why: spans by rule, as an annotator would mark them.

What is in doubt (part of a longer number or range, an ordinal, a unit that may be a word's beginning) is left
out: there are more texts than questions wanted.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from models.data.rows import Mention

_NUMERAL = "零〇一二三四五六七八九十百千万亿两"
# What stands before a number that is part of another, the end of a range, or an ordinal.
_APART = (
    rf"(?<![第几数每点\d{_NUMERAL}~～—–-])(?<!\d[.,:：/])(?<![\d{_NUMERAL}年月日点][到至])"
    "(?![百千万](?:年|米|里|斤|元|人|岁|次|天))"
)
_SPELT = f"[{_NUMERAL}]*[二三四五六七八九十百千万两][{_NUMERAL}]*"
_NUMBER = rf"{_APART}(?:\d+(?:[.,]\d+)*[多余]?[百千万亿]*|{_SPELT})[多余几]?"
_SMALL = rf"(?:\d{{1,2}}|[{_NUMERAL}]{{1,3}})"
_ENDS = rf"(?![半多余零〇几]|[{_NUMERAL}\d])"  # after a unit: the number goes on
_HOUR = "(?:今天|明天|后天|昨天|当天)?(?:凌晨|清晨|早上|上午|中午|下午|傍晚|晚上)"
_PATTERNS: Mapping[str, str] = {
    "reason": r"(?:(?<=因为)|(?<=由于)|(?<=[，。；：\s]因)(?![此而素果特为]))[^，。；！？!?,;\s]{2,20}(?=，)",
    "date": rf"{_APART}(?:\d{{4}}年)?{_SMALL}月{_SMALL}[日号]",
    "month": rf"{_APART}(?:\d{{4}}年)?(?:1?\d|十?[一二三四五六七八九十])月(?:[上中下]旬|初|底|份)?"
    rf"(?![{_NUMERAL}\d])",
    "year": rf"{_APART}[12]\d{{3}}年(?![代级前的]|历史|\d)",
    "weekday": rf"{_APART}(?:上|下|本|这)?(?<!每)(?:周|星期|礼拜)[一二三四五六日天](?![年次天个])",
    "clock": rf"{_APART}(?:{_HOUR}{_SMALL}点(?:半|钟|整|{_SMALL}分)?|{_SMALL}点(?:半|钟|整|{_SMALL}分)"
    r"|(?<=[日号天午晚上晨])\d{1,2}[:：][0-5]\d)"
    rf"(?![儿\d{_NUMERAL}])",
    "span": rf"(?![零\d]\d年|[12]\d{{3}}年|[{_NUMERAL}]{{4,}}年){_NUMBER}"
    rf"(?:个半?(?:小时|钟头|月|星期)|分钟|小时|天|周|年|秒)(?!代|级|前后|轻|制){_ENDS}",
    "money": rf"{_NUMBER}(?:元钱?|块钱?|美元|欧元|英镑)(?!角|儿|蛋|石|地){_ENDS}",
    "share": rf"(?:{_APART}\d+(?:\.\d+)?[%％]|百分之{_SMALL}){_ENDS}(?!点)",
    "length": rf"{_NUMBER}(?:公里|千米|米|厘米|毫米){_ENDS}",
    "weight": rf"{_NUMBER}(?:公斤|千克|斤|吨|克)(?!拉){_ENDS}",
    "age": rf"{_NUMBER}岁{_ENDS}",
    "people": rf"{_NUMBER}(?:人|名|位)(?!民|们|物|生|类|家|间|才|于|置|数){_ENDS}",
    "times": rf"{_NUMBER}(?:次|遍|回){_ENDS}",
    "count": rf"{_NUMBER}(?:个|只|张|本|件|台|辆|座|家|条|瓶|盒|袋|片|粒|度|瓦|毫升|升|平方米|亩|层|间|所)"
    rf"(?!月|工|大|人|里|小时|钟头|星期){_ENDS}",
    "telephone": r"(?<![\d-])(?:0\d{2,3}-\d{7,8}|\d{3}-\d{3,4}-\d{4}|1[3-9]\d{9}|(?!20[012])[2-8]\d{7})"
    r"(?![-\d])",
    "line": rf"{_NUMBER}(?:号线|路车)",
}
_BEGINS = rf"(?=[\d{_NUMERAL}周星礼上下本这今明后昨当凌清早中傍晚]|(?<=[为于因]))"  # saves most of the time
_ANY = re.compile(f"{_BEGINS}(?:{'|'.join(f'(?P<{kind}>{pattern})' for kind, pattern in _PATTERNS.items())})")


def facts(text: str) -> list[Mention]:
    """Times, periods, sums and counts of `text` with their units, and reasons: in order, none overlaps."""
    return [Mention(*found.span(), found.lastgroup or "") for found in _ANY.finditer(text)]
