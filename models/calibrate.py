"""Stage `calibrate`: the trained network's scores become chances; its answers stay what they were.

One number for all logits, the temperature (Guo et al. 2017, arXiv 1706.04599), is found on the rows held out
and divided into the head, so that the graph and the server know nothing of it.
"""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec
import torch
from torch import Tensor

from models.infer import load_network, logits_of
from models.job import Job
from models.losses import hard_loss, said_choices, targets_of
from models.task_data import exam_of, examples_of, split_of
from models.workspace import Trained, load_trained, save_trained

SHARPEST, FLATTEST, STEPS = 0.05, 20.0, 60


def run(job: Job) -> Trained:
    """Divide the head by the temperature that validation asks for; the network's record goes with it."""
    start = load_trained(job.before("calibrate"))
    found = temperature(*_validation(job, start))
    job.console.print(f"calibrate: temperature {found:.3f}")
    record = msgspec.structs.replace(
        start.record,
        stage="calibrate",
        commit=job.commit,
        made=datetime.now(UTC).isoformat(timespec="seconds"),
        notes={**start.record.notes, "temperature": round(found, 4)},
    )
    weights = {
        name: value / found if name.startswith("head.") else value for name, value in start.weights().items()
    }
    return save_trained(job.folder("calibrate"), start.config, record, weights, start.tokenizer())


def temperature(choices: Tensor, targets: Tensor) -> float:
    """What the logits are to be divided by, so that the targets are the likeliest.

    The mean loss is convex in one over the temperature, so that three parts of a range lead to its least.

    Args:
        choices: Logits [choices, options].
        targets: The right options [choices]; NO_LABEL is left out.
    """
    low, high = 1 / FLATTEST, 1 / SHARPEST
    for _ in range(STEPS):
        third = (high - low) / 3
        one, other = low + third, high - third
        if hard_loss(choices * one, targets) < hard_loss(choices * other, targets):
            high = other
        else:
            low = one
    return 2 / (low + high)


def _validation(job: Job, start: Trained) -> tuple[Tensor, Tensor]:
    """The network's choices on the rows held out, and what they should be."""
    head, tokenizer, rows = start.config.shape.head, start.tokenizer(), split_of(job).validation
    logits = logits_of(load_network(start), exam_of(start.config, tokenizer, rows).ids, start.config.pad)
    targets = targets_of(examples_of(start.config, tokenizer, rows).targets)
    return said_choices(head, logits).to(torch.float64), targets
