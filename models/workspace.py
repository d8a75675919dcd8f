"""Where work lies, under QINGMO_WORK, and the door through which trained networks pass between stages.

A stage's folder holds `network.safetensors`, `config.json`, `tokenizer.json` and `record.json`; it appears
whole or not at all. Needs no torch.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import msgspec
import numpy as np
from msgspec import Struct
from numpy.typing import NDArray
from tokenizers import Tokenizer

from models.errors import MakeError
from models.shape import Shape
from server.inference.manifest import DataDigest, LabelName
from server.inference.values import Task

FLOAT_FILE = "float.onnx"
INT8_FILE = "model.onnx"
WEIGHTS_FILE = "network.safetensors"

Weights = Mapping[str, NDArray[np.float32]]


class Config(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is needed to run the weights: task, geometry, labels (of entities: types), special ids.

    `middle` end tokens stand between two texts.
    """

    task: Task = Task.CLASSIFY
    shape: Shape
    labels: tuple[LabelName, ...]
    start: int
    pad: int
    end: int
    unknown: int
    middle: int = 2


class Look(Struct, frozen=True, kw_only=True):
    """One look at an official split: when, why, and the figures (0..1) that were seen, by their name."""

    split: str
    when: str
    why: str
    rows: int
    figures: Mapping[str, float] = {}


class Epoch(Struct, frozen=True, kw_only=True):
    """One pass over the rows: mean loss, score on validation (0..1), seconds of wall time, tokens."""

    number: int
    loss: float
    validation: float
    seconds: float
    tokens: int


class Record(Struct, frozen=True, kw_only=True):
    """How a trained network came about; what its model card is written from."""

    recipe: str
    recipe_sha256: str
    stage: str
    seed: int
    commit: str
    made: str
    base: str
    base_sha256: str
    versions: Mapping[str, str]
    data: tuple[DataDigest, ...] = ()
    rows: int = 0
    validation_rows: int = 0
    majority: float = 0.0
    best: float = 0.0
    epochs: tuple[Epoch, ...] = ()
    looks: tuple[Look, ...] = ()
    notes: Mapping[str, float] = {}


@dataclass(frozen=True, slots=True)
class Trained:
    """A trained network in its folder."""

    folder: Path
    config: Config
    record: Record

    def weights(self) -> Weights:
        """All weights as float32 arrays, by the names that `models.network` documents."""
        from safetensors.numpy import load_file  # noqa: PLC0415 - the base installation packs without it

        return load_file(self.folder / WEIGHTS_FILE)

    def tokenizer(self) -> Tokenizer:
        """The tokenizer the network was trained with; it adds no special tokens."""
        return Tokenizer.from_file(str(self.folder / "tokenizer.json"))


@contextmanager
def fresh_folder(folder: Path) -> Iterator[Path]:
    """A folder to write in, which takes the place of `folder` at the end, or vanishes if anything fails."""
    fresh, old = folder.with_name(f".{folder.name}.new"), folder.with_name(f".{folder.name}.old")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    try:
        yield fresh
        shutil.rmtree(old, ignore_errors=True)
        if folder.exists():
            folder.rename(old)
        fresh.rename(folder)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """One making at a time in `folder`; MakeError where another is at work there."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise MakeError(f"Another making is at work in {folder}; wait for its end or end it.") from None
        yield


def save_trained(
    folder: Path, config: Config, record: Record, weights: Weights, tokenizer: Tokenizer
) -> Trained:
    """Write a stage's result; what stood at `folder` is replaced in one step at the end.

    Looks that its predecessor had at an official split stay on the record: whoever retrains knows them.
    """
    known = _looks_at(folder)
    looks = (*known, *(look for look in record.looks if look not in known))
    record = msgspec.structs.replace(record, looks=looks)
    from safetensors.numpy import save_file  # noqa: PLC0415 - the base installation packs without it

    with fresh_folder(folder) as fresh:
        save_file(dict(weights), fresh / WEIGHTS_FILE)
        (fresh / "tokenizer.json").write_text(tokenizer.to_str(), encoding="utf-8")
        _write_json(fresh / "config.json", config)
        _write_json(fresh / "record.json", record)
    return Trained(folder, config, record)


def _looks_at(folder: Path) -> tuple[Look, ...]:
    try:
        return load_trained(folder).record.looks
    except MakeError:
        return ()


def load_trained(folder: Path) -> Trained:
    """The trained network in `folder`; MakeError where none lies there or it cannot be read."""
    try:
        config = msgspec.json.decode((folder / "config.json").read_bytes(), type=Config)
        record = msgspec.json.decode((folder / "record.json").read_bytes(), type=Record)
    except FileNotFoundError as error:
        raise MakeError(f"{folder} holds no trained network: {error.filename} is missing.") from error
    except msgspec.DecodeError as error:
        raise MakeError(f"{folder} holds a network this version cannot read: {error}.") from error
    return Trained(folder, config, record)


def update_record(trained: Trained, record: Record) -> Trained:
    """The same network with its record written anew."""
    _write_json(trained.folder / "record.json", record)
    return Trained(trained.folder, trained.config, record)


def _write_json(path: Path, value: object) -> None:
    fresh = path.with_suffix(".tmp")
    fresh.write_bytes(msgspec.json.format(msgspec.json.encode(value), indent=1))
    fresh.replace(path)


def work_folder() -> Path:
    """QINGMO_WORK, or a folder in the user's cache."""
    set_by_user = os.environ.get("QINGMO_WORK")
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return Path(set_by_user) if set_by_user else cache / "qingmo" / "work"


def commit_here() -> str:
    """The commit of the code that runs, `+` behind it where files differ; empty outside a checkout."""
    folder = Path(__file__).parent
    try:
        head = subprocess.run(
            ["git", "rev-parse", "HEAD"], cwd=folder, capture_output=True, text=True, timeout=10, check=True
        )
        changed = subprocess.run(
            ["git", "status", "--porcelain", "."],
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=10,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return head.stdout.strip() + ("+" if changed.stdout else "")


def versions_here() -> dict[str, str]:
    """Versions of the libraries that a result depends on."""
    return {name: version(name) for name in ("numpy", "tokenizers", "torch")}
