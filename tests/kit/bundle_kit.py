"""Tiny real bundles for all four tasks, made in milliseconds; what they know is said in graph_kit."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import msgspec
import onnx
from tokenizers import Regex, Tokenizer, models, pre_tokenizers

from server.inference.golden import expected_of
from server.inference.manifest import (
    MANIFEST_FILE,
    CostCurve,
    FileDigest,
    Golden,
    Graph,
    LabelName,
    Layout,
    Lineage,
    Manifest,
    Terms,
    sealed,
    to_json,
)
from server.inference.predictor import Predictor
from server.inference.values import Task, Text
from tests.kit.graph_kit import (
    CLS,
    LABELS,
    PAD,
    POISON,
    SEP,
    TAGS,
    UNK,
    VOCABULARY,
    dense_graph,
    gather_graph,
    nan_graph,
    raising_graph,
    slow_graph,
    table,
)

__all__ = [
    "CLS",
    "GOLDEN",
    "LABELS",
    "PAD",
    "POISON",
    "ROWS",
    "SEP",
    "TAGS",
    "UNK",
    "VOCABULARY",
    "WIDTHS",
    "character_tokenizer",
    "dense_graph",
    "digests",
    "edit_json",
    "gather_graph",
    "golden_of",
    "manifest_of",
    "nan_graph",
    "raising_graph",
    "slow_graph",
    "table",
    "usual_cost",
    "write_bundle",
    "write_manifest",
]

WIDTHS = (8, 16, 32)
ROWS = (1, 2, 4, 8)

GOLDEN = {
    Task.CLASSIFY: Text("今天看球"),
    Task.PAIR: Text("今天好", "同天好"),
    Task.NER: Text("张三去北京"),
    Task.QA: Text("去看花", "我们甲公园乙看花"),
}


def character_tokenizer() -> Tokenizer:
    """One character, one token; what is not in VOCABULARY is [UNK]."""
    tokenizer = Tokenizer(models.WordLevel(VOCABULARY, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex("."), "isolated")
    return tokenizer


def write_bundle(
    folder: Path, task: Task = Task.CLASSIFY, *, graph: onnx.ModelProto | None = None, **fields: object
) -> Path:
    """A bundle in `folder`, named after it, with a golden example unless `golden` says otherwise.

    Args:
        folder: Made here.
        task: What it does.
        graph: `gather_graph` if None.
        fields: Of the Manifest, in place of the usual ones.
    """
    folder.mkdir(parents=True)
    tokenizer = fields.pop("tokenizer", None) or character_tokenizer()
    (folder / "tokenizer.json").write_text(tokenizer.to_str(), encoding="utf-8")  # type: ignore[attr-defined]
    (folder / "model.onnx").write_bytes((graph or gather_graph(task)).SerializeToString())
    manifest = msgspec.structs.replace(manifest_of(folder, task), **fields)
    write_manifest(folder, manifest)
    if "golden" not in fields:
        write_manifest(folder, msgspec.structs.replace(manifest, golden=golden_of(folder, task)))
    return folder


def golden_of(folder: Path, task: Task) -> tuple[Golden, ...]:
    """The bundle's own answer to a text of the task."""
    from server.inference.bundle import load_bundle

    predictor = Predictor(load_bundle(folder))
    predictor.start()
    text = GOLDEN[task]
    return (Golden(text=text.first, second=text.second, expected=expected_of(predictor.answer(text))),)


def manifest_of(folder: Path, task: Task) -> Manifest:
    """The usual manifest for the files in `folder`."""
    return Manifest(
        schema=1,
        name=folder.name,
        task=task,
        title="A tiny bundle",
        labels=tuple(LabelName(label=label, name=name) for label, name in LABELS[task]),
        tags=TAGS if task is Task.NER else (),
        parameters=len(VOCABULARY),
        layout=Layout(
            prefix=(CLS,),
            middle=(SEP,),
            suffix=(SEP,),
            pad=PAD,
            max_length=WIDTHS[-1],
            overlap=8,
            second_type=0,
        ),
        graphs=(Graph(file="model.onnx", form="float32"),),
        cost=usual_cost(),
        files=digests(folder),
        lineage=Lineage(
            base="none", recipe="kit", recipe_sha256="0" * 64, seed=7, commit="0", made="2026-01-01"
        ),
        terms=Terms(name="Apache-2.0", text="", commercial_use=True),
    )


def usual_cost() -> CostCurve:
    """A row in company is cheaper up to 8 rows."""
    seconds = tuple(tuple(2e-5 + rows * width * 2e-6 for width in WIDTHS) for rows in ROWS)
    return CostCurve(machine="kit", rows=ROWS, widths=WIDTHS, seconds=seconds)


def digests(folder: Path) -> tuple[FileDigest, ...]:
    """Of all files in the folder but the manifest."""
    files = sorted(path for path in folder.iterdir() if path.name != MANIFEST_FILE)
    return tuple(
        FileDigest(path=path.name, sha256=hashlib.sha256(data).hexdigest(), bytes=len(data))
        for path in files
        for data in (path.read_bytes(),)
    )


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Seal and write it."""
    (folder / MANIFEST_FILE).write_bytes(to_json(sealed(manifest)))


def edit_json(folder: Path, **fields: object) -> None:
    """Change bundle.json without sealing it again."""
    path = folder / MANIFEST_FILE
    path.write_text(json.dumps({**json.loads(path.read_bytes()), **fields}), encoding="utf-8")
