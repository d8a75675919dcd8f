"""Pictures of a result as SVG text that takes its ink from the page, so that it follows light and dark."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from dataclasses import dataclass

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from loadtest.load import LEVELS
from loadtest.results import Comparison, Result
from loadtest.scorecard import REFERENCE
from loadtest.summary import Claim, claims, lone_p50, over_rounds

INK = "#123456"
COLOURS = ("#0f8b8d", "#d1495b", "#edae49", "#6a4c93", "#5f7367", "#3d6fb4", "#8c564b", "#9a9a3c")
SETTINGS = {
    "svg.fonttype": "none",
    "svg.hashsalt": "qingmo",
    "font.family": "sans-serif",
    "font.size": 11,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "legend.frameon": False,
    "figure.constrained_layout.use": True,
}


@dataclass(frozen=True, slots=True)
class Point:
    """A model on the frontier; `published` where its score was not measured here."""

    name: str
    ms: float
    score: float
    published: bool = False


def _drawn(draw: Callable[[Axes], None], title: str, height: float = 3.4) -> str:
    """A picture of one panel."""
    return _panels(lambda panels: draw(panels[0]), title, height)


def _panels(draw: Callable[[list[Axes]], None], title: str, height: float, count: int = 1) -> str:
    """One picture as an inline SVG element with a title for those who cannot see it."""
    with mpl.rc_context(SETTINGS):
        figure = Figure(figsize=(7.4, height))
        draw(list(figure.subplots(1, count, sharey=count > 1, squeeze=False)[0]))
        figure.suptitle(title, x=0.01, ha="left", fontsize=12)
        text = io.StringIO()
        figure.savefig(text, format="svg", transparent=True, metadata={"Date": None, "Title": title})
    svg = text.getvalue()
    svg = svg[svg.index("<svg") :].replace(INK, "currentColor")
    svg = re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", svg, count=1)
    svg = re.sub(r'(<svg[^>]*?) width="[^"]*"', r'\1 role="img" aria-label="' + title + '"', svg, count=1)
    return _private(svg, title)


def _private(svg: str, title: str) -> str:
    """Ids must differ between the pictures of one page."""
    mark = re.sub(r"\W+", "-", title.lower())
    svg = re.sub(r'id="([^"]+)"', rf'id="{mark}-\1"', svg)
    return re.sub(r'(url\(#|href="#)', rf"\g<1>{mark}-", svg)


def speedups(result: Result) -> str:
    """A panel a figure, a bar a comparison: how many times better, as far as backed, with the interval."""
    bars = [
        (claim.what, f"{comparison.name}\nover {claim.over}", claim)
        for comparison in result.comparisons
        for claim in claims(comparison, result.method.bound_ms)
        if claim.holds or claim.lost
    ]
    if not bars:
        return ""
    whats = list(dict.fromkeys(what for what, _, _ in bars))
    names = list(dict.fromkeys(name for _, name, _ in bars))[::-1]

    def draw(panels: list[Axes]) -> None:
        for axes, what in zip(panels, whats, strict=True):
            for claim_of, name, claim in bars:
                if claim_of == what:
                    _bar(axes, names.index(name), claim)
            axes.axvline(1, color=INK, linewidth=0.8, linestyle=":")
            axes.set_title(what, loc="left", fontsize=9)
            axes.set(xlim=(0, 1.45 * max(claim.ratio.high for of, _, claim in bars if of == what)))
        panels[0].set_yticks(range(len(names)), names, fontsize=9)
        panels[0].set_ylim(-0.6, len(names) - 0.4)

    title = "Times faster (bars: median over rounds; whiskers: 95 % interval)"
    return _panels(draw, title, 1.2 + 0.45 * len(names), len(whats))


def _bar(axes: Axes, place: int, claim: Claim) -> None:
    ratio = claim.ratio
    axes.barh(place, ratio.median, color=COLOURS[0] if claim.holds else COLOURS[1], height=0.6)
    whisker = [[ratio.median - ratio.low], [ratio.high - ratio.median]]
    axes.errorbar(ratio.median, place, xerr=np.abs(whisker), color=INK, capsize=3, linewidth=1)
    label, at = f"{ratio.median:.3g}x", (ratio.high, place)
    axes.annotate(label, at, (6, 0), textcoords="offset points", va="center", fontsize=9)


def latency_curves(comparison: Comparison, bound_ms: float) -> str:
    """p99 over offered load, every round, open loop; both axes logarithmic."""
    if not any(turn.opened for turn in comparison.turns):
        return ""

    def draw(axes: Axes) -> None:
        for place, side in enumerate(comparison.sides):
            for turn in comparison.of(side.name):
                points = [(load.rate, load.latency.p99) for load in turn.opened if load.latency]
                label = side.name if turn.round == 1 else None
                axes.plot(
                    *zip(*points, strict=True),
                    "o-",
                    color=COLOURS[place % len(COLOURS)],
                    markersize=3,
                    linewidth=1,
                    label=label,
                )
        axes.axhline(bound_ms, color=INK, linewidth=0.8, linestyle=":")
        _plain_log(axes, "x", "y")
        axes.set(xlabel="offered requests a second", ylabel="p99, ms")
        axes.legend()

    return _drawn(draw, f"{comparison.name}: p99 over offered load")


def cumulative(comparison: Comparison) -> str:
    """Share of lone requests answered within a time, medians of the quantiles over rounds."""
    curves = [
        (side.name, [turn.lone.latency.curve for turn in comparison.of(side.name) if turn.lone.latency])
        for side in comparison.sides
    ]
    if not any(found for _, found in curves):
        return ""

    def draw(axes: Axes) -> None:
        for place, (name, found) in enumerate(curves):
            if found:
                order = np.argsort(LEVELS)
                axes.plot(
                    np.median(found, axis=0)[order],
                    np.asarray(LEVELS)[order] * 100,
                    color=COLOURS[place % len(COLOURS)],
                    label=name,
                )
        _plain_log(axes, "x")
        axes.set(xlabel="ms", ylabel="% of lone requests answered", ylim=(0, 101))
        axes.legend()

    return _drawn(draw, f"{comparison.name}: lone latency, cumulative")


def frontier(result: Result) -> str:
    """Accuracy over time: a point a trained model, from its bundle's quality record.

    BERT-base stands there hollow with the score that others published, where the record names one.
    """
    own = [one for one in result.comparisons if one.sides and one.name == one.sides[0].name]
    points = [point for comparison in own for point in _points(comparison)]
    if not points:
        return ""

    def draw(axes: Axes) -> None:
        for place, comparison in enumerate(own):
            pair = _points(comparison)
            axes.plot([p.ms for p in pair], [p.score for p in pair], ":", color=COLOURS[place], linewidth=1)
            for point in pair:
                face = "none" if point.published else COLOURS[place]
                label = f"{point.name} {point.score:.3g}" if point.published else point.name
                axes.plot(point.ms, point.score, "o", color=COLOURS[place], markerfacecolor=face, label=label)
        _plain_log(axes, "x")
        axes.set(xlabel="lone p50, ms (hollow: score published by others)", ylabel="score on its own task")
        axes.margins(0.12)
        axes.legend(loc="center left", bbox_to_anchor=(1, 0.5), fontsize=8)

    return _drawn(draw, "Accuracy and speed", 2.8 + 0.16 * len(points))


def _points(comparison: Comparison) -> list[Point]:
    """The sides with a score of the first one's metric; BERT-base's is the published one."""
    first = comparison.sides[0]
    score = first.scores[0] if first.scores else None
    points = []
    for side in comparison.sides:
        time = over_rounds(comparison, side.name, lone_p50)
        if time and side.scores and not side.random_weights:
            name = f"{side.name}: {side.scores[0].metric} {side.scores[0].value:.3g}"
            points.append(Point(name, time.median, side.scores[0].value))
        elif time and score and score.published is not None and side.name == REFERENCE:
            points.append(Point("BERT-base, published:", time.median, score.published, published=True))
    return points


def _plain_log(axes: Axes, *names: str) -> None:
    """Logarithmic axes with plain numbers at 1, 2 and 5."""
    for name in names:
        axes.set(**{f"{name}scale": "log"})
        axis: Axis = getattr(axes, f"{name}axis")
        axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        axis.set_major_formatter(FuncFormatter(lambda value, place: f"{value:g}"))
        axis.set_minor_formatter(NullFormatter())
