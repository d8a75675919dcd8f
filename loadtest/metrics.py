"""The server's own counters before and after a stretch: rows a batch and padding. Other servers have none."""

from __future__ import annotations

import re
from dataclasses import dataclass

from loadtest.results import Batches
from loadtest.target import get

LINE = re.compile(rb"^(qingmo_\w+?)(?:\{([^}]*)\})? (\S+)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Counters:
    """Sums since the server's start."""

    rows: float
    batches: float
    tokens: float
    padding: float


def scrape(port: int, model: str) -> Counters | None:
    """The counters of one model; None where the server has none."""
    status, page = get(port, "/metrics")
    found = {
        match[1].decode(): float(match[3])
        for match in LINE.finditer(page)
        if match[2] is None or f'model="{model}"'.encode() in match[2]
    }
    names = (
        "qingmo_batch_rows_sum",
        "qingmo_batch_rows_count",
        "qingmo_tokens_total",
        "qingmo_padding_tokens_total",
    )
    if status != 200 or any(name not in found for name in names):
        return None
    return Counters(*(found[name] for name in names))


def between(before: Counters | None, after: Counters | None) -> Batches | None:
    """What ran between two readings; None where nothing did, or nothing is known."""
    if before is None or after is None or after.batches <= before.batches:
        return None
    tokens, padding = after.tokens - before.tokens, after.padding - before.padding
    return Batches(
        mean_rows=(after.rows - before.rows) / (after.batches - before.batches),
        padding_share=padding / max(tokens + padding, 1.0),
    )
