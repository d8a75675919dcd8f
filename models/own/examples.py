"""The texts that a packed model is asked: a few of our own for each task, or the user's."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from models.data.lines import whole_text
from models.errors import MakeError
from server.errors import ServeError
from server.inference.check import check_text
from server.inference.values import Task, Text

MOST_EXAMPLES = 50
MOST_CHARS = 50_000
FIELDS: Mapping[Task, tuple[str, ...]] = {
    Task.CLASSIFY: ("text",),
    Task.NER: ("text",),
    Task.PAIR: ("text", "text_pair"),
    Task.QA: ("question", "context"),
}

_NEWS = (
    "央行宣布下调存款准备金率，释放长期资金约一万亿元",
    "中国女排三比一战胜对手，提前锁定小组第一",
    "新款手机发布：续航提升两成，起售价不变",
    "这家面馆味道不错，就是排队太久了，服务员态度也一般。",
    "王小明去年从上海交通大学毕业，现在在深圳市一家芯片公司工作。",
    "受台风影响，浙江省多地中小学停课一天，部分航班取消",
)
_PAIRS = (
    ("怎么修改登录密码", "登录密码在哪里改"),
    ("花呗怎么还款", "借呗可以提前还款吗"),
    ("一个男人在弹吉他", "有人在演奏乐器"),
    ("今天北京的天气怎么样", "明天上海会下雨吗"),
)
_QUESTIONS = (
    (
        "长江全长多少公里？",
        "长江发源于青藏高原的唐古拉山脉，流经十一个省级行政区，于上海市崇明岛以东注入东海，全长约6300公里。",
    ),
    (
        "谁主持修建了都江堰？",
        "都江堰位于四川省都江堰市，始建于公元前256年前后，由秦国蜀郡太守李冰父子主持修建，至今仍在灌溉田畴。",
    ),
    (
        "图书馆周末几点关门？",
        "市图书馆周一至周五开放时间为上午九点到晚上九点，周末提前至下午五点关门，法定节假日另行通知。",
    ),
)


def examples(task: Task, path: Path | None) -> list[Text]:
    """The user's examples, or a few built-in ones; MakeError for a line that the task cannot answer.

    Args:
        task: Of the bundle.
        path: One example a line: JSON with the request's fields, or plain text where one text is asked.
    """
    if path is None:
        return _built_in(task)
    if not path.is_file():
        raise MakeError(f"There is no file {path}.")
    lines = [line for line in whole_text(path).splitlines() if line.strip()]
    if not lines or len(lines) > MOST_EXAMPLES:
        raise MakeError(f"{path.name} holds {len(lines)} examples; 1 to {MOST_EXAMPLES} are taken.")
    return [_read(task, line, number) for number, line in enumerate(lines, 1)]


def _built_in(task: Task) -> list[Text]:
    if task is Task.PAIR:
        return [Text(first, second) for first, second in _PAIRS]
    if task is Task.QA:
        return [Text(question, context) for question, context in _QUESTIONS]
    return [Text(news) for news in _NEWS]


def _read(task: Task, line: str, number: int) -> Text:
    fields = FIELDS[task]
    text = _text(fields, line)
    if text is None:
        wanted = ", ".join(f'"{field}": "..."' for field in fields)
        plain = " or plain text" if len(fields) == 1 else ""
        raise MakeError(f"Line {number} of the examples is not {{{wanted}}}{plain}.")
    try:
        check_text(text, task, MOST_CHARS, number)
    except ServeError as error:
        raise MakeError(f"Line {number} of the examples: {error.message}") from error
    return text


def _text(fields: tuple[str, ...], line: str) -> Text | None:
    try:
        value = json.loads(line)
    except json.JSONDecodeError:
        value = line
    if isinstance(value, dict):
        parts = [value[field] for field in fields if isinstance(value.get(field), str)]
        return Text(*parts) if len(parts) == len(fields) else None
    return Text(line.strip()) if len(fields) == 1 else None
