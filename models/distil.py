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
from torch import Tensor, nn

from models.data.rows import Labelled
from models.data.texts import read_texts
from models.errors import MakeError
from models.finetune import checkpoint_folder, save_result
from models.infer import load_network, logits_of, padded
from models.job import Job
from models.layout import encode
from models.loop import Run
from models.losses import NO_LABEL, hard_loss, soft_loss
from models.network import Encoder
from models.recipe import DistilSection
from models.task_data import Rows, encode_rows, split_of
from models.workspace import Trained, load_trained

PART = 4096  # texts whose scores are kept in one file


class Pupil:
    """Learns a teacher's logits, and labels where there are any; scored by accuracy."""

    def __init__(
        self,
        network: Encoder,
        rows: Rows,
        teacher: Tensor,
        validation: Rows,
        pad: int,
        section: DistilSection,
    ) -> None:
        self.network: nn.Module = network
        self.rows, self.teacher, self.validation, self.pad = rows, teacher, validation, pad
        self.section, self.targets = section, torch.tensor(rows.targets)

    def lengths(self) -> list[int]:
        """Tokens of each row."""
        return [len(ids) for ids in self.rows.ids]

    def loss(self, rows: Sequence[int]) -> Tensor:
        """The teacher's share and the labels' share, by the recipe's weights."""
        picked, hard = list(rows), self.section.hard
        logits = self.network(*padded([self.rows.ids[row] for row in picked], self.pad)).float()
        soft = soft_loss(logits, self.teacher[picked], self.section.temperature)
        return (1 - hard) * soft + hard * hard_loss(logits, self.targets[picked])

    def score(self, network: nn.Module) -> float:
        """Accuracy (0..1) on validation."""
        return self.validation.accuracy(network, self.pad)


def run(job: Job) -> Trained:
    """Distil into the network of stage `finetune`."""
    section = job.distil
    start, split = load_trained(job.folder("finetune")), split_of(job)
    teacher = _teacher(job, section, start)
    raw = raw_texts(job, section, split.train)
    tokenizer = start.tokenizer()
    labelled = encode_rows(start.config, tokenizer, split.train)
    rows = Rows(labelled.ids + encode(start.config, tokenizer, raw), labelled.targets + [NO_LABEL] * len(raw))
    said = teacher_logits(job, teacher, [row.text for row in split.train] + raw)
    torch.manual_seed(job.recipe.seed)
    network = load_network(start, section.training.dropout)
    validation = encode_rows(start.config, tokenizer, split.validation)
    pupil = Pupil(network, rows, said, validation, start.config.pad, section)
    checkpoints = checkpoint_folder(job, "distil", section, start)
    done = Run(pupil, section.training, checkpoints, job.recipe.seed, job.console).train()
    return save_result(job, "distil", start, network, done, split)


def raw_texts(job: Job, section: DistilSection, train: Sequence[Labelled]) -> list[str]:
    """So many texts of each set as the recipe says, drawn by its seed; none that stands in `train`."""
    known = {row.key[0] for row in train}
    found = []
    for name, count in section.texts.items():
        texts = [text for text in read_texts(job.data, name) if "".join(text.split()) not in known]
        found += random.Random(job.recipe.seed).sample(texts, min(count, len(texts)))
    return found


def teacher_logits(job: Job, teacher: Trained, texts: Sequence[str]) -> Tensor:
    """The teacher's logits [texts, labels]; parts that are there already are read."""
    digest = hashlib.sha256(msgspec.json.encode((teacher.record.made, texts))).hexdigest()[:12]
    folder = job.folder("teacher") / digest
    folder.mkdir(parents=True, exist_ok=True)
    network, tokenizer = load_network(teacher), teacher.tokenizer()
    parts = []
    for at in range(0, len(texts), PART):
        path = folder / f"{at}.npy"
        if not path.exists():
            ids = encode(teacher.config, tokenizer, texts[at : at + PART])
            _save(path, logits_of(network, ids, teacher.config.pad))
            job.console.print(f"teacher: {min(at + PART, len(texts))} of {len(texts)} texts")
        parts.append(torch.from_numpy(np.load(path)))
    return torch.cat(parts)


def _save(path: Path, logits: Tensor) -> None:
    fresh = path.with_name(f"{path.stem}.new.npy")
    np.save(fresh, logits.numpy())
    fresh.replace(path)


def _teacher(job: Job, section: DistilSection, start: Trained) -> Trained:
    """The teacher; MakeError where it was taught otherwise than it must be for this student."""
    teacher = load_trained(job.work / section.teacher / "finetune")
    if teacher.config.labels != start.config.labels:
        raise MakeError(f'The teacher "{section.teacher}" has other labels than the student.')
    mine, other = start.record, teacher.record
    if (mine.seed, mine.validation_rows, mine.data[0].sha256) != (
        other.seed,
        other.validation_rows,
        other.data[0].sha256,
    ):
        raise MakeError(
            f'The teacher "{section.teacher}" held out other rows than the student: its data, seed and '
            "validation count must be the same, or validation would be known to it."
        )
    return teacher
