"""Texts altered for a teacher to speak on: words of one text stand in the place of another's.

After TinyBERT's data augmentation (Jiao et al. 2020, arXiv 1909.10351), which asks a masked language model
and word vectors for words that fit. Neither is at hand here: a word is replaced by one that was seen between
the same two characters in the other texts, which is what a masked model learns of short contexts.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Sequence

from server.inference.values import Text

SIZES = (1, 2, 3)  # characters of a word
CHANGED = 0.4  # of the places where another word is known
EDGE = "\n"  # stands before the first character and after the last


def altered(texts: Sequence[Text], copies: int, seed: int) -> list[Text]:
    """`copies` of each text with words changed, drawn by `seed`; what comes out unchanged is left out."""
    if not copies:
        return []
    draw = random.Random(seed)
    words = _words([part for text in texts for part in (text.first, text.second) if part])
    made = [
        Text(_changed(draw, text.first, words), text.second and _changed(draw, text.second, words))
        for text in texts
        for _ in range(copies)
    ]
    known = set(texts)
    return [text for text in dict.fromkeys(made) if text not in known]


def _words(texts: Sequence[str]) -> dict[tuple[str, str], list[str]]:
    """What stands between each two characters, as often as it does."""
    found: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
    for text in texts:
        framed = EDGE + text + EDGE
        for start in range(1, len(framed) - 1):
            for size in SIZES:
                word, after = framed[start : start + size], framed[start + size : start + size + 1]
                if after and word.isalnum():
                    found[framed[start - 1], after].append(word)
    return found


def _changed(draw: random.Random, text: str, words: dict[tuple[str, str], list[str]]) -> str:
    framed, made, at = EDGE + text + EDGE, "", 1
    while at < len(framed) - 1:
        size = draw.choice(SIZES)
        before, old, after = framed[at - 1], framed[at : at + size], framed[at + size : at + size + 1]
        others = words.get((before, after), ()) if old.isalnum() else ()
        new = draw.choice(others) if others and draw.random() < CHANGED else old
        made, at = made + new, at + size
    return made.replace(EDGE, "") or text
