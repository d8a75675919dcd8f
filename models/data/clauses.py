"""Clauses of labelled texts, each with the label of the whole: a review says its verdict in several ways.

Who learns long reviews alone can lean on their plain words. A clause alone ("一次都没坏过") has to be read,
and among many reviews it stands in the good ones more often than in the bad.
"""

from __future__ import annotations

import random
import re
from collections.abc import Sequence

from models.data.rows import Labelled

_CLAUSE = re.compile(r"[^，,。！!？?；;～~…\s]+[，,。！!？?；;～~…]*\s*")
SHORTEST = 4  # code points
LONGEST = 40
RUN = 3  # clauses that at most stand together


def clauses_of(rows: Sequence[Labelled], count: int, seed: int) -> list[Labelled]:
    """At most `count` runs of one to three clauses, none a whole text, each once, drawn by `seed`."""
    draw, made = random.Random(seed), dict[tuple[object, ...], Labelled]()
    cut = [(row, found) for row in rows if len(found := list(_CLAUSE.finditer(row.text))) > 1]
    places = [(at, first) for at, (_, found) in enumerate(cut) for first in range(len(found))]
    draw.shuffle(places)
    for at, first in places:
        if len(made) == count:
            break
        row, found = cut[at]
        run = found[first : first + draw.randint(1, min(RUN, len(found) - 1))]
        text = row.text[run[0].start() : run[-1].end()].strip().rstrip("，,；;")
        if SHORTEST <= len(text) <= LONGEST:
            made.setdefault((text, row.label), Labelled(text, row.label))
    return list(made.values())
