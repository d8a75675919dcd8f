"""Stage `grow`: a trained network made wider that says the same, to measure what width alone costs.

Every channel is repeated, and what reads it takes each copy's share (Net2Net: Chen et al. 2016, arXiv
1511.05641; bert2BERT: Chen et al. 2022, arXiv 2110.07143). Norms see the same mean and variance; heads stay
as many and become wider. Twice a 12-layer network of 384 has BERT-base's geometry.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import msgspec
import numpy as np
from msgspec import UNSET
from numpy.typing import NDArray

from models.errors import MakeError
from models.graphs import CHECKED_TEXTS, train_ids
from models.infer import load_network, logits_of, network_of
from models.job import Job
from models.network import Encoder
from models.shape import Shape
from models.workspace import Trained, Weights, load_trained, save_trained

Floats = NDArray[np.float32]
TOLERANCE = 1e-3  # between the narrow and the wide network, in logits


def run(job: Job) -> Trained:
    """Widen the trained network, whose record goes with it; MakeError where its logits are others then."""
    trained, times = load_trained(job.before("grow")), job.grow.times
    shape = widened_shape(trained.config.shape, times)
    weights = widened(trained.config.shape, trained.weights(), times)
    _check_same(job, trained, network_of(shape, weights))
    record = msgspec.structs.replace(
        trained.record,
        stage="grow",
        commit=job.commit,
        made=datetime.now(UTC).isoformat(timespec="seconds"),
        notes={**trained.record.notes, "widened": times, "parameters": shape.parameters},
    )
    config = msgspec.structs.replace(trained.config, shape=shape)
    return save_trained(job.folder("grow"), config, record, weights, trained.tokenizer())


def _check_same(job: Job, trained: Trained, wide: Encoder) -> None:
    ids = train_ids(job, trained, CHECKED_TEXTS)
    here, there = (logits_of(network, ids, trained.config.pad) for network in (load_network(trained), wide))
    apart = float(np.max([np.abs(a - b).max() for a, b in zip(here, there, strict=True)]))
    if not apart <= TOLERANCE:  # nor may it be no number
        raise MakeError(f"The wide network is {apart:.2g} off the narrow; at most {TOLERANCE} is taken.")
    job.console.print(f"grow: logits within {apart:.1e} of the narrow network")


def widened_shape(shape: Shape, times: int) -> Shape:
    """The geometry with every width `times` as large; layers, heads and positions stay."""
    narrow = None if shape.embedding is None else shape.embedding * times
    size = UNSET if shape.head_size is UNSET else shape.head_size * times
    return replace(
        shape, hidden=shape.hidden * times, ffn=shape.ffn * times, embedding=narrow, head_size=size
    )


def widened(shape: Shape, weights: Weights, times: int) -> dict[str, Floats]:
    """Weights of `widened_shape`, shaped as in `models.network`; the logits stay but for rounding."""
    return {name: _wide(shape, name, value, times) for name, value in weights.items()}


def _wide(shape: Shape, name: str, value: Floats, times: int) -> Floats:
    part = name.split(".")[-2]
    if part == "head":
        return value if value.ndim == 1 else np.repeat(value, times, axis=1) / np.float32(times)
    if name in ("embed.word", "embed.position"):
        return np.repeat(value, times, axis=1)
    wide = np.repeat(value, times, axis=0)
    if value.ndim == 2:  # a dense layer [outputs, inputs] adds up as many copies of each input
        wide = np.repeat(wide, times, axis=1) / np.float32(times)
    if part == "qkv":  # heads are wider, so scores are divided by more than copies make them larger
        wide[: shape.attention * times] /= np.float32(np.sqrt(times))
    return np.ascontiguousarray(wide)
