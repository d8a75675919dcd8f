"""Stage `distil`: the student learns the scores of a teacher, or of several, on labelled rows and raw texts.

What a teacher says of each text is computed once, in parts, and kept beside the student.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from msgspec import UNSET
from torch import Tensor

from models.finetune import Fitting, checkpoint_folder, save_result
from models.infer import load_network
from models.job import Job
from models.layout import encode
from models.lineage import sources
from models.loop import Run
from models.losses import hard_loss, said_choices, soft_loss
from models.network import Encoder
from models.practice import with_practice
from models.sections import DistilSection
from models.task_data import Exam, Examples, Split, exam_of, examples_of, split_of
from models.tasks.figures import NO_LABEL
from models.teachers import Said, fitting_teacher, said_of_texts, said_of_windows
from models.unlabelled import spoken_on
from models.workspace import Trained, load_trained
from server.inference.values import Text


class Pupil(Fitting):
    """Learns a teacher's choices, and targets where there are any; `said` is what `mean_said` gives."""

    def __init__(
        self,
        network: Encoder,
        examples: Examples,
        exam: Exam,
        said: Said,
        section: DistilSection,
    ) -> None:
        super().__init__(network, examples, exam, smoothing=0.0)
        self.said, self.section = said, section

    def loss(self, rows: Sequence[int]) -> Tensor:
        """The teacher's share and the targets' share, by the recipe's weights: a scalar with gradient."""
        choices, targets = self.choices(rows)
        teacher = said_choices(self.head, [self.said[row] for row in rows])
        hard = self.section.hard
        soft = soft_loss(choices, teacher, self.section.temperature)
        return (1 - hard) * soft + hard * hard_loss(choices, targets)


def run(job: Job) -> Trained:
    """Distil into the network of the stage before."""
    section = job.distil
    start, split = load_trained(job.before("distil")), with_practice(job, split_of(job))
    teachers = [fitting_teacher(job, name, start, split) for name in section.teachers]
    raw = spoken_on(job, section, split, start.tokenizer())
    examples, said = _taught(job, start, split, raw, teachers)
    torch.manual_seed(job.recipe.seed)
    network = load_network(start, section.training.dropout)
    exam = exam_of(start.config, start.tokenizer(), split.validation)
    pupil = Pupil(network, examples, exam, said, section)
    made = " ".join(teacher.record.made for teacher in teachers)
    checkpoints = checkpoint_folder(job, "distil", section, start, (split.train, raw), made)
    done = Run(pupil, section.training, checkpoints, job.recipe.seed, job.console).train()
    told = sources(job, section.texts, "texts that the teacher labelled, of")
    known = [digest for teacher in teachers for digest in teacher.record.data]
    return save_result(job, "distil", start, network, done, split.taught_with(*told, *known))


def _taught(
    job: Job, start: Trained, split: Split, raw: Sequence[Text], teachers: Sequence[Trained]
) -> tuple[Examples, Said]:
    """All windows that are learnt, and what the teachers say of each."""
    config, empty, seed = start.config, job.recipe.data.empty, job.recipe.seed
    examples = _with_raw(examples_of(config, start.tokenizer(), split.train), start, raw)
    if config.shape.head == "classify":
        asked = [row.asked for row in split.train] + list(raw)
        said = mean_said([said_of_texts(job, each, asked) for each in teachers])
        return examples, for_windows(said, examples.windows)
    if empty is not UNSET:
        examples = examples.of(examples.without_most_empty(empty, seed))
    return examples, mean_said([said_of_windows(job, each, examples.ids) for each in teachers])


def _with_raw(examples: Examples, start: Trained, raw: Sequence[Text]) -> Examples:
    """The examples, and the windows of raw texts, whose targets no loss counts."""
    encoded = encode(start.config, start.tokenizer(), raw)
    ids = [each.ids.tolist() for one in encoded for each in one.examples]
    said = {"classify": 1, "spans": 2}  # numbers that say what is right of a window; of tags one a token
    head = start.config.shape.head
    return Examples(
        examples.ids + ids,
        examples.targets + [[NO_LABEL] * said.get(head, len(row)) for row in ids],
        examples.windows + [len(one.examples) for one in encoded],
    )


def mean_said(said: Sequence[Said]) -> Said:
    """The mean over teachers of the logits that each gives a text or a window."""
    return [np.mean(logits, axis=0) for logits in zip(*said, strict=True)]


def for_windows(said: Said, windows: Sequence[int]) -> Said:
    """What is said of each text, for every one of its `windows`."""
    return [own for own, count in zip(said, windows, strict=True) for _ in range(count)]
