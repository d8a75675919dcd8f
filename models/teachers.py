"""Teachers: where they come from, whether they fit a student, and what they say of texts."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import torch
from msgspec import UNSET, UnsetType
from numpy.typing import NDArray

from models.base import open_base
from models.data.rows import Row
from models.errors import MakeError
from models.infer import load_network, logits_of
from models.job import Job
from models.layout import encode
from models.network import Encoder
from models.precision import autocast
from models.start import encoder_weights
from models.task_data import Split, exam_of
from models.workspace import Trained, load_trained
from server.inference.values import Answer, Text

PART = 4096  # windows whose logits are kept in one file
Said = list[NDArray[np.float32]]
"""A teacher's logits, window by window: [outputs] or [length, outputs]."""


def whole_base(job: Job, start: Trained) -> Encoder:
    """All layers of the recipe's base, with the vocabulary and the windows of `start`."""
    base, tokenizer, shape = open_base(job.recipe.base), start.tokenizer(), start.config.shape
    place = {text: id_ for id_, text in enumerate(base.pieces.texts)}
    kept = [place[tokenizer.id_to_token(id_) or ""] for id_ in range(shape.vocab)]
    whole = replace(shape, layers=base.shape.layers, activation=base.shape.activation)
    weights = encoder_weights(base, kept, range(base.shape.layers), whole)
    weights.setdefault("embed.second", np.zeros(shape.embedded, np.float32))
    network = Encoder(whole, dropout=0.0)
    network.load_state_dict({name: torch.from_numpy(value) for name, value in weights.items()}, strict=False)
    return network.eval()


def teacher_of(job: Job, name: str) -> Trained:
    """The teacher; MakeError where there is none, or none for this recipe's task and labels."""
    teacher = load_trained(job.work / name / "finetune")
    labels = [label.label for label in teacher.config.labels]
    if teacher.config.task is not job.recipe.task or labels != list(job.recipe.labels):
        raise MakeError(f'The teacher "{name}" has another task or other labels than the student.')
    return teacher


def fitting_teacher(job: Job, name: str, start: Trained, split: Split, *, inside: bool = False) -> Trained:
    """The teacher; MakeError where it was taught otherwise than it must be for this student.

    `inside` where it is followed token by token, as it always is for tags and spans.
    """
    teacher = teacher_of(job, name)
    check_held_out(job, teacher, split)
    alike = start.tokenizer().to_str() == teacher.tokenizer().to_str()
    same_windows = start.config.shape.positions == teacher.config.shape.positions
    if (inside or start.config.shape.head != "classify") and not (alike and same_windows):
        raise MakeError(
            f'The teacher "{name}" cuts texts otherwise than the student: vocabulary and positions must be '
            "the same."
        )
    return teacher


def check_held_out(job: Job, teacher: Trained, split: Split) -> None:
    """MakeError where the teacher has learnt rows that `split` holds out."""
    mine, other = (job.recipe.seed, len(split.validation), split.files[0].sha256), teacher.record
    if mine != (other.seed, other.validation_rows, other.data[0].sha256):
        raise MakeError(
            f"The teacher in {teacher.folder.parent} held out other rows than the student: its data, seed "
            "and validation count must be the same, or validation would be known to it."
        )


def said_of_windows(job: Job, teacher: Trained, ids: Sequence[Sequence[int]]) -> Said:
    """The teacher's logits of each window; parts that are there already are read."""
    known = teacher.record.recipe_sha256, teacher.record.made  # a date alone may be that of two teachers
    digest = hashlib.sha256(msgspec.json.encode((known, ids))).hexdigest()[:12]
    folder = job.folder("teacher") / digest
    folder.mkdir(parents=True, exist_ok=True)
    network, said, classes = load_network(teacher), Said(), teacher.config.shape.head == "classify"
    for at in range(0, len(ids), PART):
        path, part = folder / f"{at}.npy", ids[at : at + PART]
        if not path.exists():
            with autocast():  # where it can be, twice as fast, and far finer than it is right
                logits = logits_of(network, part, teacher.config.pad)
            _save(path, np.concatenate([np.atleast_2d(own) for own in logits]))
            job.console.print(f"teacher: {min(at + PART, len(ids))} of {len(ids)} windows")
        table = np.load(path)
        ends = np.cumsum([len(row) for row in part])
        said += list(table) if classes else np.split(table, ends[:-1])
    return said


def said_of_texts(job: Job, teacher: Trained, texts: Sequence[Text]) -> Said:
    """What a teacher of classes says of each text: the mean [outputs] over its own windows."""
    encoded = encode(teacher.config, teacher.tokenizer(), texts)
    said = iter(
        said_of_windows(job, teacher, [each.ids.tolist() for one in encoded for each in one.examples])
    )
    return [np.mean([next(said) for _ in one.examples], axis=0) for one in encoded]


def answers_of(trained: Trained, rows: Sequence[Row], brevity: float | UnsetType = UNSET) -> list[Answer]:
    """What a network without a graph answers to each row, by the server's encoder and decoder.

    A reader with the `brevity` of the bundle that it is set beside: one decoder for both.
    """
    exam = exam_of(trained.config, trained.tokenizer(), rows)
    return exam.answers(logits_of(load_network(trained), exam.ids, trained.config.pad), brevity)


def _save(path: Path, table: NDArray[np.float32]) -> None:
    fresh = path.with_name(f"{path.stem}.new.npy")
    np.save(fresh, table)
    fresh.replace(path)
