"""Writes what makes a folder a bundle: model card, digests, sealed manifest and golden examples."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec

from models.errors import MakeError
from server.inference.bundle import Bundle, load_bundle
from server.inference.golden import expected_of
from server.inference.manifest import MANIFEST_FILE, FileDigest, Golden, Manifest, Quality, sealed, to_json
from server.inference.predictor import Predictor
from server.inference.values import Labels, Options, Text

CARD_FILE = "README.md"
CLOSE = 0.05  # an answer whose runner-up is as near as this may change places with it on another CPU


@contextmanager
def fresh_bundle(folder: Path) -> Iterator[Path]:
    """A folder to write a bundle in, which becomes `folder` at the end, or vanishes if anything fails.

    Raises:
        MakeError: `folder` exists.
    """
    if folder.exists():
        raise MakeError(f"{folder} exists already; remove it, or choose another name.")
    fresh = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    try:
        yield fresh
        fresh.rename(folder)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def seal(folder: Path, manifest: Manifest) -> Manifest:
    """Writes card and manifest for the files in `folder`, whose digests it fills in."""
    (folder / CARD_FILE).write_text(card(manifest), encoding="utf-8")
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != MANIFEST_FILE)
    digests = tuple(_digest(folder, path) for path in files)
    done = sealed(msgspec.structs.replace(manifest, files=digests))
    (folder / MANIFEST_FILE).write_bytes(to_json(done))
    return done


def seal_with_golden(folder: Path, manifest: Manifest, texts: Sequence[Text]) -> Bundle:
    """Seals, asks the bundle the texts through the server's own path, and seals again with its answers.

    Raises:
        BadBundle: The server would not serve it.
    """
    seal(folder, msgspec.structs.replace(manifest, golden=()))
    golden = golden_answers(load_bundle(folder), texts)
    seal(folder, msgspec.structs.replace(manifest, golden=golden))
    return load_bundle(folder)


def golden_answers(bundle: Bundle, texts: Sequence[Text]) -> tuple[Golden, ...]:
    """The bundle's answers, without those that another CPU's rounding might turn into others."""
    predictor = Predictor(bundle)
    predictor.start()
    found = []
    for text in texts:
        if _is_sure(predictor, text):
            expected = expected_of(predictor.answer(text))
            found.append(Golden(text=text.first, second=text.second, expected=expected))
    return tuple(found)


def _is_sure(predictor: Predictor, text: Text) -> bool:
    """Whether the best answer leads by CLOSE; of entities and spans, over all that overlaps it as well."""
    manifest = predictor.bundle.manifest
    answer = predictor.answer(text, Options(top_k=2, threshold=0.0))
    if isinstance(answer, Labels):
        lead = [label.score for label in answer.labels]
        if manifest.multi_label:
            places = {label.label: place for place, label in enumerate(manifest.labels)}
            thresholds = manifest.thresholds or (0.5,) * len(places)
            if any(abs(label.score - thresholds[places[label.label]]) < CLOSE for label in answer.labels):
                return False
        return len(lead) < 2 or lead[0] - lead[1] >= CLOSE
    return expected_of(predictor.answer(text)).score >= 0.5 + CLOSE / 2


def _digest(folder: Path, path: Path) -> FileDigest:
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    return FileDigest(path=path.relative_to(folder).as_posix(), sha256=digest, bytes=path.stat().st_size)


def card(manifest: Manifest) -> str:
    """The model card, in Markdown, from what the manifest says."""
    layout, lineage = manifest.layout, manifest.lineage
    parts = [
        f"# {manifest.title}",
        f"Task `{manifest.task}`, {manifest.parameters:,} parameters, windows of {layout.max_length} tokens.",
        _labels(manifest),
        "## Graphs\n\n" + "\n".join(_graphs(manifest)),
        "## Quality\n\n" + ("\n".join(_quality(quality) for quality in manifest.quality) or "Not measured."),
        f"## Where it comes from\n\nBase: {lineage.base}. Recipe: {lineage.recipe}. Made {lineage.made}.",
        lineage.notes,
        "\n".join(f"- {data.source}, {data.file}: {data.rows} rows" for data in lineage.data),
        f"## Terms of the weights\n\n{manifest.terms.name}\n\n{manifest.terms.text}",
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _labels(manifest: Manifest) -> str:
    if not manifest.labels:
        return ""
    lines = [f"- `{each.label}`" + f" {each.name}" * (each.name != each.label) for each in manifest.labels]
    return "## Labels\n\n" + "\n".join(lines)


def _graphs(manifest: Manifest) -> list[str]:
    return [
        f"- `{graph.file}`: {graph.form}, {', '.join(graph.cpu) or 'any CPU'}, at most {graph.max_rows} rows"
        for graph in manifest.graphs
    ]


def _quality(quality: Quality) -> str:
    line = f"- {quality.metric} {quality.value:.4g} on {quality.split}, n = {quality.n}"
    if quality.low is not None and quality.high is not None:
        line += f", {quality.low:.4g} to {quality.high:.4g}"
    if quality.baseline is not None:
        line += f"; {quality.baseline_name or 'baseline'} {quality.baseline:.4g}"
    if quality.teacher is not None:
        line += f"; its teacher {quality.teacher:.4g}"
    if quality.published is not None:
        line += f"; {quality.published_name or 'published'} {quality.published:.4g}"
    return f"{line}. {quality.notes}".rstrip()
