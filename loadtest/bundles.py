"""What the load test must know of a bundle folder, and where the BERT-base-shaped ones come from.

Reads bundle.json by itself (loadtest imports neither server nor models), and only what a report names.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import msgspec
from msgspec import Struct

from loadtest.errors import StartFailed
from loadtest.places import work_folder
from loadtest.process import ROOT
from loadtest.results import Score
from loadtest.workload import Task

ZOO = ROOT / "models" / "zoo"
BUILD_SECONDS = 900.0
RANDOM = "random"
TOKENIZER = "tokenizer.json"


class _Graph(Struct):
    form: str


class _Lineage(Struct):
    base: str


class _File(Struct):
    path: str
    sha256: str


class _Manifest(Struct):
    name: str
    version: str
    task: Task
    parameters: int
    graphs: tuple[_Graph, ...]
    lineage: _Lineage
    files: tuple[_File, ...] = ()
    quality: tuple[Score, ...] = ()


class Bundle(Struct, frozen=True, kw_only=True):
    """A bundle folder, by what a report says of it.

    `random` where the weights were never trained; `tokenizer` is the digest of its tokenizer.json.
    """

    folder: Path
    name: str
    version: str
    task: Task
    parameters: int
    form: str
    tokenizer: str
    random: bool
    scores: tuple[Score, ...]
    disk_bytes: int


def read_bundle(folder: Path) -> Bundle:
    """What bundle.json says, and the folder's size.

    Raises:
        StartFailed: No bundle.json, or not one that can be read.
    """
    try:
        found = msgspec.json.decode((folder / "bundle.json").read_bytes(), type=_Manifest)
    except (OSError, msgspec.DecodeError) as error:
        raise StartFailed(f"{folder} is not a bundle that can be read: {error}.") from error
    return Bundle(
        folder=folder,
        name=found.name,
        version=found.version,
        task=found.task,
        parameters=found.parameters,
        form=found.graphs[0].form,
        tokenizer=next((file.sha256 for file in found.files if file.path == TOKENIZER), ""),
        random=RANDOM in found.lineage.base.lower(),
        scores=found.quality,
        disk_bytes=sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()),
    )


def find_bundles(paths: Sequence[Path]) -> list[Bundle]:
    """The bundles among the given folders: a bundle itself, or all right inside a folder.

    Raises:
        StartFailed: One of them is neither.
    """
    found: list[Path] = []
    for path in paths:
        inside = (
            [path] if (path / "bundle.json").is_file() else [p.parent for p in path.glob("*/bundle.json")]
        )
        if not inside:
            raise StartFailed(f"{path} is not a bundle and holds none: there is no bundle.json.")
        found += sorted(inside)
    return [read_bundle(folder) for folder in found]


def together(bundles: Sequence[Bundle], folder: Path) -> Path:
    """A folder with links to the bundles, for one server to serve them all."""
    folder.mkdir(parents=True)
    for bundle in bundles:
        (folder / bundle.name).symlink_to(bundle.folder.resolve(), target_is_directory=True)
    return folder


def bert_base(student: Bundle, form: str) -> Bundle:
    """A BERT-base-shaped bundle (12 layers, 768 wide) with the student's tokens, built once and kept.

    Its name tells whose task it has, so that one server can hold several.

    Raises:
        StartFailed: `qingmo-models bert-base` failed.
    """
    key = f"bert-base-{form}-{_key(student, form)}"
    folder = work_folder() / "loadtest" / key / f"bert-base-{student.name}"
    if not (folder / "bundle.json").is_file():
        _build(student, form, folder)
    return read_bundle(folder)


def _key(student: Bundle, form: str) -> str:
    digest = hashlib.sha256(f"{student.version} {form}".encode())
    for source in sorted((ROOT / "models").glob("bert_*.py")):
        digest.update(source.read_bytes())
    return digest.hexdigest()[:12]


def _build(student: Bundle, form: str, folder: Path) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as name:
        fresh = Path(name) / folder.name
        command = [sys.executable, "-m", "models.cli", "bert-base", "--out", str(fresh)]
        command += ["--tokenizer-from", str(student.folder), "--form", form, "--name", folder.name]
        try:
            done = subprocess.run(
                command, cwd=ROOT, capture_output=True, text=True, timeout=BUILD_SECONDS, check=False
            )
        except subprocess.TimeoutExpired as error:
            raise StartFailed(f"Building BERT-base took more than {BUILD_SECONDS:.0f} s.") from error
        if done.returncode or not (fresh / "bundle.json").is_file():
            words = " / ".join((done.stderr or done.stdout).strip().splitlines()[-5:])
            raise StartFailed(f"Building BERT-base failed (exit code {done.returncode}): {words}")
        shutil.move(fresh, folder)
