"""The model folder: read, checked against its digests and this CPU, or refused with a sentence."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import msgspec
from tokenizers import Tokenizer

from server.errors import BadBundle
from server.inference.cores import cpu_features
from server.inference.manifest import MANIFEST_FILE, SCHEMA, FileDigest, Graph, Manifest, version_of
from server.inference.rules import broken_rule

TOKENIZER_FILE = "tokenizer.json"
_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Bundle:
    """A bundle whose every listed byte has been checked, with the graph to serve here."""

    folder: Path
    manifest: Manifest
    graph: Graph
    tokenizer: Tokenizer

    @property
    def graph_path(self) -> Path:
        """The ONNX file to open."""
        return self.folder / self.graph.file


class _Stamp(msgspec.Struct):
    schema: int


def find_bundles(folder: Path) -> list[tuple[str, Path]]:
    """The bundles in a folder, by name: its subfolders with a manifest, or the folder itself if it is one.

    A bundle whose manifest cannot be read is found under its folder's name, to be refused when it is loaded.
    """
    own = [folder] if (folder / MANIFEST_FILE).is_file() else []
    found = own or [path.parent for path in folder.glob(f"*/{MANIFEST_FILE}")]
    return sorted((_name(each), each) for each in found)


def load_bundles(folders: Iterable[Path]) -> list[Bundle]:
    """Load several bundles; those with the same tokenizer share one in memory.

    Raises:
        BadBundle: One of them must not be served.
    """
    tokenizers: dict[str, Tokenizer] = {}
    return [load_bundle(folder, tokenizers=tokenizers) for folder in folders]


def load_bundle(
    folder: Path, *, cpu: frozenset[str] | None = None, tokenizers: dict[str, Tokenizer] | None = None
) -> Bundle:
    """Load a bundle, or refuse it.

    Args:
        folder: With bundle.json and all files that it lists.
        cpu: Features to choose the graph by, in the words of /proc/cpuinfo; this CPU's if None.
        tokenizers: By digest; read and filled, so that bundles can share them.

    Raises:
        BadBundle: Unreadable, of a newer schema, inconsistent, changed since packing, or not for this CPU.
    """
    manifest = _read_manifest(folder)
    problem = broken_rule(manifest)
    if problem:
        raise BadBundle(f"Bundle {folder.name}: {MANIFEST_FILE} {problem}")
    for file in manifest.files:
        _check_file(folder, file)
    features = cpu_features() if cpu is None else cpu
    graph = _choose(manifest, features, folder.name)
    tokenizer = _tokenizer(folder, manifest, {} if tokenizers is None else tokenizers)
    return Bundle(folder, manifest, graph, tokenizer)


def _name(folder: Path) -> str:
    try:
        return _read_manifest(folder).name
    except BadBundle:
        return folder.resolve().name


def _read_manifest(folder: Path) -> Manifest:
    where = f"Bundle {folder.name}: {MANIFEST_FILE}"
    try:
        data = (folder / MANIFEST_FILE).read_bytes()
        schema = msgspec.json.decode(data, type=_Stamp).schema
        if schema != SCHEMA:
            raise BadBundle(f"{where} has schema {schema}; this version of qingmo reads schema {SCHEMA}.")
        manifest = msgspec.json.decode(data, type=Manifest)
    except OSError as error:
        raise BadBundle(f"{where} cannot be read: {error.strerror}.") from error
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise BadBundle(f"{where} is not a manifest: {error}.") from error
    if manifest.version != version_of(manifest):
        raise BadBundle(f"{where} was changed after packing: its version is not the digest of its content.")
    return manifest


def _check_file(folder: Path, file: FileDigest) -> None:
    where = f"Bundle {folder.name}: the file {file.path!r}"
    path = folder / file.path
    if "\\" in file.path or not path.resolve().is_relative_to(folder.resolve()):
        raise BadBundle(f"{where} lies outside the bundle.")
    if not path.is_file():
        raise BadBundle(f"{where} is missing.")
    try:
        size, digest = path.stat().st_size, _sha256(path)
    except OSError as error:
        raise BadBundle(f"{where} cannot be read: {error.strerror}.") from error
    if size != file.bytes:
        raise BadBundle(f"{where} has {size} bytes; {file.bytes} were packed.")
    if digest != file.sha256:
        raise BadBundle(f"{where} was changed after packing: its SHA-256 is another.")


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def _choose(manifest: Manifest, features: frozenset[str], name: str) -> Graph:
    for graph in manifest.graphs:
        if features.issuperset(graph.cpu):
            return graph
    asked = "; ".join(f"{graph.file} asks for {', '.join(graph.cpu)}" for graph in manifest.graphs)
    raise BadBundle(f"Bundle {name}: no graph runs on this CPU: {asked}.")


def _tokenizer(folder: Path, manifest: Manifest, known: dict[str, Tokenizer]) -> Tokenizer:
    digest = next(file.sha256 for file in manifest.files if file.path == TOKENIZER_FILE)
    if digest not in known:
        try:
            known[digest] = Tokenizer.from_file(str(folder / TOKENIZER_FILE))
        except Exception as error:  # tokenizers raises bare Exception
            raise BadBundle(f"Bundle {folder.name}: {TOKENIZER_FILE} is not a tokenizer: {error}.") from error
    return known[digest]
