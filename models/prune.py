"""Stage `prune`: a trained network loses the heads and inner units that matter least, and is trained again.

What matters is told from gates of 1 on each head's output (Michel et al. 2019, arXiv 1905.10650) and on each
inner unit's (Molchanov et al. 2017, arXiv 1611.06440): how much the loss would change, to first order, if a
gate were closed. Each layer keeps as many as the others, so that one geometry describes them all.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import cast

import msgspec
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from models.finetune import Fitting, checkpoint_folder, learnt_and_asked, save_result
from models.infer import load_network
from models.job import Job
from models.loop import Run, batches
from models.network import Encoder, Layer
from models.shape import Shape, pruned_shape
from models.task_data import split_of
from models.workspace import Trained, Weights, load_trained

BATCHES = 200  # of train rows at most, to tell importance from

Floats = NDArray[np.float32]
Places = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Importance:
    """What closing each gate of a stored layer would change in the loss: `heads` [heads], `units` [ffn]."""

    heads: Floats
    units: Floats


def run(job: Job) -> Trained:
    """Cut the network of the stage before and fine-tune what is left; MakeError where it has too little."""
    section, seed = job.prune, job.recipe.seed
    start, split = load_trained(job.before("prune")), split_of(job)
    shape = pruned_shape(start.config.shape, section.heads, section.ffn)
    examples, exam = learnt_and_asked(job, start, split)
    whole = Fitting(load_network(start), examples, exam, section.training.smoothing)
    plan = batches(whole.lengths(), section.training.tokens_a_batch, seed)[:BATCHES]
    weights = pruned(start.config.shape, shape, start.weights(), importance(whole, plan))
    job.console.print(f"prune: {start.config.shape.parameters} to {shape.parameters} parameters")
    network = Encoder(shape, section.training.dropout)
    network.load_state_dict({name: torch.from_numpy(value) for name, value in weights.items()})
    learner = Fitting(network, examples, exam, section.training.smoothing)
    checkpoints = checkpoint_folder(job, "prune", section, start, split.train)
    done = Run(learner, section.training, checkpoints, seed, job.console).train()
    return save_result(job, "prune", _described(start, shape), network, done, split)


def importance(learner: Fitting, plan: Sequence[Sequence[int]]) -> list[Importance]:
    """Of each stored layer, summed over the batches of rows in `plan`; without dropout.

    The gradient of a gate is that of what it lets through, times that, added up over the text; its size is
    taken text by text, as texts that pull in opposite directions both need the gate. A shared layer's gates
    count at every depth.
    """
    network = cast(Encoder, learner.network).eval()
    layers = [cast(Layer, layer) for layer in network.layers]
    gates = {layer.out: network.shape.heads for layer in layers}
    gates |= {layer.ffn_out: network.shape.ffn for layer in layers}
    totals = {reader: np.zeros(count, np.float32) for reader, count in gates.items()}
    for rows in plan:
        with _inputs_of(list(gates)) as seen:
            loss = learner.loss(rows)
        gradients = torch.autograd.grad(loss, [x for _, x in seen])
        for (reader, x), gradient in zip(seen, gradients, strict=True):
            summed = (x * gradient).detach().sum(1).unflatten(-1, (gates[reader], -1)).sum(-1)
            totals[reader] += summed.abs().sum(0).numpy()
    return [Importance(totals[layer.out], totals[layer.ffn_out]) for layer in layers]


def pruned(
    shape: Shape, smaller: Shape, weights: Weights, importances: Sequence[Importance]
) -> dict[str, Floats]:
    """The weights that `smaller` has of each stored layer, whose importances are given; the rest as it is.

    Shapes are those of `models.network`.
    """
    made = dict(weights)
    for layer, of_gates in enumerate(importances):
        heads, units = most(of_gates.heads, smaller.heads), most(of_gates.units, smaller.ffn)
        size = shape.attention // shape.heads
        channels = (heads[:, None] * size + np.arange(size)).ravel()
        stacked = np.concatenate([channels + part * shape.attention for part in range(3)])
        for name, axis, kept in (
            ("qkv.weight", 0, stacked),
            ("qkv.bias", 0, stacked),
            ("out.weight", 1, channels),
            ("ffn_in.weight", 0, units),
            ("ffn_in.bias", 0, units),
            ("ffn_out.weight", 1, units),
        ):
            full = f"layers.{layer}.{name}"
            made[full] = np.ascontiguousarray(np.take(weights[full], kept, axis))
    return made


def most(values: Floats, count: int) -> Places:
    """Places [count] of the largest `values` [gates], in their old order; of equal ones the first."""
    return np.sort(np.argsort(-values, kind="stable")[:count])


@contextmanager
def _inputs_of(readers: Sequence[nn.Module]) -> Iterator[list[tuple[nn.Module, Tensor]]]:
    """What these modules are given while the block runs, in order, each time they are called."""
    seen: list[tuple[nn.Module, Tensor]] = []

    def note(reader: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        seen.append((reader, inputs[0]))

    hooks = [reader.register_forward_pre_hook(note) for reader in readers]
    try:
        yield seen
    finally:
        for hook in hooks:
            hook.remove()


def _described(start: Trained, shape: Shape) -> Trained:
    """The network it started from, as the description of what it became."""
    notes = {
        **start.record.notes,
        "heads": shape.heads,
        "ffn": shape.ffn,
        "parameters_before": start.config.shape.parameters,
        "parameters": shape.parameters,
    }
    record = msgspec.structs.replace(start.record, notes=notes)
    return replace(start, config=msgspec.structs.replace(start.config, shape=shape), record=record)
