"""The README's tables of speed and quality, from what was measured: docs/results and the bundles."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from docs.generate.pages import table
from loadtest import results, summary
from models.checking.sheet import Sheet
from models.sheet import baseline_cell, interval_cell, named_cell
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
    blocks: list[str] = []
    for kind in (results.COMPARE, results.PEERS):
        of_kind = [result for result in found if result.kind == kind]
        newest = max(of_kind, key=lambda result: result.made, default=None)
        if newest is not None:
            blocks += filter(None, (one_result(newest), replaced(root, newest)))
    return "\n".join(blocks)


def replaced(root: Path, result: results.Result) -> str:
    """Which of the bundles measured have given way to others since; empty if none has."""
    shipped = {manifest.name: manifest.version for manifest in manifests(root)}
    sides = [comparison.sides[0] for comparison in result.comparisons]
    then = {side.bundle: side.bundle_version or side.version for side in sides}
    names = [name for name, version in then.items() if shipped.get(name, version) != version]
    listed = ", ".join(names)
    return f"Since then these bundles were made anew, with other weights: {listed}.\n" if listed else ""


def manifests(root: Path) -> list[Manifest]:
    """Of the bundles that ship."""
    paths = sorted(root.glob(f"models/zoo/*/{MANIFEST_FILE}"))
    return [msgspec.json.decode(path.read_bytes(), type=Manifest) for path in paths]


def comparison_in(path: Path) -> results.Result | None:
    """The result in a file, None where it is of another kind."""
    try:
        return results.read(path)
    except msgspec.ValidationError:
        return None


def one_result(result: results.Result) -> str:
    """A table for each heading, a line a server in it, with the sentences that its figures allow."""
    blocks = []
    for heading in dict.fromkeys(comparison.heading for comparison in result.comparisons):
        comparisons = [one for one in result.comparisons if one.heading == heading]
        claims = "".join(f"- {said(one, result.method.bound_ms)}\n" for one in comparisons)
        blocks.append(f"{heading[:1].upper()}{heading[1:]}:\n\n{servers(comparisons, result)}\n{claims}")
    return "\n".join([*blocks, how(result)])


def servers(comparisons: Sequence[results.Comparison], result: results.Result) -> str:
    """A line a comparison and server."""
    bound, peers = result.method.bound_ms, result.kind == results.PEERS
    columns = (*SPEED, f"requests a second at p99 of {bound:g} ms")
    facts = ("version", "batching", "idle CPU, %") if peers else ("parameters, M", "on disk, MB")
    rows = [
        [
            comparison.name,
            side.name,
            *(facts_of_peer(side) if peers else facts_of_bundle(side)),
            *figures_of(comparison, side, list(SPEED.values())),
            rate_kept(comparison, side, bound),
        ]
        for comparison in comparisons
        for side in comparison.sides
    ]
    return table("|".join(["texts" if peers else "bundle", "server", *facts, *columns]), rows)


def facts_of_bundle(side: results.Side) -> list[str]:
    """How large it is."""
    return [f"{side.parameters / 1e6:.1f}", f"{side.disk_bytes / 1e6:.1f}"]


def facts_of_peer(side: results.Side) -> list[str]:
    """What it is and how it is set."""
    return [side.version, side.form, f"{(side.idle_share or 0.0) * 100:.1f}"]


def said(comparison: results.Comparison, bound_ms: float) -> str:
    """The claims that hold, by what they are measured against, and where the first side loses."""
    first, held = comparison.sides[0].name, [c for c in summary.claims(comparison, bound_ms) if c.holds]
    over = [
        f"against {name} " + ", ".join(f"{c.ratio.median:.1f} in {c.what}" for c in held if c.over == name)
        for name in dict.fromkeys(claim.over for claim in held)
    ]
    name = comparison.name if comparison.name == first else f"{first} on {comparison.name}"
    better = f"{name}, times better: {'; '.join(over)}." if over else f"{name}: no claim is backed."
    lost = summary.losses(comparison, bound_ms)
    return f"{better} It loses: {'; '.join(lost)}." if lost else better


def how(result: results.Result) -> str:
    """How it was measured, in a sentence."""
    method = result.method
    commit = f" at commit {result.machine.commit[:7]}" if result.machine.commit else ""
    said = (
        f"Medians of {method.rounds} rounds, the sides in turn, and what their 95 % intervals carry;"
        f" inference threads: {method.threads}; on {result.machine.cpu}, {result.made[:10]}{commit},"
        f" by `{method.command}`."
    )
    return " ".join([said, *result.notes]) + "\n"


def figures_of(
    comparison: results.Comparison, side: results.Side, columns: Sequence[tuple[summary.Figure, str]]
) -> list[str]:
    """The figures of one server, medians over its rounds."""
    found = [(summary.over_rounds(comparison, side.name, figure), spec) for figure, spec in columns]
    return [format(interval.median, spec) if interval else "" for interval, spec in found]


def rate_kept(comparison: results.Comparison, side: results.Side, bound_ms: float) -> str:
    """Its goodput; where even the lowest rate offered was too much, no more than that is known."""
    found = summary.over_rounds(comparison, side.name, summary.goodput(bound_ms))
    if found is None:
        return ""
    lowest = summary.lowest_offered(comparison, side.name)
    return f"{found.median:.0f}" if found.median else f"under {lowest:.0f}"


def quality(root: Path) -> str:
    """What the bundles that ship can do, a line a measured score."""
    rows = []
    for manifest in manifests(root):
        name, size = f"[{manifest.name}](models/zoo/{manifest.name})", f"{manifest.parameters / 1e6:.1f}"
        rows += [[name, manifest.title, size, *one_score(q), manifest.terms.name] for q in manifest.quality]
    head = "model|does|parameters, M|measured|on|score|95 %|baseline|published|terms of the weights"
    return table(head, rows) if rows else ""


def one_score(score: Quality) -> list[str]:
    """Metric, test set, value, interval, baseline and what others published."""
    return [
        score.metric,
        f"{score.split}, n = {score.n}",
        f"{score.value:.3f}",
        interval_cell(score),
        baseline_cell(score),
        named_cell(score.published, score.published_name),
    ]


def everyday(root: Path) -> str:
    """What the bundles that ship do with everyday text, as `check` wrote it down; empty without."""
    path = root / "docs/results/checks.json"
    if not path.is_file():
        return ""
    sheet = msgspec.json.decode(path.read_bytes(), type=Sheet)
    shipped = {manifest.name: manifest.version for manifest in manifests(root)}
    rows = [
        [line.name, *one_score(figure.found)[:-1]]
        for line in sheet.lines
        if line.file.startswith("written_") and line.published and line.rows == line.whole
        if shipped.get(line.name) == line.version
        for figure in line.figures
        if figure.found
    ]
    return f"{table('model|measured|on|score|95 %|baseline', rows)}\nBy `{sheet.command}`.\n" if rows else ""
