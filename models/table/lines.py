"""What was seen of a model as a line of the table. Asks nothing and measures nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from models.quality import Official, quality_of
from models.table.agreement import agreement
from models.table.sheet import Line, Score
from models.table.subject import Subject
from models.workspace import WEIGHTS_FILE
from server.inference.manifest import Quality
from server.inference.values import Answer

Answered = Sequence[Answer]


@dataclass(frozen=True, slots=True)
class Seen:
    """Answers of each form and of the teacher, milliseconds a text alone, mean tokens a text."""

    tokens: float
    int8: Answered | None = None
    fp32: Answered | None = None
    teacher: Answered | None = None
    int8_ms: float | None = None
    fp32_ms: float | None = None


def untouched(subject: Subject) -> Line:
    """Of a recipe that was not made here: what it would be, and no figure."""
    assert subject.recipe is not None, "a subject without network and bundle is a recipe. This is a bug."
    recipe = subject.recipe
    return Line(
        name=subject.name,
        recipe=recipe.name,
        task=recipe.task,
        data=recipe.data.set,
        teacher=subject.teacher,
        notes=subject.notes,
    )


def line_of(subject: Subject, official: Official, seen: Seen) -> Line:
    """All that is known of it."""
    trained, bundle, notes = subject.trained, subject.bundle, subject.notes
    if subject.teacher and seen.teacher is None:
        notes += (
            f"its teacher {subject.teacher} is not here, or was trained again since: no agreement is known.",
        )
    origin = trained.record if trained else bundle.manifest.lineage if bundle else None
    assert origin is not None, "what was seen has a network or a bundle. This is a bug."
    agreed = agreement(seen.int8, seen.teacher) if seen.int8 and seen.teacher else None
    return Line(
        name=subject.name,
        recipe=subject.recipe.name if subject.recipe else origin.recipe,
        task=official.task,
        data=official.name,
        version=bundle.manifest.version if bundle else "",
        base=origin.base,
        commit=origin.commit,
        made=origin.made,
        teacher=subject.teacher,
        scores=_scores(subject, official, seen),
        agreement=agreed,
        parameters=_parameters(subject),
        bytes=sum(file.bytes for file in bundle.manifest.files) if bundle else None,
        fp32_bytes=_float_bytes(subject),
        tokens=seen.tokens,
        int8_ms=seen.int8_ms,
        fp32_ms=seen.fp32_ms,
        minutes=subject.minutes,
        notes=notes,
    )


def _parameters(subject: Subject) -> int | None:
    if subject.bundle:
        return subject.bundle.manifest.parameters
    return subject.trained.config.shape.parameters if subject.trained else None


def _float_bytes(subject: Subject) -> int | None:
    """Of the float graph, or of the weights."""
    weights = subject.trained.folder / WEIGHTS_FILE if subject.trained else None
    path = subject.graph or weights
    return path.stat().st_size if path else None


def _scores(subject: Subject, official: Official, seen: Seen) -> tuple[Score, ...]:
    """A score for each figure, of each form that was asked; what the literature says is the bundle's word.

    So is the score of a teacher that could not be asked.
    """
    stated = subject.bundle.manifest.quality if subject.bundle else ()
    reported = _by_figure(stated)
    int8, fp32, teacher = (_figures(official, said) for said in (seen.int8, seen.fp32, seen.teacher))
    return tuple(
        Score(
            metric=one.metric,
            split=one.split,
            n=one.n,
            fp32=_value(fp32, key),
            int8=_value(int8, key),
            teacher=_value(teacher, key) if teacher else _stated_of_teacher(reported, key),
            baseline=one.baseline,
            baseline_name=one.baseline_name,
            published=reported[key].published if key in reported else None,
            published_name=reported[key].published_name if key in reported else None,
        )
        for key, one in (int8 or fp32).items()
    )


Figures = Mapping[tuple[str, str], Quality]
"""By metric and split."""


def _figures(official: Official, said: Answered | None) -> Figures:
    return {} if said is None else _by_figure(quality_of(official, said, seed=0))


def _by_figure(quality: Sequence[Quality]) -> Figures:
    return {(each.metric, each.split): each for each in quality}


def _stated_of_teacher(stated: Figures, key: tuple[str, str]) -> float | None:
    return stated[key].teacher if key in stated else None


def _value(figures: Figures, key: tuple[str, str]) -> float | None:
    return figures[key].value if key in figures else None
