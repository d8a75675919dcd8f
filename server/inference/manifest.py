"""What a bundle says of itself: the schema of bundle.json, for all tasks.

A bundle is a folder: bundle.json (this schema), the graphs, tokenizer.json and a model card.
`version` is the digest of everything else in the manifest, and the manifest holds the digest of
every other file, so one string stands for the whole content.
"""

from __future__ import annotations

import hashlib
from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from server.inference.values import Task

SCHEMA = 1
MANIFEST_FILE = "bundle.json"

Name = Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]
Positive = Annotated[int, Meta(ge=1)]


class Part(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of all parts of the manifest: frozen, by keyword, nothing unknown."""


class LabelName(Part, frozen=True, kw_only=True):
    """A label as the data has it and as people read it."""

    label: str
    name: str


class FileDigest(Part, frozen=True, kw_only=True):
    """One file of the bundle, by its path inside the folder."""

    path: str
    sha256: str
    bytes: int


class Layout(Part, frozen=True, kw_only=True):
    """How a text becomes network inputs.

    One text is `prefix + tokens + suffix`; two are `prefix + first + middle + second + suffix`, with
    token type `second_type` from the first token of the second text on. An input named None is not fed.
    """

    prefix: tuple[int, ...]
    middle: tuple[int, ...]
    suffix: tuple[int, ...]
    pad: int
    second_type: int = 0
    max_length: Positive
    overlap: int
    ids: str = "input_ids"
    mask: str | None = "attention_mask"
    types: str | None = None
    outputs: tuple[str, ...] = ("logits",)


class Graph(Part, frozen=True, kw_only=True):
    """One ONNX file, with what it asks of the CPU; the first that fits is served.

    `cpu` lists features in the words of /proc/cpuinfo (avx2, avx512_vnni, asimddp); none means any CPU.
    `max_rows` is 1 where answers would depend on batch mates.
    """

    file: str
    form: str
    cpu: tuple[str, ...] = ()
    max_rows: Positive = 64


class CostCurve(Part, frozen=True, kw_only=True):
    """Seconds of one run on one thread, measured at packing; only its shape is trusted elsewhere.

    `seconds[i][j]` is a run of `rows[i]` rows at `widths[j]`. `widths` are also the only widths run.
    """

    machine: str
    rows: tuple[Positive, ...]
    widths: tuple[Positive, ...]
    seconds: tuple[tuple[float, ...], ...]


class DataDigest(Part, frozen=True, kw_only=True):
    """One data file that went into the weights."""

    source: str
    file: str
    sha256: str
    rows: int


class Lineage(Part, frozen=True, kw_only=True):
    """Where the weights come from.

    `held_out` rows of the first of `data`, drawn by `seed`, were never learnt.
    """

    base: str
    recipe: str
    recipe_sha256: str
    seed: int
    commit: str
    made: str
    data: tuple[DataDigest, ...] = ()
    held_out: Annotated[int, Meta(ge=0)] | UnsetType = UNSET
    versions: dict[str, str] = {}
    notes: str = ""


class Quality(Part, frozen=True, kw_only=True):
    """One measured score of this very bundle, through the server's own path."""

    metric: str
    value: float
    split: str
    n: int
    low: float | None = None
    high: float | None = None
    baseline: float | None = None
    baseline_name: str | None = None
    teacher: float | None = None
    published: float | None = None
    published_name: str | None = None
    notes: str = ""


class Expected(Part, frozen=True, kw_only=True):
    """The best answer to a golden example: a label, an entity type, or an answer's text.

    `start` and `end` are given for entities and answers; `label` is empty where nothing is to be found.
    """

    label: str
    score: float
    start: int | None = None
    end: int | None = None


class Golden(Part, frozen=True, kw_only=True):
    """An input with the answer that was seen at packing, asked again at every start."""

    text: str
    second: str | None = None
    expected: Expected


class Terms(Part, frozen=True, kw_only=True):
    """The terms of the weights, which are the data's and the base's, not the code's."""

    name: str
    text: str
    commercial_use: bool | None


class Manifest(Part, frozen=True, kw_only=True):
    """The whole of bundle.json."""

    schema: int
    version: str = ""
    name: Name
    task: Task
    title: str
    labels: tuple[LabelName, ...] = ()
    tags: tuple[str, ...] = ()
    multi_label: bool = False
    thresholds: tuple[float, ...] = ()
    no_answer: bool = False
    max_answer_chars: Positive = 64
    # Unset it does not stand in the digest: bundles from before it was thought of stay valid.
    brevity: Annotated[float, Meta(ge=0)] | UnsetType = UNSET
    parameters: int
    layout: Layout
    graphs: Annotated[tuple[Graph, ...], Meta(min_length=1)]
    cost: CostCurve
    files: tuple[FileDigest, ...]
    lineage: Lineage
    quality: tuple[Quality, ...] = ()
    golden: tuple[Golden, ...] = ()
    terms: Terms


def version_of(manifest: Manifest) -> str:
    """Digest of all that the manifest holds, `version` aside: 64 hex digits."""
    blank = msgspec.structs.replace(manifest, version="")
    return hashlib.sha256(msgspec.json.encode(blank, order="deterministic")).hexdigest()


def sealed(manifest: Manifest) -> Manifest:
    """The manifest with its own version written in."""
    return msgspec.structs.replace(manifest, version=version_of(manifest))


def to_json(manifest: Manifest) -> bytes:
    """The bytes of bundle.json, readable and stable."""
    return msgspec.json.format(msgspec.json.encode(manifest, order="deterministic"), indent=1) + b"\n"
