"""Stage `finetune`: a network learns its task from labelled rows, without a teacher."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import msgspec
import torch
import torch.nn.functional as F  # noqa: N812 - the name torch itself uses
from tokenizers import Tokenizer
from torch import Tensor, nn

from models.data.labelled import read_labelled
from models.data.rows import Labelled, majority_share, split_off, without_repeats
from models.data.sets import DataFile
from models.errors import MakeError
from models.job import Job
from models.layout import encode
from models.loop import Progressed, Run
from models.network import Encoder
from models.workspace import Config, Trained, commit_here, load_trained, save_trained, versions_here
from server.inference.manifest import DataDigest


@dataclass(frozen=True, slots=True)
class Rows:
    """Encoded rows: ids with start and end, and the index of each row's label."""

    ids: list[list[int]]
    targets: list[int]


def encode_rows(config: Config, tokenizer: Tokenizer, rows: Sequence[Labelled]) -> Rows:
    """Rows as the network takes them; MakeError where a label is not one of the recipe's."""
    index = {label.label: place for place, label in enumerate(config.labels)}
    for row in rows:
        if row.label not in index:
            raise MakeError(f'The data holds the label "{row.label}", which the recipe does not name.')
    return Rows(encode(config, tokenizer, [row.text for row in rows]), [index[row.label] for row in rows])


def padded(ids: Sequence[Sequence[int]], pad: int) -> tuple[Tensor, Tensor]:
    """Ids and mask, both [rows, width of the longest]."""
    width = max(map(len, ids))
    table = torch.full((len(ids), width), pad, dtype=torch.long)
    for place, row in enumerate(ids):
        table[place, : len(row)] = torch.tensor(row)
    lengths = torch.tensor([len(row) for row in ids])
    return table, (torch.arange(width) < lengths[:, None]).long()


@torch.inference_mode()
def logits_of(network: nn.Module, ids: Sequence[Sequence[int]], pad: int, rows: int = 64) -> Tensor:
    """Logits [texts, outputs] in the texts' order; float32, batches of like length."""
    network.eval()
    order = sorted(range(len(ids)), key=lambda i: len(ids[i]))
    parts = [
        network(*padded([ids[i] for i in order[at : at + rows]], pad)) for at in range(0, len(ids), rows)
    ]
    made = torch.cat(parts)
    return made[torch.argsort(torch.tensor(order))]


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
        return F.cross_entropy(logits.float(), self.targets[list(rows)], label_smoothing=self.smoothing)

    def score(self, network: nn.Module) -> float:
        """Accuracy (0..1) on validation."""
        logits = logits_of(network, self.validation.ids, self.pad)
        return float((logits.argmax(1) == torch.tensor(self.validation.targets)).float().mean())


def run(job: Job) -> Trained:
    """Fine-tune the network of stage `base`."""
    torch.manual_seed(job.recipe.seed)
    start = load_trained(job.folder("base"))
    train, validation, file = task_rows(job)
    if not file.published:
        job.console.print(f"note: {file.path} is not the published version of {job.recipe.data.set}")
    network = load_network(start, job.recipe.finetune.dropout)
    tokenizer = start.tokenizer()
    learner = Classifier(
        network,
        encode_rows(start.config, tokenizer, train),
        encode_rows(start.config, tokenizer, validation),
        start.config.pad,
        job.recipe.finetune.smoothing,
    )
    checkpoints = job.folder("checkpoints") / f"finetune-{_fingerprint(job, start)}"
    done = Run(learner, job.recipe.finetune, checkpoints, job.recipe.seed, job.console).train()
    return save_result(job, start, network, done, (train, validation, file))


def task_rows(job: Job) -> tuple[list[Labelled], list[Labelled], DataFile]:
    """Train rows without repeats, validation rows cut from them, and the file they came from."""
    rows, file = read_labelled(job.data, job.recipe.data.set, "train")
    unique = without_repeats(rows)
    train, validation = split_off(unique, job.recipe.data.validation, job.recipe.seed)
    if not train or not validation:
        raise MakeError(
            f"{file.path} has {len(unique)} rows: too few to hold out {job.recipe.data.validation}."
        )
    return train[: job.recipe.data.limit], validation, file


def load_network(trained: Trained, dropout: float) -> Encoder:
    """The network of a stage in torch."""
    network = Encoder(trained.config.shape, dropout)
    network.load_state_dict({name: torch.from_numpy(value) for name, value in trained.weights().items()})
    return network


def save_result(
    job: Job,
    start: Trained,
    network: Encoder,
    done: Progressed,
    data: tuple[list[Labelled], list[Labelled], DataFile],
) -> Trained:
    """Write the trained network with a record of how it came about."""
    train, validation, file = data
    record = msgspec.structs.replace(
        start.record,
        recipe_sha256=job.recipe_sha256,
        stage="finetune",
        commit=commit_here(),
        made=datetime.now(UTC).isoformat(timespec="seconds"),
        data=(DataDigest(source=file.source, file=file.name, sha256=file.sha256, rows=len(train)),),
        versions=versions_here(),
        rows=len(train),
        validation_rows=len(validation),
        majority=majority_share(validation),
        best=done.best,
        epochs=tuple(done.epochs),
    )
    weights = {name: value.detach().numpy() for name, value in network.state_dict().items()}
    return save_trained(job.folder("finetune"), start.config, record, weights, start.tokenizer())


def _fingerprint(job: Job, start: Trained) -> str:
    """Names what a checkpoint belongs to: other settings, data or start are another run."""
    recipe = job.recipe
    what = msgspec.json.encode((recipe.finetune, recipe.data, recipe.seed, start.record.made, start.config))
    return hashlib.sha256(what).hexdigest()[:12]
