"""One label for a text or for a pair of texts: learnt by cross-entropy, scored by accuracy."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from models.data.labelled import LABELLED, PAIRED
from models.data.library import Library
from models.data.rows import Labelled, majority_share
from models.scores import calibration_error, macro_f1, mean_of
from models.shape import Head
from models.tasks.figures import Confusion, Figure, figure_of
from server.inference.values import Answer, Encoded, Example, Label, Labels


@dataclass(frozen=True, slots=True)
class Labelling:
    """See `models.tasks.TaskWork`."""

    library: Library[Labelled]
    head: Head = "classify"
    metric: str = "accuracy"

    def outputs(self, labels: Sequence[str]) -> tuple[str, ...]:
        """The labels themselves."""
        return tuple(labels)

    def labels(self, row: Labelled) -> Sequence[str]:
        """The one."""
        return [row.label]

    def learnable(self, row: Labelled) -> bool:
        """Every row is."""
        return True

    def target(self, row: Labelled, encoded: Encoded, example: Example, labels: Sequence[str]) -> list[int]:
        """The label's place [1], for each window of the text."""
        return [labels.index(row.label)]

    def score(self, rows: Sequence[Labelled], answers: Sequence[Answer]) -> float:
        """Share (0..1) of rows whose best label is theirs."""
        return float(np.mean([_best(a).label == row.label for row, a in zip(rows, answers, strict=True)]))

    def figures(
        self, rows: Sequence[Labelled], answers: Sequence[Answer], train: Sequence[Labelled], seed: int
    ) -> list[Figure]:
        """Accuracy, with macro F1 and calibration in its notes."""
        truth, best = [row.label for row in rows], [_best(answer) for answer in answers]
        right = np.array([label.label == true for label, true in zip(best, truth, strict=True)])
        macro = macro_f1(truth, [label.label for label in best])
        gap = calibration_error(np.array([label.score for label in best]), right)
        notes = f"Macro F1 {macro:.4f}, calibration error {gap:.4f}."
        counts = np.stack([right.astype(np.float64), np.ones(len(right))], axis=1)
        name = "always the commonest label"
        return [figure_of(self.metric, counts, mean_of, seed, majority_share(rows), name, notes)]

    def confusion(
        self, rows: Sequence[Labelled], answers: Sequence[Answer], labels: Sequence[str]
    ) -> Confusion | None:
        """All labels against all labels."""
        pairs = Counter((row.label, _best(answer).label) for row, answer in zip(rows, answers, strict=True))
        counts = np.array([[pairs[true, said] for said in labels] for true in labels])
        return Confusion(tuple(labels), tuple(labels), counts)


def _best(answer: Answer) -> Label:
    assert isinstance(answer, Labels), "a classifier answers with labels. This is a bug."
    return answer.labels[0]


LABELS_OF_TEXTS = Labelling(LABELLED)
LABELS_OF_PAIRS = Labelling(PAIRED)
