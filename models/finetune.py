"""Stage `finetune`: a network learns its task from labelled rows, without a teacher."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import torch
from msgspec import UNSET
from torch import Tensor, nn

from models.data.rows import majority_share
from models.infer import load_network, logits_of, padded
from models.job import Job
from models.lineage import each_once
from models.loop import Progressed, Run
from models.losses import choices_of, hard_loss, said_choices, soft_loss, targets_of
from models.network import Encoder
from models.practice import with_practice
from models.sections import Section
from models.task_data import Exam, Examples, Split, exam_of, examples_of, split_of
from models.tasks.figures import NO_LABEL
from models.workspace import Trained, load_trained, save_trained, versions_here


class Fitting:
    """Learns targets by cross-entropy; scored by the task's own score on rows held out."""

    def __init__(self, network: Encoder, examples: Examples, exam: Exam, smoothing: float) -> None:
        self.network: nn.Module = network
        self.examples, self.exam, self.smoothing = examples, exam, smoothing
        self.head, self.pad, self.asked = exam.config.shape.head, exam.config.pad, exam.ids

    def lengths(self) -> list[int]:
        """Tokens of each row."""
        return [len(ids) for ids in self.examples.ids]

    def choices(self, rows: Sequence[int]) -> tuple[Tensor, Tensor]:
        """Logits [choices, options] of these rows, and the right options [choices] or NO_LABEL."""
        ids, mask = padded([self.examples.ids[row] for row in rows], self.pad)
        targets = targets_of([self.examples.targets[row] for row in rows])
        return choices_of(self.head, self.network(ids, mask).float(), mask), targets

    def loss(self, rows: Sequence[int]) -> Tensor:
        """Mean cross-entropy of these rows' choices, in nats: a scalar with gradient."""
        return hard_loss(*self.choices(rows), self.smoothing)

    def score(self, network: nn.Module) -> float:
        """The task's score (0..1) on validation."""
        return self.exam.score(logits_of(network, self.asked, self.pad))


class Keeping(Fitting):
    """Learns what is new by its targets, and of the windows it knew also what it said of them before.

    Learning without forgetting (Li and Hoiem 2016, arXiv 1606.09282).

    Args:
        network: As it was before.
        examples: The first `own` windows are those that are known.
        exam: Rows held out.
        smoothing: Of the targets' labels.
        kept: The share (0..1) of what was said before in the loss of known choices that have a target.
    """

    def __init__(
        self, network: Encoder, examples: Examples, exam: Exam, smoothing: float, kept: float
    ) -> None:
        super().__init__(network, examples, exam, smoothing)
        self.said, self.kept = logits_of(network, examples.ids[: examples.own], self.pad), kept

    def loss(self, rows: Sequence[int]) -> Tensor:
        """Mean over choices, in nats: a scalar with gradient."""
        choices, targets = self.choices(rows)
        hard = hard_loss(choices, targets, self.smoothing)
        own = torch.tensor([row < self.examples.own for row in rows for _ in self.examples.targets[row]])
        asked = targets != NO_LABEL
        both = own & asked
        if not both.any():
            return hard
        said = [self.said[row] for row in rows if row < self.examples.own]
        before = said_choices(self.head, said, choices.shape[-1])
        labelled = hard_loss(choices[both], targets[both], self.smoothing)
        more = soft_loss(choices[both], before[asked[own]], 1.0) - labelled
        return hard + self.kept * more * both.sum() / asked.sum()


def run(job: Job) -> Trained:
    """Fine-tune the network of the stage before."""
    section = job.finetune
    torch.manual_seed(job.recipe.seed)
    start, split = load_trained(job.before("finetune")), with_practice(job, split_of(job))
    network = load_network(start, section.dropout)
    examples, exam = learnt_and_asked(job, start, split)
    learner = Fitting(network, examples, exam, section.smoothing)
    if job.recipe.data.kept is not UNSET:
        learner = Keeping(network, examples, exam, section.smoothing, job.recipe.data.kept)
    checkpoints = checkpoint_folder(job, "finetune", section, start, split.train)
    done = Run(learner, section, checkpoints, job.recipe.seed, job.console).train()
    if section.before is not UNSET:
        mix(network, start, section.before)
        done.best = learner.score(network)
    return save_result(job, "finetune", start, network, done, split)


def mix(network: Encoder, start: Trained, share: float) -> None:
    """Put `share` (0..1) of the weights of `start` into each of the network's, in their place."""
    before = start.weights()
    with torch.no_grad():
        for name, weight in network.state_dict().items():
            weight.lerp_(torch.from_numpy(before[name]), share)


def learnt_and_asked(job: Job, start: Trained, split: Split) -> tuple[Examples, Exam]:
    """Train rows as the network learns them, with so many empty windows as the recipe says; and the exam."""
    tokenizer, empty = start.tokenizer(), job.recipe.data.empty
    examples = examples_of(start.config, tokenizer, split.train, split.own)
    if empty is not UNSET:
        examples = examples.of(examples.without_most_empty(empty, job.recipe.seed))
    return examples, exam_of(start.config, tokenizer, split.validation)


def checkpoint_folder(
    job: Job, stage: str, section: Section, start: Trained, learnt: object, teacher: str = ""
) -> Path:
    """Where a run's checkpoint lies: other settings, rows, start or teacher (its date) are another run."""
    origin = (start.record.made, start.config, teacher)
    what = msgspec.json.encode((section.telling(), job.recipe.data, job.recipe.seed, origin, learnt))
    return job.folder("checkpoints") / f"{stage}-{hashlib.sha256(what).hexdigest()[:12]}"


def save_result(
    job: Job, stage: str, start: Trained, network: Encoder, done: Progressed, split: Split
) -> Trained:
    """Write the trained network with a record of how it came about."""
    classes = start.config.shape.head == "classify"
    record = msgspec.structs.replace(
        start.record,
        recipe_sha256=job.recipe_sha256,
        stage=stage,
        commit=job.commit,
        made=datetime.now(UTC).isoformat(timespec="seconds"),
        data=each_once((*split.files, *start.record.data)),
        versions=versions_here(),
        rows=len(split.train),
        validation_rows=len(split.validation),
        majority=majority_share(split.validation) if classes and split.validation else 0.0,
        best=done.best,
        epochs=tuple(done.epochs),
        looks=(),
    )
    weights = {name: value.detach().numpy() for name, value in network.state_dict().items()}
    return save_trained(job.folder(stage), start.config, record, weights, start.tokenizer())
