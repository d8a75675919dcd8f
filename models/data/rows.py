"""What a labelled set is made of, and how its rows are split: repeats out, a seeded share for validation."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Labelled:
    """One text (or pair of texts) with its label."""

    text: str
    label: str
    second: str | None = None

    @property
    def key(self) -> tuple[str, str]:
        """What makes two rows the same text: all but white space."""
        return "".join(self.text.split()), "".join((self.second or "").split())


def without_repeats(rows: Iterable[Labelled]) -> list[Labelled]:
    """Rows in order, each text once a label; a text that the data labels in two ways keeps both."""
    first: dict[tuple[str, str, str], Labelled] = {}
    for row in rows:
        first.setdefault((*row.key, row.label), row)
    return list(first.values())


def split_off(rows: Sequence[Labelled], count: int, seed: int) -> tuple[list[Labelled], list[Labelled]]:
    """Rows to learn from, and about `count` rows to validate on; equal texts stay on one side."""
    keys = sorted({row.key for row in rows})
    random.Random(seed).shuffle(keys)
    held = set(keys[:count])
    return [row for row in rows if row.key not in held], [row for row in rows if row.key in held]


def seen_before(rows: Iterable[Labelled], train: Iterable[Labelled]) -> list[bool]:
    """For each row whether its text stands in `train` too."""
    known = {row.key for row in train}
    return [row.key in known for row in rows]


def majority_share(rows: Sequence[Labelled]) -> float:
    """Accuracy (0..1) of always answering the commonest label."""
    return max(Counter(row.label for row in rows).values()) / len(rows)
