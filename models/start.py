"""Stage `base`: the untrained network of a recipe: some layers of a base, its vocabulary cut by use."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime

import numpy as np
from msgspec import UNSET

from models.base import Base, Floats, open_base
from models.data.texts import read_texts
from models.errors import MakeError
from models.held_out import check_held_out
from models.job import Job
from models.shape import Shape, pruned_shape
from models.stacked import Stacked
from models.tasks import TASKS
from models.vocabulary import Vocabulary, count_characters, count_pieces, cut, cut_to_characters, tokenizer_of
from models.workspace import Config, Record, Trained, save_trained, versions_here
from server.inference.manifest import LabelName


def run(job: Job) -> Trained:
    """Cut, choose and save; a head that the base has not is small random numbers from the recipe's seed."""
    base = checked_base(job)
    vocabulary = _vocabulary(job, base)
    shape = _shape(job, vocabulary, base)
    if job.recipe.prune:  # said now rather than after hours of training
        pruned_shape(shape, job.recipe.prune.heads, job.recipe.prune.ffn)
    config = _config(job, vocabulary, base, shape)
    record = Record(
        recipe=job.recipe.name,
        recipe_sha256=job.recipe_sha256,
        stage="base",
        seed=job.recipe.seed,
        commit=job.commit,
        made=datetime.now(UTC).isoformat(timespec="seconds"),
        base=base.name,
        base_sha256=base.sha256,
        data=base.data,
        versions=versions_here(),
        notes={"parameters": shape.parameters, "vocabulary": shape.vocab},
    )
    weights = _weights(job, base, vocabulary, shape)
    return save_trained(job.folder("base"), config, record, weights, vocabulary.tokenizer)


def checked_base(job: Job) -> Base:
    """The recipe's base, and what is above it; MakeError: missing, too small, or knows rows held out."""
    network = job.recipe.network
    base = _checked(job, job.recipe.base, network.layers)
    if network.positions > base.shape.positions:
        raise MakeError(
            f"The recipe takes {network.positions} positions; {base.name} has {base.shape.positions}."
        )
    if network.above is UNSET:
        return base
    above = _checked(job, network.above.base, network.above.layers)
    gain = None if network.above.gain is UNSET else network.above.gain
    return Stacked(base, above, network.layers, network.above.layers, gain)


def _checked(job: Job, name: str, layers: Sequence[int]) -> Base:
    base = open_base(name)
    if not layers or max(layers) >= base.shape.layers:
        raise MakeError(
            f"The recipe takes layers {list(layers)}; {base.name} has 0 to {base.shape.layers - 1}."
        )
    check_held_out(job, base)
    return base


def _vocabulary(job: Job, base: Base) -> Vocabulary:
    whole = tokenizer_of(base.pieces, range(len(base.pieces.texts)))
    uses: Counter[int] = Counter()
    characters: Counter[str] = Counter()
    for name, weight in job.recipe.vocabulary.texts.items():
        texts = list(read_texts(job.data, name))
        job.console.print(f"counting the pieces of {len(texts)} texts of {name}")
        for piece, count in count_pieces(whole, texts).items():
            uses[piece] += round(weight * count)
        characters.update(count_characters(whole, texts))
    section = job.recipe.vocabulary
    if section.tokens == "characters":
        return cut_to_characters(base.pieces, characters, section.size, section.rare)
    return cut(base.pieces, uses, characters, section.size, section.rare)


def _shape(job: Job, vocabulary: Vocabulary, base: Base) -> Shape:
    network, task = job.recipe.network, TASKS[job.recipe.task]
    return Shape(
        vocab=len(vocabulary.kept),
        hidden=base.shape.hidden,
        layers=network.depth,
        heads=base.shape.heads,
        ffn=base.shape.ffn,
        positions=network.positions,
        outputs=len(task.outputs(list(job.recipe.labels))),
        activation=network.activation,
        pooling=network.pooling,
        head=task.head,
        eps=base.shape.eps,
        first_ends=vocabulary.kept.index(base.pieces.end) if network.marks else None,
        embedding=base.shape.embedding,
        shared=base.shape.shared,
        head_size=base.shape.head_size,
    )


def _config(job: Job, vocabulary: Vocabulary, base: Base, shape: Shape) -> Config:
    start, pad, end, unknown = (vocabulary.kept.index(i) for i in base.pieces.specials)
    labels = tuple(LabelName(label=label, name=name) for label, name in job.recipe.labels.items())
    return Config(
        task=job.recipe.task,
        shape=shape,
        labels=labels,
        start=start,
        pad=pad,
        end=end,
        unknown=unknown,
        middle=base.middle,
    )


def encoder_weights(
    base: Base, kept: Sequence[int], layers: Sequence[int], shape: Shape
) -> dict[str, Floats]:
    """The embedding of the base's words `kept`, and its `layers`, counted from 0 anew; shared ones once.

    Names and shapes are those of `models.network`.
    """
    weights = base.embedding(kept, shape.positions)
    for place, layer in enumerate(layers[: 1 if shape.shared else None]):
        weights.update({f"layers.{place}.{name}": value for name, value in base.layer(layer).items()})
    return weights


def _weights(job: Job, base: Base, vocabulary: Vocabulary, shape: Shape) -> dict[str, Floats]:
    layers = job.recipe.network.layers if job.recipe.network.above is UNSET else range(shape.layers)
    weights = encoder_weights(base, vocabulary.kept, layers, shape)
    random = np.random.default_rng(job.recipe.seed)
    weights["head.weight"] = random.normal(0, 0.02, (shape.outputs, shape.features)).astype(np.float32)
    weights["head.bias"] = np.zeros(shape.outputs, np.float32)
    head = base.head(TASKS[job.recipe.task].outputs(list(job.recipe.labels)), shape)
    if job.recipe.data.kept is not UNSET and not head:
        raise MakeError(
            f"The recipe keeps (`kept`) what its base said before, but {base.name} has no head for its task, "
            "labels, activation and pooling."
        )
    weights |= head
    second = weights.pop("embed.second", random.normal(0, 0.02, shape.embedded).astype(np.float32))
    if shape.first_ends is not None:
        weights["embed.second"] = second
    return weights
