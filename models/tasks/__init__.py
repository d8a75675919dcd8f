"""What differs from task to task, one file each: rows, targets, scores and figures. Knows no network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from models.data.library import Library
from models.data.rows import R
from models.shape import Head
from models.tasks.answers import QuestionAnswering
from models.tasks.entities import EntityTagging
from models.tasks.figures import Confusion, Figure
from models.tasks.labels import LABELS_OF_PAIRS, LABELS_OF_TEXTS
from server.inference.values import Answer, Encoded, Example, Task


class TaskWork(Protocol[R]):
    """One task as the stages need it; answers are always the server's own decoder's."""

    @property
    def head(self) -> Head:
        """What the network's head gives."""

    @property
    def metric(self) -> str:
        """The name of `score`."""

    @property
    def library(self) -> Library[R]:
        """Where rows are read."""

    def outputs(self, labels: Sequence[str]) -> tuple[str, ...]:
        """What each of the network's outputs stands for."""

    def labels(self, row: R) -> Sequence[str]:
        """The labels that the row has."""

    def learnable(self, row: R) -> bool:
        """Whether a target can be made of it."""

    def target(self, row: R, encoded: Encoded, example: Example, labels: Sequence[str]) -> list[int]:
        """What the network should say of one window, [1], [length] or [2]: see `models.losses.targets_of`."""

    def score(self, rows: Sequence[R], answers: Sequence[Answer]) -> float:
        """What early stopping and the gate go by, 0..1."""

    def figures(
        self, rows: Sequence[R], answers: Sequence[Answer], train: Sequence[R], seed: int
    ) -> list[Figure]:
        """All figures, the one called `metric` first."""

    def confusion(
        self, rows: Sequence[R], answers: Sequence[Answer], labels: Sequence[str]
    ) -> Confusion | None:
        """What was taken for what; None where answers are no labels."""


TASKS: Mapping[Task, TaskWork[Any]] = {
    Task.CLASSIFY: LABELS_OF_TEXTS,
    Task.PAIR: LABELS_OF_PAIRS,
    Task.NER: EntityTagging(),
    Task.QA: QuestionAnswering(),
}
