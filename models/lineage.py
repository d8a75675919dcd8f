"""What a network has learnt from: files by their digests, and how many rows of each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from models.data.sets import DataFile
from models.data.texts import text_files
from models.job import Job
from server.inference.manifest import DataDigest

CLAUSES = "clauses of"
"""What stands before the source of a set whose rows were learnt clause by clause, with their labels."""


def digest_of(file: DataFile, rows: int, what: str = "") -> DataDigest:
    """That `rows` of a file were learnt, or so many of `what` was made of it, such as "clauses of"."""
    return DataDigest(source=f"{what} {file.source}".strip(), file=file.name, sha256=file.sha256, rows=rows)


def sources(job: Job, counts: Mapping[str, int], what: str) -> tuple[DataDigest, ...]:
    """The files of the sets of `counts`; `rows` is the most that was taken of a set's files.

    Args:
        job: Where the data lies.
        counts: How many of each set.
        what: Was taken or made, such as "raw texts of".
    """
    return tuple(
        digest_of(file, count, what) for name, count in counts.items() for file in text_files(job.data, name)
    )


def each_once(files: Iterable[DataDigest]) -> tuple[DataDigest, ...]:
    """Each file once, in order, with the most rows that were learnt of it at any time."""
    most = dict[tuple[str, str, str], DataDigest]()
    for each in files:
        key = each.source, each.file, each.sha256
        if key not in most or most[key].rows < each.rows:
            most[key] = each
    return tuple(most.values())
