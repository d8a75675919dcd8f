"""The README's tables of speed and quality, from what was measured: docs/results and the bundles."""

from __future__ import annotations

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
    """The newest complete comparison in docs/results; empty where there is none."""
    found = [
        read for path in root.glob("docs/results/*.json") if (read := comparison_in(path)) and read.complete
    ]
    if not found:
        return ""
    newest = max(found, key=lambda result: result.made)
    return "\n".join(one_comparison(comparison, newest) for comparison in newest.comparisons)


def comparison_in(path: Path) -> results.Result | None:
    """The result in a file, None where it is of another kind."""
    try:
        return results.read(path)
    except msgspec.ValidationError:
        return None


def one_comparison(comparison: results.Comparison, result: results.Result) -> str:
    """A table with a line a server, and the sentence that its figures allow."""
    rows = [one_side(comparison, side) for side in comparison.sides]
    head = "|".join(["server", "parameters, M", "on disk, MB", *SPEED])
    ratios = [claim for claim in summary.claims(comparison, result.method.bound_ms) if claim.holds]
    said = "; ".join(f"{c.ratio.median:.1f} times the {c.over} in {c.what}" for c in ratios)
    method = result.method
    made = f"on {result.machine.cpu}, {result.made[:10]}, by `{method.command}`"
    return (
        f"{table(head, rows)}\n{comparison.sides[0].name}: {said}. {comparison.heading} Medians of"
        f" {method.rounds} rounds taken in turn, inference threads: {method.threads}, {made}.\n"
    )


def one_side(comparison: results.Comparison, side: results.Side) -> list[str]:
    """The figures of one server, medians over its rounds."""
    found = [(summary.over_rounds(comparison, side.name, figure), spec) for figure, spec in SPEED.values()]
    figures = [format(interval.median, spec) if interval else "" for interval, spec in found]
    return [side.name, f"{side.parameters / 1e6:.1f}", f"{side.disk_bytes / 1e6:.1f}", *figures]


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
