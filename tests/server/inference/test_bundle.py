"""Bundles load, or are refused with a sentence."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest

from server.errors import BadBundle
from server.inference.bundle import find_bundles, load_bundle, load_bundles
from server.inference.manifest import CostCurve, FileDigest, Graph, LabelName, version_of
from server.inference.values import Task
from tests.kit import bundle_kit as kit


def bundle(tmp_path: Path, task: Task = Task.CLASSIFY, **fields) -> Path:
    return kit.write_bundle(tmp_path / "tiny", task, golden=(), **fields)


def manifest_in(folder: Path):
    return load_bundle(folder).manifest


def refused(folder: Path, words: str) -> None:
    with pytest.raises(BadBundle) as error:
        load_bundle(folder)
    message = error.value.message
    assert words in message
    assert folder.name in message
    assert message.endswith((".", ")"))


@pytest.mark.parametrize("task", Task)
def test_a_sound_bundle_loads(tmp_path, task):
    loaded = load_bundle(bundle(tmp_path, task))
    assert loaded.manifest.task is task
    assert loaded.manifest.version == version_of(loaded.manifest)
    assert loaded.graph_path.is_file()
    assert loaded.tokenizer.token_to_id("[SEP]") == kit.SEP


def test_bundles_are_found_in_a_folder_and_in_themselves(tmp_path):
    for name in ("b", "a"):
        kit.write_bundle(tmp_path / name, golden=())
    (tmp_path / "neither").mkdir()
    assert [path for _, path in find_bundles(tmp_path)] == [tmp_path / "a", tmp_path / "b"]
    assert [path for _, path in find_bundles(tmp_path / "a")] == [tmp_path / "a"]
    assert find_bundles(tmp_path / "nowhere") == []


def test_a_bundle_is_found_by_its_own_name_whatever_its_folder_is_called(tmp_path, monkeypatch):
    kit.write_bundle(tmp_path / "topic").rename(tmp_path / "topic-v2")
    spoilt = kit.write_bundle(tmp_path / "spoilt")
    (spoilt / "bundle.json").write_text("{", "utf-8")
    assert find_bundles(tmp_path) == [("spoilt", spoilt), ("topic", tmp_path / "topic-v2")]
    monkeypatch.chdir(tmp_path / "topic-v2")
    assert find_bundles(Path()) == [("topic", Path())]


def test_bundles_with_one_tokenizer_share_it(tmp_path):
    folders = [kit.write_bundle(tmp_path / name, golden=()) for name in ("a", "b")]
    first, second = load_bundles(folders)
    assert first.tokenizer is second.tokenizer


def test_no_manifest(tmp_path):
    refused(tmp_path, "cannot be read")


@pytest.mark.parametrize(
    "data", [b"", b"{", b"[]", b"\xff\xfe", b'{"schema": "one"}', b'{"schema": 1}', b"[" * 10**6]
)
def test_what_is_no_manifest(tmp_path, data):
    folder = bundle(tmp_path)
    (folder / "bundle.json").write_bytes(data)
    refused(folder, "is not a manifest")


def test_an_unknown_field(tmp_path):
    folder = bundle(tmp_path)
    kit.edit_json(folder, surprise=1)
    refused(folder, "surprise")


def test_a_newer_schema_is_named_before_its_unknown_fields(tmp_path):
    folder = bundle(tmp_path)
    kit.edit_json(folder, schema=2, surprise=1)
    refused(folder, "has schema 2; this version of qingmo reads schema 1")


def test_a_changed_manifest(tmp_path):
    folder = bundle(tmp_path)
    kit.edit_json(folder, title="Better")
    refused(folder, "changed after packing")


def test_a_missing_file(tmp_path):
    folder = bundle(tmp_path)
    (folder / "model.onnx").unlink()
    refused(folder, "'model.onnx' is missing")


def test_a_shortened_file(tmp_path):
    folder = bundle(tmp_path)
    data = (folder / "model.onnx").read_bytes()
    (folder / "model.onnx").write_bytes(data[:-1])
    refused(folder, f"has {len(data) - 1} bytes; {len(data)} were packed")


@pytest.mark.parametrize("name", ["model.onnx", "tokenizer.json"])
def test_every_flipped_byte(tmp_path, name):
    folder = bundle(tmp_path)
    data = bytearray((folder / name).read_bytes())
    for place in (0, len(data) // 2, len(data) - 1):
        flipped = bytearray(data)
        flipped[place] ^= 1
        (folder / name).write_bytes(flipped)
        refused(folder, "SHA-256")


@pytest.mark.parametrize("path", ["../secret", "/etc/hostname", "a/../../secret", "..\\secret"])
def test_a_file_outside_the_folder(tmp_path, path):
    folder = bundle(tmp_path)
    (tmp_path / "secret").write_bytes(b"secret")
    manifest = manifest_in(folder)
    outside = FileDigest(path=path, sha256="0" * 64, bytes=6)
    kit.write_manifest(folder, msgspec.structs.replace(manifest, files=(*manifest.files, outside)))
    refused(folder, "outside the bundle")


def test_a_link_that_leads_outside(tmp_path):
    folder = bundle(tmp_path)
    moved = tmp_path / "model.onnx"
    (folder / "model.onnx").rename(moved)
    (folder / "model.onnx").symlink_to(moved)
    refused(folder, "outside the bundle")


def test_a_folder_in_place_of_a_file(tmp_path):
    folder = bundle(tmp_path)
    (folder / "model.onnx").unlink()
    (folder / "model.onnx").mkdir()
    refused(folder, "is missing")


def test_a_broken_tokenizer(tmp_path):
    folder = bundle(tmp_path)
    (folder / "tokenizer.json").write_text("{}")
    manifest = kit.manifest_of(folder, Task.CLASSIFY)
    kit.write_manifest(folder, manifest)
    refused(folder, "tokenizer.json is not a tokenizer")


def test_the_first_graph_that_fits_the_cpu_is_chosen(tmp_path):
    fast = Graph(file="model.onnx", form="int8", cpu=("avx512_vnni", "avx2"))
    plain = Graph(file="model.onnx", form="float32")
    folder = bundle(tmp_path, graphs=(fast, plain))
    assert load_bundle(folder, cpu=frozenset({"avx2", "avx512_vnni", "sse2"})).graph == fast
    assert load_bundle(folder, cpu=frozenset({"avx2"})).graph == plain


def test_no_graph_for_this_cpu(tmp_path):
    folder = bundle(tmp_path, graphs=(Graph(file="model.onnx", form="int8", cpu=("warp_drive",)),))
    refused(folder, "no graph runs on this CPU: model.onnx asks for warp_drive")


LABELS = tuple(LabelName(label=name, name=name) for name in ("a", "b"))


def cost(rows=(1,), widths=(32,), seconds=((1.0,),)) -> CostCurve:
    return CostCurve(machine="", rows=rows, widths=widths, seconds=seconds)


BROKEN = [
    (Task.CLASSIFY, {"labels": ()}, "has 0 labels"),
    (Task.PAIR, {"labels": LABELS[:1]}, "has 1 labels"),
    (Task.CLASSIFY, {"labels": (*LABELS, LABELS[0])}, "label 'a' twice"),
    (Task.CLASSIFY, {"tags": ("O",)}, "only the task ner"),
    (Task.QA, {"labels": LABELS}, "question answering takes none"),
    (Task.NER, {"tags": ()}, "needs the tag O"),
    (Task.NER, {"tags": ("O", "B-per", "I-per")}, "has tags of the types ['per'], but the labels"),
    (Task.NER, {"labels": LABELS}, "but the labels ['a', 'b']"),
    (Task.NER, {"tags": (*kit.TAGS, "X-per")}, "has the tag 'X-per'"),
    (Task.CLASSIFY, {"thresholds": (0.5, 0.5, 0.5)}, "has thresholds, but only"),
    (Task.CLASSIFY, {"multi_label": True, "thresholds": (0.5,)}, "has 1 thresholds for 3 labels"),
    (Task.CLASSIFY, {"multi_label": True, "thresholds": (0.5, 0.5, 1.5)}, "threshold outside 0 to 1"),
    (Task.CLASSIFY, {"files": ()}, "does not list the digest of 'model.onnx'"),
    (
        Task.CLASSIFY,
        {"cost": cost(rows=(2,))},
        "do not rise",
    ),
    (
        Task.CLASSIFY,
        {"cost": cost(widths=(16,))},
        "at most 16",
    ),
    (
        Task.CLASSIFY,
        {"cost": cost(seconds=((0.0,),))},
        "above zero",
    ),
    (Task.CLASSIFY, {"cost": cost(seconds=())}, "without a time"),
]


@pytest.mark.parametrize(("task", "fields", "words"), BROKEN)
def test_a_manifest_that_makes_no_sense(tmp_path, task, fields, words):
    refused(bundle(tmp_path, task, **fields), words)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"max_length": 2}, "leaves no room"),
        ({"overlap": 31}, "would not move on"),
        ({"outputs": ("start", "end")}, "reads 2 outputs"),
        ({"outputs": ()}, "reads 0 outputs"),
    ],
)
def test_a_layout_that_makes_no_sense(tmp_path, fields, words):
    folder = bundle(tmp_path)
    layout = msgspec.structs.replace(manifest_in(folder).layout, **fields)
    kit.write_manifest(folder, msgspec.structs.replace(manifest_in(folder), layout=layout))
    refused(folder, words)


def test_the_version_stands_for_the_whole_content(tmp_path):
    folder = bundle(tmp_path)
    manifest = manifest_in(folder)
    assert len(manifest.version) == 64
    changed = msgspec.structs.replace(manifest, files=manifest.files[:-1])
    assert version_of(changed) != manifest.version
    assert json.loads((folder / "bundle.json").read_bytes())["version"] == manifest.version
