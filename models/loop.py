"""The training loop: batches, steps, checkpoints, validation, early stopping. Knows no task, no file of data.

An interrupted run goes on from its last checkpoint and ends with the very weights of an uninterrupted one (on
one machine, with equal threads): the order of the batches is a function of seed and epoch alone, and the
checkpoint holds the state of the random numbers.
"""

from __future__ import annotations

import math
import random
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import msgspec
import torch
from msgspec import UNSET
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from models.errors import MakeError
from models.precision import autocast
from models.sections import TrainingSection
from models.workspace import Epoch

POOL = 50  # batches whose rows are sorted by length together


class Learner(Protocol):
    """What the loop trains: a network, its rows by index, a loss on some of them, a score on validation."""

    network: nn.Module

    def lengths(self) -> Sequence[int]:
        """Tokens of each row."""

    def loss(self, rows: Sequence[int]) -> Tensor:
        """Mean loss of these rows, a scalar with gradient."""

    def score(self, network: nn.Module) -> float:
        """Score of `network` on validation, more is better."""


def batches(lengths: Sequence[int], tokens: int, seed: int) -> list[list[int]]:
    """Every row once, in batches of like length of at most `tokens` padded tokens (one row at least)."""
    order = list(range(len(lengths)))
    shuffler = random.Random(seed)
    shuffler.shuffle(order)
    mean = max(1, sum(lengths) // max(1, len(lengths)))
    pool = max(1, POOL * tokens // mean)
    made: list[list[int]] = []
    for start in range(0, len(order), pool):
        made.extend(_cut(sorted(order[start : start + pool], key=lengths.__getitem__), lengths, tokens))
    shuffler.shuffle(made)
    return made


def _cut(rows: Sequence[int], lengths: Sequence[int], tokens: int) -> Iterator[list[int]]:
    batch: list[int] = []
    for row in rows:  # shortest first, so the newest row is the widest
        if batch and (len(batch) + 1) * lengths[row] > tokens:
            yield batch
            batch = []
        batch.append(row)
    if batch:
        yield batch


@dataclass
class Progressed:
    """How far a run is: the part of a checkpoint that is plain numbers."""

    epoch: int = 0
    step: int = 0  # within the epoch
    done: int = 0  # over all epochs
    loss_sum: float = 0.0
    seconds: float = 0.0  # of this epoch
    best: float = -1.0
    best_epoch: int = -1
    epochs: list[Epoch] = field(default_factory=list)


class Run:
    """One training run in `folder`, which holds its checkpoint; `train` leaves the best or last weights."""

    def __init__(
        self, learner: Learner, section: TrainingSection, folder: Path, seed: int, console: Console
    ) -> None:
        self.learner, self.section, self.seed = learner, section, seed
        self.folder, self.console = folder, console
        self.lengths = learner.lengths()
        self.total = section.epochs * len(batches(self.lengths, section.tokens_a_batch, seed))
        self.optimizer = _optimizer(learner.network, section)
        self.schedule = torch.optim.lr_scheduler.LambdaLR(self.optimizer, self._share)
        average = get_ema_multi_avg_fn(section.average)
        self.average = AveragedModel(learner.network, multi_avg_fn=average) if section.average else None
        self.at = Progressed()
        self.best: dict[str, Tensor] = {}

    def train(self) -> Progressed:
        """Train to the end, or until `patience` epochs were no better; leaves the best or last weights."""
        torch.manual_seed(self.seed)
        self._resume()
        while self.at.epoch < self.section.epochs and not self._stale():
            self._epoch()
        self.learner.network.load_state_dict(self.best)
        return self.at

    def _stale(self) -> bool:
        return self.at.best_epoch >= 0 and self.at.epoch - 1 - self.at.best_epoch >= self.section.patience

    def _share(self, step: int) -> float:
        warm = max(1, int(self.section.warmup * self.total))
        return min((step + 1) / warm, max(0.0, (self.total - step) / max(1, self.total - warm)))

    def _epoch(self) -> None:
        plan = batches(self.lengths, self.section.tokens_a_batch, self.seed + self.at.epoch)
        started, saved = time.monotonic() - self.at.seconds, time.monotonic()
        self.learner.network.train()
        with _progress(self.console) as progress:
            bar = progress.add_task(
                f"epoch {self.at.epoch + 1}/{self.section.epochs}", total=len(plan), note=""
            )
            for rows in plan[self.at.step :]:
                self._step(rows)
                self.at.seconds = time.monotonic() - started
                progress.update(bar, completed=self.at.step, note=self._note(plan))
                if time.monotonic() - saved > self.section.checkpoint_seconds:
                    self._save()
                    self._log(plan)
                    saved = time.monotonic()
        self._finish_epoch(plan)

    def _step(self, rows: Sequence[int]) -> None:
        with autocast(self.section.bfloat16):
            loss = self.learner.loss(rows)
        loss.backward()
        nn.utils.clip_grad_norm_(self.learner.network.parameters(), 1.0)
        self.optimizer.step()
        self.schedule.step()
        self.optimizer.zero_grad(set_to_none=True)
        if self.average is not None:
            self.average.update_parameters(self.learner.network)
        self.at.step += 1
        self.at.done += 1
        self.at.loss_sum += loss.item()

    def _note(self, plan: Sequence[Sequence[int]]) -> str:
        """Mean loss of this epoch, tokens a second, and what is left of the whole run by its pace."""
        seconds = max(self.at.seconds, 1e-9)
        rate = sum(self.lengths) * self.at.step / len(plan) / seconds
        left = (self.total - self.at.done) * seconds / self.at.step / 60
        loss = self.at.loss_sum / self.at.step
        return f"loss {loss:.4f}, {rate:.0f} tokens/s, {left:.0f} min left at most"

    def _log(self, plan: Sequence[Sequence[int]]) -> None:
        """A line for those who have no terminal to watch the bar on."""
        if not self.console.is_terminal:
            where = f"epoch {self.at.epoch + 1}, step {self.at.step} of {len(plan)}"
            self.console.print(f"{where}: {self._note(plan)}")

    def _finish_epoch(self, plan: Sequence[Sequence[int]]) -> None:
        network = self.learner.network if self.average is None else self.average.module
        network.eval()
        score = self.learner.score(network)
        loss = self.at.loss_sum / max(1, self.at.step)
        if not math.isfinite(loss):
            raise MakeError(f"In epoch {self.at.epoch + 1} the loss became {loss}: a lower `rate` may help.")
        if score > self.at.best or self.section.weights == "last":
            self.at.best, self.at.best_epoch = score, self.at.epoch
            self.best = {name: weight.detach().clone() for name, weight in network.state_dict().items()}
        seconds, tokens = round(self.at.seconds, 1), sum(self.lengths)
        epoch = Epoch(number=self.at.epoch + 1, loss=loss, validation=score, seconds=seconds, tokens=tokens)
        self.at.epochs.append(epoch)
        self.console.print(f"epoch {epoch.number}: loss {loss:.4f}, validation {score:.4f}, {seconds:.0f} s")
        self.at.epoch, self.at.step, self.at.loss_sum, self.at.seconds = self.at.epoch + 1, 0, 0.0, 0.0
        self._save()

    def _save(self) -> None:
        state = {
            "network": self.learner.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "schedule": self.schedule.state_dict(),
            "average": self.average.state_dict() if self.average is not None else {},
            "random": torch.get_rng_state(),
            "best": self.best,
            "at": msgspec.json.encode(self.at).decode(),
        }
        self.folder.mkdir(parents=True, exist_ok=True)
        fresh = self.folder / "checkpoint.tmp"
        torch.save(state, fresh)
        fresh.replace(self.folder / "checkpoint.pt")

    def _resume(self) -> None:
        path = self.folder / "checkpoint.pt"
        if not path.exists():
            return
        state: dict[str, Any] = torch.load(path, weights_only=True)
        self.learner.network.load_state_dict(state["network"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.schedule.load_state_dict(state["schedule"])
        if self.average is not None:
            self.average.load_state_dict(state["average"])
        torch.set_rng_state(state["random"])
        self.best, self.at = state["best"], msgspec.json.decode(state["at"], type=Progressed)
        self.console.print(f"goes on after {self.at.done} of {self.total} steps")


def _optimizer(network: nn.Module, section: TrainingSection) -> torch.optim.Optimizer:
    """AdamW (Loshchilov and Hutter 2019); norms and biases do not decay, what is new has the head's rate."""
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    named = list(network.named_parameters())
    layers = 1 + max((_layer(name) for name, _ in named), default=0)
    for name, parameter in named:
        lower = 1.0 if section.layer_rate is UNSET else section.layer_rate ** (layers - 1 - _layer(name))
        rate = (
            section.head_rate
            if name.startswith(("head.", "extra.", "embed.second"))
            else section.rate * lower
        )
        decay = section.weight_decay if parameter.ndim > 1 else 0.0
        groups.setdefault((rate, decay), []).append(parameter)
    settings = [
        {"params": group, "lr": rate, "weight_decay": decay} for (rate, decay), group in groups.items()
    ]
    return torch.optim.AdamW(settings, betas=(0.9, 0.98), eps=1e-6, fused=True)


def _layer(name: str) -> int:
    """The layer that a parameter belongs to; -1 for the embedding."""
    parts = name.split(".")
    return int(parts[1]) if parts[0] == "layers" else -1


def _progress(console: Console) -> Progress:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[note]}"),
    )
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
