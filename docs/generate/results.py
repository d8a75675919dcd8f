"""The README's tables of speed and quality, from what was measured: docs/results and the bundles."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from docs.generate.pages import table
from loadtest import results, summary
from server.inference.manifest import MANIFEST_FILE, Manifest, Quality

SPEED = {
    "requests a second": (summary.throughput, ".0f"),
    "lone p50, ms": (summary.lone_p50, ".2f"),
    "lone p99, ms": (summary.lone_p99, ".2f"),
    "CPU a request, ms": (summary.cpu_ms, ".2f"),
    "memory, MB": (summary.resident, ".0f"),
}


def speed(root: Path) -> str:
    """The newest complete comparisons in docs/results, with BERT-base and with the peers; empty without."""
    found = [
        read for path in root.glob("docs/results/*.json") if (read := comparison_in(path)) and read.complete
    ]
    blocks = []
    for kind, block in ((results.COMPARE, one_comparison), (results.PEERS, one_contest)):
        of_kind = [result for result in found if result.kind == kind]
        newest = max(of_kind, key=lambda result: result.made, default=None)
        if newest is not None:
            blocks += [block(comparison, newest) for comparison in newest.comparisons]
    return "\n".join(blocks)


def comparison_in(path: Path) -> results.Result | None:
    """The result in a file, None where it is of another kind."""
    try:
        return results.read(path)
    except msgspec.ValidationError:
        return None


def one_comparison(comparison: results.Comparison, result: results.Result) -> str:
    """A table with a line a server, and the sentence that its figures allow."""
    head = "|".join([comparison.name, "parameters, M", "on disk, MB", *SPEED])
    rows = [
        [
            side.name,
            f"{side.parameters / 1e6:.1f}",
            f"{side.disk_bytes / 1e6:.1f}",
            *figures_of(comparison, side, list(SPEED.values())),
        ]
        for side in comparison.sides
    ]
    return f"{table(head, rows)}\n{said(comparison, result)}\n"


def one_contest(comparison: results.Comparison, result: results.Result) -> str:
    """The same of servers that all serve the same network."""
    bound = result.method.bound_ms
    columns = SPEED | {f"requests a second at p99 of {bound:g} ms": (summary.goodput(bound), ".0f")}
    head = "|".join([f"server ({comparison.name})", "version", "batching", "idle CPU, %", *columns])
    rows = [
        [
            side.name,
            side.version,
            side.form,
            f"{(side.idle_share or 0.0) * 100:.1f}",
            *figures_of(comparison, side, list(columns.values())),
        ]
        for side in comparison.sides
    ]
    return f"{table(head, rows)}\n{said(comparison, result)}\n"


def said(comparison: results.Comparison, result: results.Result) -> str:
    """The claims that hold, and how it was measured."""
    method = result.method
    held = [claim for claim in summary.claims(comparison, method.bound_ms) if claim.holds]
    claims = "; ".join(f"{c.ratio.median:.1f} times the {c.over} in {c.what}" for c in held)
    first = f"{comparison.sides[0].name}: {claims or 'no claim is backed'}"
    made = f"on {result.machine.cpu}, {result.made[:10]}, by `{method.command}`"
    return (
        f"{first}. {comparison.heading.capitalize()}. Rounds taken in turn: {method.rounds}, of which the"
        f" medians; inference threads: {method.threads}; {made}."
    )


def figures_of(
    comparison: results.Comparison, side: results.Side, columns: Sequence[tuple[summary.Figure, str]]
) -> list[str]:
    """The figures of one server, medians over its rounds."""
    found = [(summary.over_rounds(comparison, side.name, figure), spec) for figure, spec in columns]
    return [format(interval.median, spec) if interval else "" for interval, spec in found]


def quality(root: Path) -> str:
    """What the bundles that ship can do, a line a measured score."""
    rows = []
    for path in sorted(root.glob(f"models/zoo/*/{MANIFEST_FILE}")):
        manifest = msgspec.json.decode(path.read_bytes(), type=Manifest)
        name, size = f"[{manifest.name}](models/zoo/{path.parent.name})", f"{manifest.parameters / 1e6:.1f}"
        rows += [[name, manifest.title, size, *one_score(q), manifest.terms.name] for q in manifest.quality]
    head = "model|does|parameters, M|measured|on|score|95 %|baseline|published|terms of the weights"
    return table(head, rows) if rows else ""


def one_score(score: Quality) -> list[str]:
    """Metric, test set, value, interval, baseline and what others published."""
    interval = "" if score.low is None or score.high is None else f"{score.low:.3f} to {score.high:.3f}"
    baseline = "" if score.baseline is None else f"{score.baseline:.3f} ({score.baseline_name})"
    published = "" if score.published is None else f"{score.published:.3f} ({score.published_name})"
    return [
        score.metric,
        f"{score.split}, n = {score.n}",
        f"{score.value:.3f}",
        interval,
        baseline,
        published,
    ]
