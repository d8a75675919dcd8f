"""Questions made by the word that asks for what is marked in a text, or for a fact found by rule."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.data.asked import LONGEST, OTHERS, asked_questions, pieces
from models.data.facts import facts
from models.data.rows import Mention, Tagged

OFFICE = Tagged(
    "本报讯，招商银行总经理左创宏昨天在深圳说，今年还会更好。",
    (
        Mention(4, 8, "company"),
        Mention(8, 11, "position"),
        Mention(11, 14, "name"),
        Mention(17, 19, "address"),
    ),
)
FILM = Tagged("周末我们一起去看了《流浪地球》这部片子。", (Mention(9, 15, "movie"),))
PLAIN = Tagged("会议改到下午三点半，大约开两个小时，每个人交五十元。", ())
ROWS = (OFFICE, FILM, PLAIN)


def answers_of(questions, asked):
    """The answers of those questions that look so."""
    return {each.answers[0] for each in questions if re.fullmatch(asked, each.question)}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("2008年5月12日14:28发生地震", {"date": ["2008年5月12日"], "clock": ["14:28"]}),
        ("早上八点半开门，晚上9点关门", {"clock": ["早上八点半", "晚上9点"]}),
        ("建于1984年，用了三年", {"year": ["1984年"], "span": ["三年"]}),
        ("押金七千元，涨了12.5%", {"money": ["七千元"], "share": ["12.5%"]}),
        (
            "下周三之前打13800138000或010-65170751",
            {"weekday": ["下周三"], "telephone": ["13800138000", "010-65170751"]},
        ),
        ("坐2号线二十多分钟，走300米", {"line": ["2号线"], "span": ["二十多分钟"], "length": ["300米"]}),
        ("这是第二次，好一点了，第三天再说，几百年来", {}),
        ("2003-2004年的第3名，第二十三个，几十年来，数百名，一百零五元六角，2003-04年", {}),
        ("高45-150厘米，8到15秒，三年半，三岁半，5块多，3元5角，百分之三点五，3克拉", {}),
        ("三点建议，下跌50点，比分98：85，一周一次，98年世界杯", {}),
        ("每周三次，5000年的历史", {"times": ["三次"], "span": ["5000年"]}),
        ("一九九八年，两千零八年，20100312，两块蛋糕，两三千", {}),
        ("改到三点半，涨到12元，押金：七千元", {"clock": ["三点半"], "money": ["12元", "七千元"]}),
        (
            "鸡蛋四个，十二月下旬买，2016年10月买的",
            {"count": ["四个"], "month": ["十二月下旬", "2016年10月"]},
        ),
        ("用了三个月，每次两片，三个人", {"span": ["三个月"], "count": ["两片"]}),
        ("因管道检修停水，因此；，因天冷，不去，由于有事，没来", {"reason": ["天冷", "有事"]}),
        ("编号1234567890", {}),
    ],
)
def test_facts_are_marked_with_their_units_and_ordinals_are_none(text, found):
    marked: dict[str, list[str]] = {}
    for each in facts(text):
        marked.setdefault(each.type, []).append(text[each.start : each.end])
    assert marked == found


@given(st.text("第一二两3年月日号点半钟周个小时元%人次岁13800.:-，x", max_size=60))
def test_a_fact_is_some_characters_and_never_part_of_a_longer_number(text):
    for each in facts(text):
        assert each.start < each.end
        assert each.type == "telephone" or not re.search(r"[\d一二两第]$", text[: each.start])


@given(
    st.lists(st.text("张三在北京。两点半，元年5\n《》x", min_size=1, max_size=40), max_size=6),
    st.integers(0, 20),
    st.integers(0, 9),
)
def test_every_answer_stands_where_it_is_said_to_and_once(texts, count, seed):
    made = asked_questions(pieces(texts), count, seed)
    assert len(made) <= count
    for each in made:
        assert each.context[each.start : each.start + each.length] == each.answers[0]
        assert each.context.count(each.answers[0]) == 1
        assert each.answers[0] not in each.question
        assert each.question.endswith("？")


def test_names_and_facts_are_asked_for_by_their_own_words():
    made = asked_questions(ROWS * 200, 600, 1)
    assert 300 < len(made) < 600, "each question on a context is made once"
    assert len({(each.question, each.context) for each in made}) == len(made)
    assert made == asked_questions(ROWS * 200, 600, 1) != asked_questions(ROWS * 200, 600, 2)
    assert answers_of(made, ".*电影.*|.*影片.*") == {"《流浪地球》"}
    assert answers_of(made, ".*几点.*") == {"下午三点半"}
    assert answers_of(made, ".*(多久|多长时间).*") == {"两个小时"}
    assert answers_of(made, ".*多少钱.*") == {"五十元"}
    assert answers_of(made, "每个人交多少钱？") == {"五十元"}, "some keep their clause's every word"
    assert answers_of(made, "什么时候会议改到？") == {"下午三点半"}, "a time is asked for at the head too"


def test_what_a_clause_ends_with_and_begins_with_is_asked_for_as_people_do():
    priced = Tagged("本机起售价为2499元，由于停产，所以不再维修。", ())
    made = asked_questions([priced] * 200, 200, 1)
    assert answers_of(made, "本机起售价(是)?多少(钱|元)?？") == {"2499元"}
    assert answers_of(made, "为[什何][么]?不再维修？") | answers_of(made, "不再维修的原因是什么？") == {
        "停产"
    }
    named = Tagged("左创宏当选新一届会长。", (Mention(0, 3, "name"),))
    assert answers_of(asked_questions([named] * 50, 50, 1), "当选新一届会长的是(谁|哪位|什么人)？") == {
        "左创宏"
    }


def test_an_office_is_asked_for_from_both_sides():
    made = asked_questions([OFFICE] * 100, 100, 1)
    assert answers_of(made, "(谁是)?(招商银行)?总经理(是谁|叫什么名字)?？") == {"左创宏"}
    assert answers_of(made, "左创宏(的职务是什么|担任什么职位|是做什么的)？") == {"总经理"}
    assert answers_of(made, "左创宏(在|来自|是)哪家公司.*") == {"招商银行"}


def test_a_context_is_the_text_among_others_unless_its_kind_alone_is_asked_for():
    made = asked_questions(ROWS * 60, 300, 3)
    alone = [each for each in made if each.question in ("说的是哪部电影？", "电影叫什么名字？")]
    assert alone
    assert all(each.context == FILM.text for each in alone)
    longest = (OTHERS + 1) * max(len(row.text) for row in ROWS)
    assert longest / 2 < max(len(each.context) for each in made) <= longest


def test_texts_in_company_do_not_run_into_each_other():
    cut = Tagged("票价上调了2", ()), Tagged("50元的票明天再卖", ())
    made = asked_questions(cut * 50, 50, 1)
    assert {each.answers[0] for each in made} == {"50元"}
    assert any("上调了2。50元" in each.context for each in made)
    assert not [each for each in made if "250" in each.context]


def test_long_texts_are_asked_about_in_pieces_of_whole_sentences():
    text = "他花了三百元。" * 40 + "没有句号的一段" * 40 + "\n最后五点见"
    cut = [piece.text for piece in pieces([text])]
    assert all(len(piece) <= LONGEST for piece in cut)
    assert all(piece.endswith(("。", "见")) for piece in cut)
    assert "".join(cut) == "他花了三百元。" * 40 + "最后五点见"
    assert pieces(["他花了三百元，一共买了多少本书，看了多久？", "他花了三百元"]) == []
