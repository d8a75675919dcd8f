"""Stage `distil`: the fine-tuned student learns a teacher's scores, on labelled rows and on raw texts.

What the teacher says of each text is computed once, in parts, and kept beside the student.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.data.rows import Row, bare
from models.data.texts import read_texts
from models.errors import MakeError
from models.finetune import Fitting, checkpoint_folder, save_result
from models.infer import load_network, logits_of
from models.job import Job
from models.layout import encode
from models.loop import Run
from models.losses import hard_loss, said_choices, soft_loss
from models.network import Encoder
from models.recipe import DistilSection
from models.task_data import Exam, Examples, exam_of, examples_of, split_of
from models.tasks.figures import NO_LABEL
from models.workspace import Config, Trained, load_trained
from server.inference.values import Encoded, Text

PART = 4096  # texts whose scores are kept in one file
Said = list[NDArray[np.float32]]
"""A teacher's logits of one text, window by window."""


class Pupil(Fitting):
    """Learns a teacher's choices, and targets where there are any."""

    def __init__(
        self,
        network: Encoder,
        examples: Examples,
        exam: Exam,
        said: Sequence[NDArray[np.float32]],
        section: DistilSection,
    ) -> None:
        super().__init__(network, examples, exam, smoothing=0.0)
        self.said, self.section = said, section

    def loss(self, rows: Sequence[int]) -> Tensor:
        """The teacher's share and the targets' share, by the recipe's weights."""
        choices, targets = self.choices(rows)
        teacher = said_choices(self.head, [self.said[row] for row in rows])
        hard = self.section.hard
        soft = soft_loss(choices, teacher, self.section.temperature)
        return (1 - hard) * soft + hard * hard_loss(choices, targets)


def run(job: Job) -> Trained:
    """Distil into the network of stage `finetune`."""
    section = job.distil
    start, split = load_trained(job.folder("finetune")), split_of(job)
    teacher = _fitting_teacher(job, start)
    raw = [Text(text) for text in raw_texts(job, section, split.train)]
    tokenizer = start.tokenizer()
    examples = _with_raw(examples_of(start.config, tokenizer, split.train), start, raw)
    said = teacher_logits(job, teacher, [row.asked for row in split.train] + raw)
    torch.manual_seed(job.recipe.seed)
    network = load_network(start, section.training.dropout)
    exam = exam_of(start.config, tokenizer, split.validation)
    pupil = Pupil(network, examples, exam, of_windows(start.config, examples, said), section)
    checkpoints = checkpoint_folder(job, "distil", section, start)
    done = Run(pupil, section.training, checkpoints, job.recipe.seed, job.console).train()
    return save_result(job, "distil", start, network, done, split)


def _with_raw(examples: Examples, start: Trained, raw: Sequence[Text]) -> Examples:
    """The examples, and the windows of raw texts, whose targets no loss counts."""
    encoded = encode(start.config, start.tokenizer(), raw)
    ids = [each.ids.tolist() for one in encoded for each in one.examples]
    per_token = start.config.shape.head == "tokens"
    return Examples(
        examples.ids + ids,
        examples.targets + [[NO_LABEL] * (len(row) if per_token else 1) for row in ids],
        examples.windows + [len(one.examples) for one in encoded],
    )


def of_windows(config: Config, examples: Examples, said: Sequence[Said]) -> list[NDArray[np.float32]]:
    """What the teacher says of each of the student's windows; of classes the mean over its own windows."""
    if config.shape.head == "classify":
        means = [np.mean(windows, axis=0) for windows in said]
        return [mean for mean, count in zip(means, examples.windows, strict=True) for _ in range(count)]
    return [window for windows in said for window in windows]


def raw_texts(job: Job, section: DistilSection, train: Sequence[Row]) -> list[str]:
    """So many texts of each set as the recipe says, drawn by its seed; none that stands in `train`."""
    known = {row.key[0] for row in train}
    found = []
    for name, count in section.texts.items():
        texts = [text for text in read_texts(job.data, name) if bare(text) not in known]
        found += random.Random(job.recipe.seed).sample(texts, min(count, len(texts)))
    return found


def teacher_logits(job: Job, teacher: Trained, texts: Sequence[Text]) -> list[Said]:
    """The teacher's logits of each text's windows; parts that are there already are read."""
    digest = hashlib.sha256(msgspec.json.encode((teacher.record.made, texts))).hexdigest()[:12]
    folder = job.folder("teacher") / digest
    folder.mkdir(parents=True, exist_ok=True)
    network, said = load_network(teacher), list[Said]()
    for at in range(0, len(texts), PART):
        path = folder / f"{at}.npy"
        encoded = encode(teacher.config, teacher.tokenizer(), texts[at : at + PART])
        if not path.exists():
            ids = [example.ids.tolist() for one in encoded for example in one.examples]
            _save(
                path, np.concatenate([np.atleast_2d(x) for x in logits_of(network, ids, teacher.config.pad)])
            )
            job.console.print(f"teacher: {min(at + PART, len(texts))} of {len(texts)} texts")
        said += _by_text(np.load(path), encoded, teacher.config)
    return said


def _by_text(table: NDArray[np.float32], encoded: Sequence[Encoded], config: Config) -> list[Said]:
    """The rows of a part as each text's windows: one row a window for classes, else one a token."""
    classes, at, found = config.shape.head == "classify", 0, list[Said]()
    for one in encoded:
        windows = []
        for example in one.examples:
            length = 1 if classes else example.length
            windows.append(table[at] if classes else table[at : at + length])
            at += length
        found.append(windows)
    return found


def _save(path: Path, table: NDArray[np.float32]) -> None:
    fresh = path.with_name(f"{path.stem}.new.npy")
    np.save(fresh, table)
    fresh.replace(path)


def teacher_of(job: Job) -> Trained:
    """The teacher; MakeError where there is none, or none for this recipe's task and labels."""
    name = job.distil.teacher
    teacher = load_trained(job.work / name / "finetune")
    labels = [label.label for label in teacher.config.labels]
    if teacher.config.task is not job.recipe.task or labels != list(job.recipe.labels):
        raise MakeError(f'The teacher "{name}" has another task or other labels than the student.')
    return teacher


def _fitting_teacher(job: Job, start: Trained) -> Trained:
    """The teacher; MakeError where it was taught otherwise than it must be for this student."""
    name, teacher = job.distil.teacher, teacher_of(job)
    mine, other = start.record, teacher.record
    if (mine.seed, mine.validation_rows, mine.data[0].sha256) != (
        other.seed,
        other.validation_rows,
        other.data[0].sha256,
    ):
        raise MakeError(
            f'The teacher "{name}" held out other rows than the student: its data, seed and '
            "validation count must be the same, or validation would be known to it."
        )
    alike = start.tokenizer().to_str() == teacher.tokenizer().to_str()
    same_windows = start.config.shape.positions == teacher.config.shape.positions
    if start.config.shape.head != "classify" and not (alike and same_windows):
        raise MakeError(
            f'The teacher "{name}" cuts texts otherwise than the student: for {start.config.task} '
            "vocabulary and positions must be the same."
        )
    return teacher
