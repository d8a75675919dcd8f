"""The rows a recipe learns from and is validated on, and those rows as a network takes them."""

from __future__ import annotations

import random
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from msgspec import UNSET, UnsetType
from numpy.typing import NDArray
from tokenizers import Tokenizer

from models.data.asked import asked_questions, pieces
from models.data.clauses import clauses_of
from models.data.rows import Row, Tagged, both_ways, first_letters, opening, split_off, without_repeats
from models.data.sets import DataFile
from models.data.tagged import TAGGED
from models.data.texts import read_texts
from models.errors import MakeError
from models.job import Job
from models.layout import decoder_of, encode
from models.lineage import CLAUSES, digest_of, each_once, sources
from models.recipe import Recipe
from models.tasks import TASKS
from models.workspace import Config
from server.inference.manifest import DataDigest
from server.inference.values import Answer, Encoded, Options


@dataclass(frozen=True, slots=True)
class Split:
    """Rows to learn from, rows held out of them, and the files they came from.

    The first `own` rows of `train` are those of the recipe's set.
    """

    train: list[Any]  # all of the task's own kind of Row
    validation: list[Any]
    files: tuple[DataDigest, ...]
    own: int = 0

    def taught_with(self, *more: DataDigest) -> Split:
        """The same rows, with files that something else was learnt from, each once."""
        return replace(self, files=each_once((*self.files, *more)))


@dataclass(frozen=True, slots=True)
class Examples:
    """What a network learns from: the ids of every window of every text, and what to say of each.

    `windows` counts the windows of each text; the first `own` windows are of rows of the
    recipe's set, where `examples_of` was told how many those are.
    """

    ids: list[list[int]]
    targets: list[list[int]]
    windows: list[int]
    own: int = 0

    def without_most_empty(self, share: float, seed: int) -> list[int]:
        """Places of the windows that hold an answer, and of a `share` (0..1) of others, each drawn by `seed`.

        A window of a raw text, of which nobody knows, counts as one with an answer.
        """
        draw = random.Random(seed)
        return [at for at, target in enumerate(self.targets) if any(target) or draw.random() < share]

    def of(self, places: Sequence[int]) -> Examples:
        """Those windows, each as if it were a text."""
        return Examples(
            [self.ids[at] for at in places],
            [self.targets[at] for at in places],
            [1] * len(places),
            sum(at < self.own for at in places),
        )


@dataclass(frozen=True, slots=True)
class Exam:
    """Rows held out, as the server would be asked them."""

    config: Config
    rows: Sequence[Any]
    encoded: Sequence[Encoded]

    @property
    def ids(self) -> list[list[int]]:
        """Of every window of every text, in order."""
        return [example.ids.tolist() for encoded in self.encoded for example in encoded.examples]

    def answers(
        self, logits: Sequence[NDArray[np.float32]], brevity: float | UnsetType = UNSET
    ) -> list[Answer]:
        """What the server's decoder (of a reader, with `brevity`) makes of the windows' logits: one a row.

        They are [outputs] or [length, outputs], of all windows in the order of `ids`.
        """
        decoder, left = decoder_of(self.config, brevity), iter(logits)
        return [
            decoder.decode(encoded, [next(left) for _ in encoded.examples], Options())
            for encoded in self.encoded
        ]

    def score(self, logits: Sequence[NDArray[np.float32]]) -> float:
        """The task's score (0..1) of what `answers` makes of the same logits."""
        return TASKS[self.config.task].score(self.rows, self.answers(logits))


def split_of(job: Job) -> Split:
    """Train rows without repeats, less those held out by the recipe's seed, with those of other sets."""
    section = job.recipe.data
    train, validation, file = own_rows(job)
    train = train[: section.limit]
    files = [digest_of(file, len(train))]
    more, theirs = _besides(job, validation)
    if section.swapped is True:
        train, more = (rows + [row.swapped for row in rows] for rows in (train, more))
    return Split(train + more, validation, (*files, *theirs), len(train))


def own_rows(job: Job) -> tuple[list[Any], list[Any], DataFile]:
    """Rows of the recipe's set to learn from before any limit, those held out, and their file; MakeError."""
    recipe, section, library = job.recipe, job.recipe.data, TASKS[job.recipe.task].library
    rows, file = library.read(job.data, section.set, "train")
    unique = _usable(recipe, rows, file)
    train, validation = split_off(unique, section.validation, recipe.seed)
    if not train or not validation:
        raise MakeError(f"{file.path} has {len(unique)} rows: too few to hold out {section.validation}.")
    return train, validation, file


def _besides(job: Job, validation: Sequence[Row]) -> tuple[list[Any], list[DataDigest]]:
    """What the recipe learns of other sets, without texts that are held out or measured on; and the files."""
    section, seed = job.recipe.data, job.recipe.seed
    rows, files = list[Any](), list[DataDigest]()
    if not section.besides:
        return rows, files
    known = both_ways(map(opening, (*validation, *official_rows(job))))
    for name, count in _counts(section.also):
        found, file = _unknown(job, name, count, known)
        rows += found
        files.append(digest_of(file, len(found)))
    for name, count in _counts(section.clauses):
        found, file = _unknown(job, name, None, known)
        made = clauses_of(found, count, seed)
        rows += made
        files.append(digest_of(file, len(made), CLAUSES))
    for name, count in _counts(section.asked):
        asked = asked_questions(_askable(job, name, validation), count, seed)
        if not asked:
            raise MakeError(f'The recipe has questions asked on "{name}", whose texts give none.')
        rows += asked
        files += sources(job, {name: len(asked)}, "questions asked on the texts of")
    return rows, files


def _counts(wanted: Mapping[str, int] | UnsetType) -> Iterable[tuple[str, int]]:
    return () if wanted is UNSET else wanted.items()


def _unknown(
    job: Job, name: str, count: int | None, known: Container[tuple[str, ...]]
) -> tuple[list[Any], DataFile]:
    """Train rows of set `name`, all or `count` drawn, less those with a `known` opening; and their file."""
    library = TASKS[job.recipe.task].library
    if count is None:
        rows, file = library.read(job.data, name, "train")
    else:
        rows, file = library.sample(job.data, name, count, job.recipe.seed)
    return [row for row in _usable(job.recipe, rows, file) if opening(row) not in known], file


def _askable(job: Job, name: str, validation: Sequence[Row]) -> list[Tagged]:
    """The texts of set `name`: with its names, where it is a known set of those, else in pieces."""
    texts = free_texts(job, name, validation)
    if name not in TAGGED.known:
        return pieces(texts)
    free = set(texts)
    return [row for row in TAGGED.read(job.data, name, "train")[0] if row.text.strip() in free]


def free_texts(job: Job, name: str, validation: Sequence[Row]) -> list[str]:
    """Each raw text of set `name` once, less what is held out for validation or officially measured on."""
    asked = (row.asked for row in (*validation, *official_rows(job)))
    held = {first_letters(part) for text in asked for part in (text.first, text.second or "")}
    texts = dict.fromkeys(read_texts(job.data, name))
    return [text for text in texts if first_letters(text) not in held]


def official_rows(job: Job) -> list[Row]:
    """The official splits' rows: not to be learnt from, wherever else they stand."""
    return [row for rows, _ in official_splits(job) for row in rows]


def official_splits(job: Job) -> list[tuple[list[Any], DataFile]]:
    """Rows and file of each split of the recipe's set but train."""
    library, name = TASKS[job.recipe.task].library, job.recipe.data.set
    splits = [split for split in library.splits(job.data, name) if split != "train"]
    return [library.read(job.data, name, split) for split in splits]


def _usable(recipe: Recipe, rows: Sequence[Any], file: DataFile) -> list[Any]:
    """Rows without repeats that can be learnt; MakeError for a label that the recipe does not name."""
    check_labels(recipe, rows, file)
    return without_repeats(row for row in rows if TASKS[recipe.task].learnable(row))


def check_labels(recipe: Recipe, rows: Sequence[Any], file: DataFile) -> None:
    """MakeError for a row of `file` with a label that the recipe does not name."""
    task, labels = TASKS[recipe.task], list(recipe.labels)
    for number, row in enumerate(rows, 1):
        unknown = [label for label in task.labels(row) if label not in labels]
        if unknown:
            raise MakeError(
                f'{file.path}, row {number}: the label "{unknown[0]}" is none that the recipe names '
                f"({', '.join(labels)})."
            )


def examples_of(config: Config, tokenizer: Tokenizer, rows: Sequence[Any], own: int = 0) -> Examples:
    """Rows as the network takes them; the first `own` are of the recipe's set."""
    task, labels = TASKS[config.task], [label.label for label in config.labels]
    ids, targets, windows = [], [], []
    for row, encoded in zip(rows, encode(config, tokenizer, [row.asked for row in rows]), strict=True):
        windows.append(len(encoded.examples))
        for example in encoded.examples:
            ids.append(example.ids.tolist())
            targets.append(task.target(row, encoded, example, labels))
    return Examples(ids, targets, windows, sum(windows[:own]))


def exam_of(config: Config, tokenizer: Tokenizer, rows: Sequence[Any]) -> Exam:
    """Rows to be scored by."""
    return Exam(config, rows, encode(config, tokenizer, [row.asked for row in rows]))
