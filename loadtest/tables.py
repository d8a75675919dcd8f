"""The tables that terminal, Markdown and HTML page share: figures as text, nothing computed twice."""

from __future__ import annotations

from dataclasses import dataclass

from loadtest.load import Load
from loadtest.results import PEERS, Comparison, Result, Side, Turn
from loadtest.summary import (
    Interval,
    checks,
    claims,
    cpu_ms,
    goodput,
    lone_p50,
    lone_p99,
    lowest_offered,
    over_rounds,
    resident,
    throughput,
)


@dataclass(frozen=True, slots=True)
class Table:
    """A heading, the names of the columns, and rows of text."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def number(value: float) -> str:
    """Three significant digits, thousands with commas."""
    if value >= 1000:
        return f"{value:,.0f}"
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def shown(interval: Interval | None) -> str:
    """A median with the extremes of its rounds."""
    if interval is None:
        return "-"
    if interval.n == 1:
        return f"{number(interval.median)} (one round)"
    return f"{number(interval.median)} ({number(interval.least)} to {number(interval.most)})"


def kept_rate(comparison: Comparison, side: str, bound_ms: float) -> str:
    """Goodput; where even the lowest rate offered was too much, no more than that is known."""
    found = over_rounds(comparison, side, goodput(bound_ms))
    if found is None or found.median > 0:
        return shown(found)
    return f"under {number(lowest_offered(comparison, side))}"


def speeds(comparison: Comparison, bound_ms: float) -> Table:
    """One row a side: what it answers, how fast, and what it takes."""
    searched = any(turn.opened for turn in comparison.turns)
    extra = (f"requests/s at p99 <= {bound_ms:.0f} ms",) if searched else ()
    columns = ("side", "requests/s", *extra, "lone p50 ms", "lone p99 ms", "CPU ms/request", "MB resident")
    rows = []
    for side in comparison.sides:
        figures = (throughput, lone_p50, lone_p99, cpu_ms, resident)
        found = [shown(over_rounds(comparison, side.name, figure)) for figure in figures]
        found[1:1] = [kept_rate(comparison, side.name, bound_ms)] if searched else []
        rows.append((side.name, *found))
    return Table("Medians over rounds (least to most)", columns, tuple(rows))


def ratios(comparison: Comparison, bound_ms: float) -> Table:
    """How many times better the first side is; what the interval does not carry is not claimed."""
    rows = [
        (
            f"{claim.what} over {claim.over}",
            f"{number(claim.ratio.median)} times",
            f"{number(claim.ratio.low)} to {number(claim.ratio.high)}",
            "yes" if claim.holds else "no: slower" if claim.lost else "no: more rounds, or no difference",
        )
        for claim in claims(comparison, bound_ms)
    ]
    return Table(
        f"{comparison.name}: how many times faster",
        ("what", "median", "95 % interval", "backed"),
        tuple(rows),
    )


def goals(comparison: Comparison) -> Table:
    """What the server adds to its engine, against the limits."""
    rows = [
        (
            check.what,
            f"{check.value:.2f} {check.unit}",
            f"{check.limit:.2f} {check.unit}",
            "yes" if check.met else "NO",
        )
        for check in checks(comparison)
    ]
    return Table(f"{comparison.name}: limits", ("what", "measured", "limit", "met"), tuple(rows))


def sides(comparison: Comparison) -> Table:
    """What each side is."""
    columns = (
        "side",
        "bundle",
        "version",
        "parameters",
        "MB on disk",
        "starts in s",
        "idle % of a core",
        "connections",
        "longest run",
    )
    return Table(
        "The sides", (*columns, "engine ms alone", "engine CPU ms/text"), tuple(map(_side, comparison.sides))
    )


def _side(side: Side) -> tuple[str, ...]:
    idle = "-" if side.idle_share is None else f"{side.idle_share * 100:.2f}"
    engine = (number(side.engine.lone_ms), number(side.engine.cpu_ms)) if side.engine else ("-", "-")
    name = f"{side.name} (random weights)" if side.random_weights else side.name
    facts = (f"{side.bundle} {side.form}", side.version[:12], f"{side.parameters / 1e6:.1f} M")
    return (
        name,
        *facts,
        number(side.disk_bytes / 1e6),
        f"{side.start_seconds:.1f}",
        idle,
        str(side.connections),
        f"{side.max_run_ms:.0f} ms" if side.max_run_ms else "as it comes",
        *engine,
    )


def rounds(comparison: Comparison) -> Table:
    """Every round as it was measured."""
    columns = (
        "round",
        "side",
        "requests/s",
        "p50",
        "p95",
        "p99",
        "max",
        "lone p50",
        "CPU ms",
        "rows a batch",
        "padding",
        "errors",
        "generator late",
    )
    rows = []
    for turn in comparison.turns:
        batches = turn.batches
        rows.append(
            (
                str(turn.round),
                turn.side,
                number(turn.closed.throughput),
                *latencies(turn.closed),
                latencies(turn.lone)[0],
                number(turn.closed.cpu_ms_a_request or 0.0),
                f"{batches.mean_rows:.1f}" if batches else "-",
                f"{batches.padding_share:.0%}" if batches else "-",
                str(turn.failed),
                _late(turn),
            )
        )
    return Table("Every round (latency in ms, closed loop when not lone)", columns, tuple(rows))


def _late(turn: Turn) -> str:
    """In which stretches the generator itself was the limit: they back nothing."""
    opened = ((f"open {number(load.rate)}/s", load) for load in turn.opened)
    named = (("lone", turn.lone), ("closed", turn.closed), *opened)
    return ", ".join(name for name, load in named if load.saturated) or "never"


def latencies(load: Load) -> tuple[str, str, str, str]:
    """p50, p95, p99 and the longest, in milliseconds."""
    if load.latency is None:
        return ("-", "-", "-", "-")
    latency = load.latency
    return number(latency.p50), number(latency.p95), number(latency.p99), number(latency.max)


def of_load(load: Load) -> Table:
    """The figures of a single stretch."""
    p50, p95, p99, most = latencies(load)
    rows = [
        ("answers a second", number(load.throughput)),
        ("answered", f"{load.answered:,}"),
        ("p50 ms", p50),
    ]
    rows += [("p95 ms", p95), ("p99 ms", p99), ("max ms", most)]
    rows += [("errors", _errors(load)), ("generator", _generator(load))]
    return Table(_kind(load), ("figure", "value"), tuple(rows))


def _kind(load: Load) -> str:
    if load.rate:
        return f"open, {number(load.rate)}/s offered"
    return "lone" if load.kind == "lone" else f"closed, {load.connections} connections"


def _errors(load: Load) -> str:
    return ", ".join(f"{error.count} x {error.code}" for error in load.errors) or "none"


def _generator(load: Load) -> str:
    verdict = "SATURATED" if load.saturated else "in time"
    return f"{verdict} ({load.generator_share:.0%} of a core)"


def ceiling(result: Result) -> Table:
    """The generator against a server that does nothing."""
    rows = [
        (f"{found.kind}, {found.connections} connections", f"{found.throughput:,.0f}", f"{found.p50_ms:.3f}")
        for found in result.ceilings
    ]
    return Table("The generator's own ceiling", ("load", "requests/s", "p50 ms"), tuple(rows))


def contenders(comparison: Comparison) -> Table:
    """What each server is, where all serve the same bundle."""
    rows = [
        (
            side.name,
            side.version,
            side.form,
            f"{side.start_seconds:.1f}",
            "-" if side.idle_share is None else f"{side.idle_share * 100:.2f}",
        )
        for side in comparison.sides
    ]
    columns = ("server", "version", "batching", "starts in s", "idle % of a core")
    return Table("The servers", columns, tuple(rows))


def of_comparison(comparison: Comparison, result: Result) -> list[Table]:
    """All tables of one comparison, the claims first."""
    bound = result.method.bound_ms
    facts = [contenders(comparison)] if result.kind == PEERS else [goals(comparison), sides(comparison)]
    tables = [ratios(comparison, bound), speeds(comparison, bound), *facts, rounds(comparison)]
    return [table for table in tables if table.rows]
