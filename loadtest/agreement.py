"""Whether two servers give the same answers to the same texts, so that their speeds can be compared."""

from __future__ import annotations

import http.client
import json
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass

from loadtest.errors import Disagreement
from loadtest.load import Call
from loadtest.target import Target

SCORE_TOLERANCE = 0.01
TIMEOUT_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Best:
    """The best label of a text."""

    label: str
    score: float


def best_labels(target: Target, calls: Sequence[Call]) -> list[Best]:
    """The best label of each text, asked one after the other.

    Raises:
        Disagreement: A request failed, or its answer holds no label.
    """
    found = []
    with closing(http.client.HTTPConnection("127.0.0.1", target.port, timeout=TIMEOUT_SECONDS)) as connection:
        for call in calls:
            connection.request("POST", call.path, call.body, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            body = answer.read()
            best = _first(json.loads(body)) if answer.status == 200 else None
            if best is None:
                raise Disagreement(f"The server answered {answer.status} without a label: {body[:200]!r}.")
            found.append(best)
    return found


def _first(found: object) -> Best | None:
    """The first label anywhere in an answer: every server wraps it in another way."""
    if isinstance(found, str) and found.startswith("{"):
        return _first(json.loads(found))
    if isinstance(found, dict) and {"label", "score"} <= found.keys():
        return Best(found["label"], found["score"])
    inside = found.values() if isinstance(found, dict) else found if isinstance(found, list) else ()
    return next((best for best in map(_first, inside) if best is not None), None)


def require_same(name: str, texts: Sequence[str], ours: Sequence[Best], theirs: Sequence[Best]) -> None:
    """Nothing where label and score agree for every text.

    Raises:
        Disagreement: They do not, so the servers do not do the same work.
    """
    for text, mine, other in zip(texts, ours, theirs, strict=True):
        if mine.label != other.label or abs(mine.score - other.score) > SCORE_TOLERANCE:
            raise Disagreement(
                f"{name} does not do the same work: to {text[:60]!r} it answers {other.label} "
                f"{other.score:.4f}, and qingmo {mine.label} {mine.score:.4f}."
            )
