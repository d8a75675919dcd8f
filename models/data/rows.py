"""What a labelled set is made of, one kind of row a task; how repeats go and a seeded share is held out."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from server.inference.values import Text

OPENING = 20


class Row(Protocol):
    """A text (or two) as the server would be asked it, with the right answer."""

    @property
    def asked(self) -> Text:
        """What goes to the server."""

    @property
    def key(self) -> tuple[str, str]:
        """What makes two rows the same text: all but white space. Equal keys stay on one side of a split."""

    @property
    def whole(self) -> tuple[object, ...]:
        """What makes a row the repeat of another."""


R = TypeVar("R", bound=Row)


def bare(text: str) -> str:
    """The text without its white space."""
    return "".join(text.split())


@dataclass(frozen=True, slots=True)
class Labelled:
    """One text (or pair of texts) with its label."""

    text: str
    label: str
    second: str | None = None

    @property
    def asked(self) -> Text:
        """See `Row`."""
        return Text(self.text, self.second)

    @property
    def key(self) -> tuple[str, str]:
        """See `Row`."""
        return bare(self.text), bare(self.second or "")

    @property
    def whole(self) -> tuple[object, ...]:
        """A text that the data labels in two ways keeps both."""
        return *self.key, self.label

    @property
    def swapped(self) -> Labelled:
        """The pair the other way round."""
        return Labelled(self.second or "", self.label, self.text)


@dataclass(frozen=True, slots=True, order=True)
class Mention:
    """An entity in a text: code points, exclusive end."""

    start: int
    end: int
    type: str


@dataclass(frozen=True, slots=True)
class Tagged:
    """A text with its entities, in order."""

    text: str
    mentions: tuple[Mention, ...]

    @property
    def asked(self) -> Text:
        """See `Row`."""
        return Text(self.text)

    @property
    def key(self) -> tuple[str, str]:
        """See `Row`."""
        return bare(self.text), ""

    @property
    def whole(self) -> tuple[object, ...]:
        """See `Row`."""
        return self.key


@dataclass(frozen=True, slots=True)
class Question:
    """A question on a context, with the answers that count as right and where the first lies, if it is known.

    `start` is a code point of the context; None where no reference stands where the data says.
    """

    question: str
    context: str
    answers: tuple[str, ...]
    start: int | None
    length: int

    @property
    def asked(self) -> Text:
        """See `Row`."""
        return Text(self.question, self.context)

    @property
    def key(self) -> tuple[str, str]:
        """The context alone: its questions stay together."""
        return bare(self.context), ""

    @property
    def whole(self) -> tuple[object, ...]:
        """See `Row`."""
        return bare(self.question), bare(self.context)


def without_repeats(rows: Iterable[R]) -> list[R]:
    """Rows in order, each once."""
    first: dict[tuple[object, ...], R] = {}
    for row in rows:
        first.setdefault(row.whole, row)
    return list(first.values())


def split_off(rows: Sequence[R], count: int, seed: int) -> tuple[list[R], list[R]]:
    """Rows to learn from, and the rows of `count` keys to validate on.

    Equal texts stay on one side, a pair and itself the other way round too.
    """
    keys = sorted({row.key for row in rows})
    random.Random(seed).shuffle(keys)
    held = both_ways(keys[:count])
    return [row for row in rows if row.key not in held], [row for row in rows if row.key in held]


def seen_before(rows: Iterable[Row], train: Iterable[Row]) -> list[bool]:
    """For each row whether its text stands in `train` too."""
    known = both_ways(row.key for row in train)
    return [row.key in known for row in rows]


def both_ways(keys: Iterable[tuple[str, ...]]) -> set[tuple[str, ...]]:
    """Keys, or openings, and the same with the second text first: a pair says the same both ways."""
    return {way for key in keys for way in (key, key[::-1])}


def opening(row: Row) -> tuple[str, ...]:
    """The first letters of its texts: sets share reviews that differ in punctuation or are cut short."""
    return tuple(map(first_letters, row.key))


def first_letters(text: str) -> str:
    """So much of a text as tells it from others."""
    return "".join(filter(str.isalnum, text))[:OPENING]


def majority_share(rows: Sequence[Labelled]) -> float:
    """Accuracy (0..1) of always answering the commonest label."""
    return max(Counter(row.label for row in rows).values()) / len(rows)
