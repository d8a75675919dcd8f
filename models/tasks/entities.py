"""Entities in a text: a tag a token, scored by entity F1 on exact type, start and end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.data.library import Library
from models.data.rows import Mention, Tagged
from models.data.tagged import TAGGED
from models.scores import Counts, calibration_error, macro_f1_of, micro_f1_of
from models.shape import Head
from models.tasks.figures import NO_LABEL, Confusion, Figure, figure_of
from server.inference.values import Answer, Encoded, Entities, Example

PARTS = ("B", "I", "E", "S")
NOTHING = "(nothing)"
LONGEST_NAME = 20


@dataclass(frozen=True, slots=True)
class EntityTagging:
    """See `models.tasks.TaskWork`."""

    library: Library[Tagged] = TAGGED
    head: Head = "tokens"
    metric: str = "micro F1"

    def outputs(self, labels: Sequence[str]) -> tuple[str, ...]:
        """O, and B, I, E and S of each type."""
        return "O", *(f"{part}-{label}" for label in labels for part in PARTS)

    def labels(self, row: Tagged) -> Sequence[str]:
        """The types of its entities."""
        return [each.type for each in row.mentions]

    def learnable(self, row: Tagged) -> bool:
        """Every row is."""
        return True

    def target(self, row: Tagged, encoded: Encoded, example: Example, labels: Sequence[str]) -> list[int]:
        """Tags of the window [length]; NO_LABEL for special tokens and those without characters."""
        tags = _tags(encoded.offsets, row.mentions, labels)
        window, target = example.window, [NO_LABEL] * example.length
        target[window.at : window.at + window.stop - window.start] = tags[window.start : window.stop]
        return target

    def score(self, rows: Sequence[Tagged], answers: Sequence[Answer]) -> float:
        """Entity F1 (0..1) over all types."""
        return micro_f1_of(_count(rows, [_mentions(answer) for answer in answers]).sum(axis=0))

    def figures(
        self, rows: Sequence[Tagged], answers: Sequence[Answer], train: Sequence[Tagged], seed: int
    ) -> list[Figure]:
        """F1 over all entities, and the mean of the types' F1."""
        counts, name = (
            _count(rows, [_mentions(answer) for answer in answers]),
            "names that train holds, looked up",
        )
        names = _names(train)
        base = _count(rows, [_looked_up(row.text, names) for row in rows]).sum(axis=0)
        gap = calibration_error(*_scored(rows, answers))
        hits, said, there = counts.sum(axis=0).reshape(-1, 3).sum(axis=0)
        notes = (
            f"Precision {hits / max(said, 1):.4f}, recall {hits / max(there, 1):.4f}, {there:.0f} entities, "
            f"calibration error {gap:.4f}."
        )
        return [
            figure_of(self.metric, counts, micro_f1_of, seed, micro_f1_of(base), name, notes),
            figure_of("macro F1", counts, macro_f1_of, seed, macro_f1_of(base), name),
        ]

    def confusion(
        self, rows: Sequence[Tagged], answers: Sequence[Answer], labels: Sequence[str]
    ) -> Confusion | None:
        """Types of entities with the same start and end; what has no such partner stands beside nothing."""
        pairs: Counter[tuple[str, str]] = Counter()
        for row, answer in zip(rows, answers, strict=True):
            there = {(each.start, each.end): each.type for each in row.mentions}
            said = {(each.start, each.end): each.type for each in _mentions(answer)}
            pairs.update((there.get(at, NOTHING), said.get(at, NOTHING)) for at in there.keys() | said.keys())
        names = (*labels, NOTHING)
        return Confusion(names, names, np.array([[pairs[true, said] for said in names] for true in names]))


def _mentions(answer: Answer) -> list[Mention]:
    assert isinstance(answer, Entities), "a tagger answers with entities. This is a bug."
    return [Mention(each.start, each.end, each.type) for each in answer.entities]


def _scored(rows: Sequence[Tagged], answers: Sequence[Answer]) -> tuple[Counts, NDArray[np.bool_]]:
    """The score of each given entity, and whether it is right."""
    scores = [each.score for answer in answers if isinstance(answer, Entities) for each in answer.entities]
    right = [
        each in row.mentions for row, answer in zip(rows, answers, strict=True) for each in _mentions(answer)
    ]
    return np.array(scores), np.array(right, dtype=np.bool_)


def _count(rows: Sequence[Tagged], said: Sequence[Sequence[Mention]]) -> Counts:
    """Hits, given and true entities of each type, [rows, types * 3]."""
    types = sorted(
        {each.type for row in rows for each in row.mentions} | {m.type for each in said for m in each}
    )
    place = {type_: index for index, type_ in enumerate(types)}
    counts = np.zeros((len(rows), len(types), 3))
    for line, (row, mentions) in enumerate(zip(rows, said, strict=True)):
        for column, found in enumerate((set(mentions) & set(row.mentions), set(mentions), set(row.mentions))):
            for each in found:
                counts[line, place[each.type], column] += 1
    return counts.reshape(len(rows), -1)


def _tags(offsets: NDArray[np.int32], mentions: Sequence[Mention], labels: Sequence[str]) -> list[int]:
    """A tag for each content token; where entities overlap, the longer one is learnt."""
    visible = offsets[:, 1] > offsets[:, 0]
    tags = np.where(visible, 0, NO_LABEL)
    for each in sorted(mentions, key=lambda mention: mention.start - mention.end):
        inside = np.flatnonzero(visible & (offsets[:, 0] < each.end) & (offsets[:, 1] > each.start))
        if len(inside) and not tags[inside].any():
            parts = "S" if len(inside) == 1 else "B" + "I" * (len(inside) - 2) + "E"
            tags[inside] = [1 + labels.index(each.type) * len(PARTS) + PARTS.index(part) for part in parts]
    result: list[int] = tags.tolist()
    return result


def _names(train: Sequence[Tagged]) -> Mapping[str, str]:
    """Each name in train with its commonest type."""
    uses: dict[str, Counter[str]] = {}
    for row in train:
        for each in row.mentions:
            uses.setdefault(row.text[each.start : each.end], Counter())[each.type] += 1
    return {name: types.most_common(1)[0][0] for name, types in uses.items()}


def _looked_up(text: str, names: Mapping[str, str]) -> list[Mention]:
    """Known names in the text, from the left, the longest first."""
    found, start = [], 0
    while start < len(text):
        ends = range(min(len(text), start + LONGEST_NAME), start, -1)
        end = next((end for end in ends if text[start:end] in names), 0)
        if end:
            found.append(Mention(start, end, names[text[start:end]]))
        start = end or start + 1
    return found
