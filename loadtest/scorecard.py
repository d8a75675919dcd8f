"""The LightLM scorecard: parameters, time and tasks against BERT-base, by a reconstruction of its formula.

NLPCC 2020's LightLM contest scored four tasks, for models of at most a ninth of BERT-base's parameters and an
eighth of its time. Its formula stands in a guideline that is no longer to be had; this one fits the
published ranking, and its weights and denominators can be changed.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence

from loadtest.errors import LoadtestError
from loadtest.results import Comparison, Formula, Line, Scorecard, Side
from loadtest.summary import over_rounds, throughput
from loadtest.tables import Table

REFERENCE = "BERT-base fp32"
PARAMETERS_LIMIT = 1 / 9
TIME_LIMIT = 1 / 8
TASKS: Mapping[str, str] = {
    "cluener": "CLUENER2020",
    "cluewsc": "CLUEWSC2020",
    "csl": "CSL",
    "cmrc": "CMRC2018",
}
"""The contest's four tasks by what a bundle's quality record says it was measured on."""


def formula_of(numbers: str) -> Formula:
    """From the flag: the weights of tasks, parameters and time, BERT-base's parameters and milliseconds.

    Raises:
        LoadtestError: They are not five numbers.
    """
    try:
        tasks, parameters, time, bert_parameters, bert_ms = map(float, numbers.split(","))
    except ValueError as error:
        raise LoadtestError(f"--lightlm takes five numbers by commas, not {numbers!r}.") from error
    return Formula(
        tasks=tasks, parameters=parameters, time=time, bert_parameters=int(bert_parameters), bert_ms=bert_ms
    )


def scorecard(comparisons: Sequence[Comparison], formula: Formula) -> Scorecard | None:
    """Of all models that were compared with BERT-base fp32; None where none was."""
    own_texts = [one for one in comparisons if one.sides and one.name == one.sides[0].name]
    lines = tuple(line for one in own_texts if (line := _line(one, formula)) is not None)
    if not lines:
        return None
    scored = [line for line in lines if line.score is not None]
    there = {line.task for line in scored}
    missing = tuple(task for task in TASKS.values() if task not in there)
    return Scorecard(formula=formula, lines=lines, missing=missing, score=_score(scored, formula))


def _line(comparison: Comparison, formula: Formula) -> Line | None:
    side = comparison.sides[0]
    ours = over_rounds(comparison, side.name, throughput)
    theirs = over_rounds(comparison, REFERENCE, throughput)
    if ours is None or theirs is None or not (ours.median and theirs.median):
        return None
    task, metric, score = _of_contest(side)
    bert_ms = formula.bert_ms or 1e3 / theirs.median
    return Line(
        model=comparison.name,
        task=task,
        metric=metric,
        score=score,
        parameters_share=side.parameters / formula.bert_parameters,
        time_share=1e3 / ours.median / bert_ms,
    )


def _of_contest(side: Side) -> tuple[str, str, float] | tuple[None, None, None]:
    """The first score on one of the contest's tasks."""
    for score in side.scores:
        for mark, task in TASKS.items():
            if mark in score.split.lower():
                return task, score.metric, score.value
    return None, None, None


def _score(lines: Sequence[Line], formula: Formula) -> float | None:
    if not lines:
        return None
    tasks = statistics.fmean(line.score for line in lines if line.score is not None)
    parameters = statistics.fmean(1 - line.parameters_share for line in lines)
    time = statistics.fmean(1 - line.time_share for line in lines)
    return formula.tasks * tasks + formula.parameters * parameters + formula.time * time


def table(card: Scorecard) -> Table:
    """A line a model, the score in the title."""
    rows = [
        (
            line.model,
            f"1/{1 / line.parameters_share:.1f} ({_within(line.parameters_share, PARAMETERS_LIMIT)})",
            f"1/{1 / line.time_share:.1f} ({_within(line.time_share, TIME_LIMIT)})",
            line.task or "not of the contest",
            "-" if line.score is None else f"{line.metric} {line.score:.4f}",
        )
        for line in card.lines
    ]
    columns = ("model", "parameters of BERT-base (limit 1/9)", "time (limit 1/8)", "task", "score")
    return Table(_card_title(card), columns, tuple(rows))


def _within(share: float, limit: float) -> str:
    return "met" if share <= limit else "MISSED"


def _card_title(card: Scorecard) -> str:
    weights = card.formula
    terms = f"{weights.tasks:g} tasks + {weights.parameters:g} parameters saved + {weights.time:g} time saved"
    title = f"LightLM scorecard, by a reconstruction of its formula ({terms})"
    if card.score is None:
        return f"{title}: none of its four tasks is here, so there is no score"
    found = f"{title}: {card.score:.4f}"
    missing = ", ".join(card.missing)
    return f"{found}, partial: {missing} missing" if missing else found
