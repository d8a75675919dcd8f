"""Cuts a text into the vocabulary's pieces, each with its characters; knows no window, no special token.

The one rule beyond the tokenizer's own: a piece that is unknown covers one character at most. Tokenizers
fuse neighbouring unknowns (two emoji, or an emoji and the word behind it), and a fused one would swallow
the edge of an entity.
"""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tokenizers import Encoding, Tokenizer

from server.inference.spans import Spans, tidy

_MARKUP = re.compile(r"<[^<> ]+>|\[[A-Z]+\]|\[unused\d+\]")
_REMEMBERED_CHARACTERS = 4096
_LONG_CHARACTERS = 1000

# A batch is of one text: threads of the tokenizer's own would only add to those of the process.
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

Token = tuple[int, int, int]
_NOWHERE: Spans = np.empty((0, 2), dtype=np.int32)


@dataclass(frozen=True, slots=True)
class Pieces:
    """A text's content tokens: ids and the characters each covers, where they are asked for."""

    ids: NDArray[np.int64]  # [tokens]
    offsets: Spans  # [tokens, 2]


class Cutter:
    """Wraps a tokenizer, whose truncation, padding and special tokens it switches off for good.

    Safe to share between threads. What a user types never becomes a special token: "[SEP]" and "</s>"
    are cut like other words.
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        tokenizer.no_truncation()
        tokenizer.no_padding()
        tokenizer.encode_special_tokens = True
        self._tokenizer = tokenizer
        vocabulary: dict[str, int] = tokenizer.get_vocab(with_added_tokens=True)
        description: dict[str, Any] = json.loads(tokenizer.to_str())
        self._blank = _boundary_marks(description, vocabulary)
        self._suspect = frozenset(
            {number for token, number in vocabulary.items() if _MARKUP.fullmatch(token)}
            | _unknown(description["model"], vocabulary)
        )
        self._alone = lru_cache(_REMEMBERED_CHARACTERS)(self._cut_character)

    def cut(self, text: str) -> Pieces:
        """The pieces of `text`, in order; none where the normaliser leaves nothing."""
        encoding = self._tokens(text)
        numbers, spans = encoding.ids, encoding.offsets
        if not self._suspect.isdisjoint(numbers):
            tokens = self._refined(text, numbers, spans)
            numbers, spans = [token[0] for token in tokens], [(start, end) for _, start, end in tokens]
        blanks = [number in self._blank for number in numbers]
        return Pieces(np.array(numbers, dtype=np.int64), tidy(text, spans, blanks))

    def ids(self, text: str) -> Pieces:
        """The same pieces without their characters, for answers that are not cut from the text."""
        numbers = self._tokens(text).ids
        if not self._suspect.isdisjoint(numbers):
            return Pieces(self.cut(text).ids, _NOWHERE)
        return Pieces(np.array(numbers, dtype=np.int64), _NOWHERE)

    def _tokens(self, text: str) -> Encoding:
        """A long text goes as a batch of one: only that call lets other threads run meanwhile."""
        if len(text) > _LONG_CHARACTERS:
            return self._tokenizer.encode_batch([text], add_special_tokens=False)[0]
        return self._tokenizer.encode(text, add_special_tokens=False)

    def _refined(self, text: str, numbers: list[int], spans: list[tuple[int, int]]) -> list[Token]:
        """The tokens with every unknown or markup-like one of several characters cut further."""
        tokens: list[Token] = []
        taken = 0
        for number, (start, end) in zip(numbers, spans, strict=True):
            if number not in self._suspect or end - start < 2:
                tokens.append((number, start, end))
            elif taken < end:  # else one of several tokens with one span: byte fallback
                tokens += self._cut_apart(text, max(start, taken), end)
            if number not in self._blank:
                taken = max(taken, end)
        return tokens

    def _cut_apart(self, text: str, start: int, end: int) -> list[Token]:
        """Unknown characters each for themselves, what stands between them as the tokenizer cuts it."""
        tokens: list[Token] = []
        run = start
        for at in range(start, end):
            numbers = self._alone(text[at])
            if not self._suspect.isdisjoint(numbers):
                tokens += self._cut_run(text, run, at)
                tokens += [(number, at, at + 1) for number in numbers]
                run = at + 1
        return tokens + self._cut_run(text, run, end)

    def _cut_run(self, text: str, start: int, end: int) -> list[Token]:
        """Known characters; halved where together they are still unknown (a word past the length limit)."""
        if start == end:
            return []
        if end - start == 1:
            return [(number, start, end) for number in self._alone(text[start])]
        encoding = self._tokens(text[start:end])
        if not self._suspect.isdisjoint(encoding.ids):
            middle = (start + end) // 2
            return self._cut_run(text, start, middle) + self._cut_run(text, middle, end)
        return [
            (number, start + span[0], start + span[1])
            for number, span in zip(encoding.ids, encoding.offsets, strict=True)
            if number not in self._blank
        ]

    def _cut_character(self, char: str) -> tuple[int, ...]:
        """Ids of one character alone, the boundary mark before it left out."""
        numbers = self._tokens(char).ids
        return tuple(number for number in numbers if number not in self._blank)


def _kinds(part: object) -> set[str]:
    """Every "type" named in one part of tokenizer.json."""
    if isinstance(part, dict):
        return {str(part.get("type"))}.union(*map(_kinds, part.values()))
    if isinstance(part, list):
        return set[str]().union(*map(_kinds, part))
    return set()


def _boundary_marks(description: dict[str, Any], vocabulary: dict[str, int]) -> frozenset[int]:
    """Ids of the tokens that mark a word's beginning and hold no character of it."""
    kinds = _kinds(description["normalizer"]) | _kinds(description["pre_tokenizer"])
    marks = {"▁"} if kinds & {"Metaspace", "Prepend"} else {"Ġ"} if "ByteLevel" in kinds else set()
    return frozenset(number for token, number in vocabulary.items() if token and set(token) <= marks)


def _unknown(model: dict[str, Any], vocabulary: dict[str, int]) -> set[int]:
    """The id that the model gives to what it does not know, if it has one."""
    number = model.get("unk_id", vocabulary.get(model.get("unk_token") or ""))
    return set() if number is None else {int(number)}
