"""What is compared with what: the sides of each comparison and the texts that they are asked."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import cycle, islice

from loadtest.bundles import Bundle
from loadtest.load import Call
from loadtest.settings import Settings
from loadtest.workload import FIELDS, Row, Workload, calls_of, rows_of, texts_of

SAME_TOKENS = "the same tokens on all sides"
OWN_TOKENS = "each side with its own tokenizer"
ALL_TASKS = "all tasks"


@dataclass(frozen=True, slots=True)
class Entry:
    """Bundles that one server holds, under the name that the report gives it.

    `limits` are the longest runs to try, in milliseconds; 0 is the server's own choice.
    """

    name: str
    bundles: tuple[Bundle, ...]
    limits: tuple[float, ...] = (0.0,)


@dataclass(frozen=True, slots=True)
class Planned:
    """One comparison: its first side, those to be measured against it, and rows for each bundle of a side.

    With `references`, BERT-base of the same tokens is to be added to the others.
    """

    name: str
    heading: str
    first: Entry
    others: tuple[Entry, ...]
    rows: tuple[tuple[Row, ...], ...]
    references: bool

    @property
    def task(self) -> str:
        """The task, or all of them."""
        return " ".join(dict.fromkeys(bundle.task.value for bundle in self.first.bundles))

    def calls(self, entry: Entry, seed: int) -> list[Call]:
        """The same texts in the same order for every side; of several bundles each call names its own."""
        if len(entry.bundles) == 1:
            return calls_of(entry.bundles[0].task, self.rows[0], None, seed)
        each = max(map(len, self.rows))
        calls = [
            call
            for bundle, rows in zip(entry.bundles, self.rows, strict=True)
            for call in calls_of(bundle.task, list(islice(cycle(rows), each)), bundle.name, seed)
        ]
        random.Random(seed).shuffle(calls)
        return calls


def planned(settings: Settings, students: Sequence[Bundle], others: Sequence[Bundle]) -> Iterator[Planned]:
    """A comparison a student, workload and heading; then, where asked for, one of all students together."""
    for student in students:
        for workload in settings.workloads:
            if workload is not Workload.TITLES and len(FIELDS[student.task]) > 1:
                continue
            rows = tuple(texts_of(student.task, workload, settings.data, settings.seed))
            name = student.name if workload is Workload.TITLES else f"{student.name}, {workload.value}"
            for heading, rivals in headings(student, others):
                first, references = Entry(student.name, (student,)), heading == SAME_TOKENS
                yield Planned(name, heading, first, tuple(rivals), (rows,), references)
    if settings.all_tasks and len(students) > 1:
        own = tuple(tuple(rows_of(student.task, settings.data)) for student in students)
        yield Planned(ALL_TASKS, SAME_TOKENS, Entry("qingmo", tuple(students)), (), own, references=True)


def headings(student: Bundle, others: Sequence[Bundle]) -> list[tuple[str, list[Entry]]]:
    """The other bundles of the student's task, those with its tokenizer apart from those with their own."""
    rivals = [other for other in others if other.task is student.task]
    same = [Entry(other.name, (other,)) for other in rivals if other.tokenizer == student.tokenizer]
    own = [Entry(other.name, (other,)) for other in rivals if other.tokenizer != student.tokenizer]
    return [(SAME_TOKENS, same), *([(OWN_TOKENS, own)] if own else [])]
