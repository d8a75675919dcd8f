"""Finds and reads the rows of a set: a known one as published, or a user's own by its files' ending.

A user's own set is a folder DIR/NAME with a file `train`, `dev` and perhaps `test`; figures are measured on
`test` where there is one, else on `dev`. Knows no format.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Generic

from models.data.rows import R
from models.data.sets import DataFile, data_file, own_file
from models.errors import MakeError

Reader = Callable[[Path], Iterator[R]]


@dataclass(frozen=True, slots=True)
class Library(Generic[R]):
    """Readers of one kind of row.

    `holds` names the kind for people; `known` gives a set's reader and its file for each split; `own` the
    reader for each ending of a user's own files. `cut` is for sets published as one file, which we split
    ourselves: of its rows so many are train, and the others dev.
    """

    holds: str
    known: Mapping[str, tuple[Reader[R], Mapping[str, str]]]
    own: Mapping[str, Reader[R]]
    cut: Mapping[str, int] = field(default_factory=dict)

    def read(self, data: Path, name: str, split: str) -> tuple[list[R], DataFile]:
        """The rows of one split of set `name`, in the file's order and with its repeats; MakeError."""
        reader, file = self._find(data, name, split)
        rows = self.part(name, split, list(reader(file.path)))
        if not rows:
            raise MakeError(f"{file.path} holds no rows.")
        return rows, file

    def part(self, name: str, split: str, rows: list[R]) -> list[R]:
        """Those of the rows of a file that belong to `split`: all, unless the file is the whole set."""
        if name not in self.cut:
            return rows
        return rows[: self.cut[name]] if split == "train" else rows[self.cut[name] :]

    def sample(self, data: Path, name: str, count: int, seed: int) -> tuple[list[R], DataFile]:
        """At most `count` train rows, drawn by the seed, in the file's order."""
        rows, file = self.read(data, name, "train")
        drawn = random.Random(seed).sample(range(len(rows)), min(count, len(rows)))
        return [rows[place] for place in sorted(drawn)], file

    def official(self, data: Path, name: str) -> str:
        """The split that figures are measured on."""
        return "test" if "test" in self.splits(data, name) else "dev"

    def splits(self, data: Path, name: str) -> list[str]:
        """The splits that set `name` has."""
        if name in self.known:
            return list(self.known[name][1])
        return [split for split in ("train", "dev", "test") if self._own(data, name, split)]

    def _find(self, data: Path, name: str, split: str) -> tuple[Reader[R], DataFile]:
        if name in self.known:
            reader, files = self.known[name]
            if split not in files:
                raise MakeError(f'"{name}" has no split "{split}"; it has {", ".join(files)}.')
            return reader, data_file(data, name, files[split])
        path = self._own(data, name, split)
        if path is None:
            wanted = " or ".join(f"{split}{ending}" for ending in self.own)
            raise MakeError(
                f'"{name}" is no known set with {self.holds} a row ({", ".join(sorted(self.known))}), and '
                f"{data / name} holds no {wanted}."
            )
        return self.own[path.suffix], own_file(name, path)

    def _own(self, data: Path, name: str, split: str) -> Path | None:
        paths = (data / name / f"{split}{ending}" for ending in self.own)
        return next((path for path in paths if path.is_file()), None)
