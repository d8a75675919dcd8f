"""Hypothesis strategies for the texts that break naive character offsets."""

from __future__ import annotations

from hypothesis import strategies as st

from tests.kit.tokenizer_kit import HAN

TROUBLE = (
    *(" ", "  ", "\u3000", "\t", "\n", "\r\n", "\xa0", "\u2003", "\x85"),
    *(
        "😀",
        "👨‍👩‍👧‍👦",
        "🇨🇳",
        "👍🏽",
        "❤️",
        "1️⃣",
        "🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f",
    ),
    *("\u200b", "\u200c", "\u200d", "\u2060", "\ufeff", "\u200e", "\xad", "\x00", "\x07"),
    *("ＡＢＣ", "１２", "，", "㎡", "½", "ﬁ", "ﷺ", "①", "ｶﾞ", "㈱", "…"),
    *("abc", "THE", "ing", "x" * 120, "İ", "ß", "Ⅷ", "na\u00efve", "e\u0301", "e\u0301\u0323", "\u0301"),
    *("𠀀", "𪚥", "𰻞", "㐀", "ᄒ\u1161\u11ab", "한", "か", "か\u3099", "ก", "שלום", "Ω"),
    *("[SEP]", "[UNK]", "<s>", "</s>", "<unk>", "<0xE5>", "▁", "Ġ", "##", "¨", "\u0600"),
    *("今天", "在", "，", "。"),
)

NAMES = (
    *("北京大学", "小米科技", "上海", "村", "《故事》", "张 三"),
    *("北\u200b京", "𠀀村", "王😀五", "江\u0301"),
)
PLANTED = (*NAMES, "☕店", "店👍🏽", "山❤️")

trouble = st.lists(st.sampled_from(TROUBLE), max_size=8).map("".join)
han = st.text(alphabet=HAN, min_size=1, max_size=120)
anything = st.text(
    st.one_of(st.characters(exclude_categories=("Cs",)), st.sampled_from(HAN)), min_size=1, max_size=60
)
any_text = st.one_of(trouble, han, anything, st.tuples(trouble, han, anything).map("".join))
