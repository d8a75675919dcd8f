"""A result as Markdown and as one self-contained HTML page; says nothing that is not in the result."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path

import jinja2
from markupsafe import Markup

from loadtest import scorecard, tables
from loadtest.results import Comparison, Result, write_text
from loadtest.summary import losses
from loadtest.tables import Table

TEMPLATES = Path(__file__).parent / "templates"


@dataclass(frozen=True, slots=True)
class Part:
    """One comparison as the page shows it."""

    comparison: Comparison
    tables: list[Table]
    pictures: list[Markup]
    losses: list[str]


@functools.cache
def _templates() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=jinja2.select_autoescape(["html.j2"], default_for_string=False),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


def _pictures(*drawn: str) -> list[Markup]:
    return [Markup(svg) for svg in drawn if svg]


def _part(found: Comparison, result: Result, pictures: list[Markup]) -> Part:
    return Part(found, tables.of_comparison(found, result), pictures, losses(found, result.method.bound_ms))


def card_of(result: Result) -> Table | None:
    """The LightLM scorecard; None where nothing was compared with BERT-base fp32."""
    return scorecard.table(result.scorecard) if result.scorecard else None


def tables_of(result: Result) -> list[Table]:
    """All tables in order, for the terminal."""
    parts = [table for found in result.comparisons for table in tables.of_comparison(found, result)]
    return [table for table in (*parts, card_of(result), tables.ceiling(result)) if table and table.rows]


def markdown(result: Result) -> str:
    """For docs/results and the terminal."""
    parts = [_part(found, result, []) for found in result.comparisons]
    template = _templates().get_template("report.md.j2")
    card, ceiling = card_of(result), tables.ceiling(result)
    return template.render(result=result, parts=parts, ceiling=ceiling, scorecard=card)


def page(result: Result) -> str:
    """One HTML file: styles and pictures inside, no script, nothing from the network."""
    from loadtest import charts  # noqa: PLC0415 - matplotlib takes a second

    bound = result.method.bound_ms
    parts = [
        _part(found, result, _pictures(charts.latency_curves(found, bound), charts.cumulative(found)))
        for found in result.comparisons
    ]
    return (
        _templates()
        .get_template("report.html.j2")
        .render(
            result=result,
            parts=parts,
            pictures=_pictures(charts.speedups(result), charts.frontier(result)),
            ceiling=tables.ceiling(result),
            scorecard=card_of(result),
        )
    )


def write(result: Result, json_path: Path) -> tuple[Path, Path]:
    """Markdown and page beside the JSON file; their paths.

    Raises:
        NotWritten: Disk full, or no permission.
    """
    paths = json_path.with_suffix(".md"), json_path.with_suffix(".html")
    write_text(paths[0], markdown(result))
    write_text(paths[1], page(result))
    return paths
