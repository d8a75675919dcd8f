"""What a bundle says it has learnt from."""

from __future__ import annotations

from models.lineage import each_once
from server.inference.manifest import DataDigest


def digest(file, rows, source="a"):
    return DataDigest(source=source, file=file, sha256="0" * 64, rows=rows)


def test_a_file_is_named_once_with_the_most_rows_learnt_of_it():
    few, many, other = digest("x", 3), digest("x", 9), digest("y", 5)
    assert each_once((few, other, many, few)) == (many, other)
    assert each_once((digest("x", 3, "clauses of a"), many)) == (digest("x", 3, "clauses of a"), many)
