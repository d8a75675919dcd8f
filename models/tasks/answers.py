"""Answers cut from a context: start and end learnt over each window, scored by the rules of CMRC2018."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from models.data.library import Library
from models.data.questions import QUESTIONS
from models.data.rows import Question
from models.scores import Counts, calibration_error, exact_match, mean_of, overlap_f1
from models.shape import Head
from models.tasks.figures import Confusion, Figure, figure_of
from server.inference.values import Answer, Answers, Encoded, Example

_CLAUSE = re.compile(r"[^，。；！？：、,;!?]+")


@dataclass(frozen=True, slots=True)
class QuestionAnswering:
    """See `models.tasks.TaskWork`. Early stopping goes by F1: it moves with every answer, EM with few."""

    library: Library[Question] = QUESTIONS
    head: Head = "spans"
    metric: str = "F1"

    def outputs(self, labels: Sequence[str]) -> tuple[str, ...]:
        """Start and end."""
        return "start", "end"

    def labels(self, row: Question) -> Sequence[str]:
        """None."""
        return ()

    def learnable(self, row: Question) -> bool:
        """Whether a reference stands where the data says."""
        return row.start is not None

    def target(self, row: Question, encoded: Encoded, example: Example, labels: Sequence[str]) -> list[int]:
        """Places [2] of the answer's first and last token; 0 and 0 where the window lacks it."""
        assert row.start is not None, "rows without a place are not learnt. This is a bug."
        offsets, window = encoded.offsets, example.window
        inside = np.flatnonzero(
            (offsets[:, 1] > offsets[:, 0])
            & (offsets[:, 0] < row.start + row.length)
            & (offsets[:, 1] > row.start)
        )
        if not len(inside) or inside[0] < window.start or inside[-1] >= window.stop:
            return [0, 0]
        return [int(token) - window.start + window.at for token in (inside[0], inside[-1])]

    def score(self, rows: Sequence[Question], answers: Sequence[Answer]) -> float:
        """Mean F1 (0..1)."""
        return float(
            np.mean([overlap_f1(_said(a), row.answers) for row, a in zip(rows, answers, strict=True)])
        )

    def figures(
        self, rows: Sequence[Question], answers: Sequence[Answer], train: Sequence[Question], seed: int
    ) -> list[Figure]:
        """Mean F1 and exact matches."""
        said = [_said(answer) for answer in answers]
        clauses = [_likeliest_clause(row) for row in rows]
        f1, exact = _means(rows, said)
        f1_base, exact_base = (counts[:, 0].mean() for counts in _means(rows, clauses))
        sure = [
            each.answers[0].score if each.answers else 0.0 for each in answers if isinstance(each, Answers)
        ]
        notes = (
            f"Calibration error (of exact matches) {calibration_error(np.array(sure), exact[:, 0] > 0):.4f}."
        )
        name = "the clause that shares most characters with the question"
        return [
            figure_of(self.metric, f1, mean_of, seed, float(f1_base), name, notes),
            figure_of("EM", exact, mean_of, seed, float(exact_base), name),
        ]

    def confusion(
        self, rows: Sequence[Question], answers: Sequence[Answer], labels: Sequence[str]
    ) -> Confusion | None:
        """Answers are no labels."""
        return None


def _said(answer: Answer) -> str:
    assert isinstance(answer, Answers), "a reader answers with spans. This is a bug."
    return answer.answers[0].text if answer.answers else ""


def _means(rows: Sequence[Question], said: Sequence[str]) -> tuple[Counts, Counts]:
    """F1 and exact match of each row, each [rows, 2] beside a one."""
    pairs = list(zip(said, (row.answers for row in rows), strict=True))
    f1 = [[overlap_f1(text, references), 1.0] for text, references in pairs]
    exact = [[float(exact_match(text, references)), 1.0] for text, references in pairs]
    return np.array(f1), np.array(exact)


def _likeliest_clause(row: Question) -> str:
    clauses = _CLAUSE.findall(row.context) or [row.context]
    return max(clauses, key=lambda clause: len(set(clause) & set(row.question)))
