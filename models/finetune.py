"""Stage `finetune`: a network learns its task from labelled rows, without a teacher."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import torch
from torch import Tensor, nn

from models.data.rows import majority_share
from models.infer import load_network, padded
from models.job import Job
from models.loop import Progressed, Run
from models.losses import hard_loss
from models.network import Encoder
from models.recipe import Section
from models.task_data import Rows, Split, encode_rows, split_of
from models.workspace import Trained, load_trained, save_trained, versions_here
from server.inference.manifest import DataDigest


class Classifier:
    """Learns labels by cross-entropy; scored by accuracy."""

    def __init__(self, network: Encoder, rows: Rows, validation: Rows, pad: int, smoothing: float) -> None:
        self.network: nn.Module = network
        self.rows, self.validation, self.pad, self.smoothing = rows, validation, pad, smoothing
        self.targets = torch.tensor(rows.targets)

    def lengths(self) -> list[int]:
        """Tokens of each row."""
        return [len(ids) for ids in self.rows.ids]

    def loss(self, rows: Sequence[int]) -> Tensor:
        """Mean cross-entropy of these rows."""
        logits = self.network(*padded([self.rows.ids[row] for row in rows], self.pad))
        return hard_loss(logits.float(), self.targets[list(rows)], self.smoothing)

    def score(self, network: nn.Module) -> float:
        """Accuracy (0..1) on validation."""
        return self.validation.accuracy(network, self.pad)


def run(job: Job) -> Trained:
    """Fine-tune the network of stage `base`."""
    section = job.recipe.finetune
    torch.manual_seed(job.recipe.seed)
    start, split = load_trained(job.folder("base")), split_of(job)
    if not split.file.published:
        job.console.print(f"note: {split.file.path} is not the published version of {job.recipe.data.set}")
    network, tokenizer = load_network(start, section.dropout), start.tokenizer()
    train = encode_rows(start.config, tokenizer, split.train)
    validation = encode_rows(start.config, tokenizer, split.validation)
    learner = Classifier(network, train, validation, start.config.pad, section.smoothing)
    checkpoints = checkpoint_folder(job, "finetune", section, start)
    done = Run(learner, section, checkpoints, job.recipe.seed, job.console).train()
    return save_result(job, "finetune", start, network, done, split)


def checkpoint_folder(job: Job, stage: str, section: Section, start: Trained) -> Path:
    """Where a run's checkpoint lies: other settings, data or start are another run."""
    what = msgspec.json.encode((section, job.recipe.data, job.recipe.seed, start.record.made, start.config))
    return job.folder("checkpoints") / f"{stage}-{hashlib.sha256(what).hexdigest()[:12]}"


def save_result(
    job: Job, stage: str, start: Trained, network: Encoder, done: Progressed, split: Split
) -> Trained:
    """Write the trained network with a record of how it came about."""
    file, rows = split.file, len(split.train)
    record = msgspec.structs.replace(
        start.record,
        recipe_sha256=job.recipe_sha256,
        stage=stage,
        commit=job.commit,
        made=datetime.now(UTC).isoformat(timespec="seconds"),
        data=(DataDigest(source=file.source, file=file.name, sha256=file.sha256, rows=rows),),
        versions=versions_here(),
        rows=rows,
        validation_rows=len(split.validation),
        majority=majority_share(split.validation),
        best=done.best,
        epochs=tuple(done.epochs),
        looks=(),
    )
    weights = {name: value.detach().numpy() for name, value in network.state_dict().items()}
    return save_trained(job.folder(stage), start.config, record, weights, start.tokenizer())
