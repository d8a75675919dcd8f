"""Stage `evaluate`: the bundle as it would ship, asked the dev split by the server's own predictor."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.base import open_base
from models.costcurve import measure_cost, standard_widths
from models.data.labelled import read_labelled
from models.data.rows import Labelled, majority_share, seen_before
from models.graphs import INT8_FILE
from models.job import Job
from models.layout import TASK_OF_HEAD, layout_of
from models.scores import Asked, bootstrap, calibration_error, macro_f1
from models.seal import seal
from models.vocabulary import share_differing, tokenizer_of
from models.workspace import Look, Record, Trained, fresh_folder, load_trained, update_record
from server.inference.bundle import TOKENIZER_FILE, load_bundle
from server.inference.manifest import SCHEMA, Graph, Lineage, Manifest, Quality, Terms
from server.inference.predictor import Predictor
from server.inference.values import Labels, Options, Text

SPLIT = "dev"
CONFUSION_FILE = "confusion.tsv"


def run(job: Job) -> None:
    """Seal a bundle without quality, ask it, and keep bundle, quality and confusion; the look is recorded."""
    trained = load_trained(job.trained)
    with fresh_folder(job.folder("evaluate")) as folder:
        manifest = _draft(job, trained, folder / "bundle")
        rows, file = read_labelled(job.data, job.recipe.data.set, SPLIT)
        train, _ = read_labelled(job.data, job.recipe.data.set, "train")
        asked = ask(Predictor(load_bundle(folder / "bundle")), rows, seen_before(rows, train))
        quality = _quality(job, rows, asked, _cut(job, trained, [row.text for row in rows]))
        manifest = msgspec.structs.replace(manifest, quality=quality)
        seal(folder / "bundle", manifest)
        _write_confusion(folder / CONFUSION_FILE, [label.label for label in manifest.labels], asked)
    _record_look(trained, asked, file.name)
    for each in quality:
        job.console.print(f"{each.metric} {each.value:.4f} ({each.split}, n = {each.n}) {each.notes}")


def ask(predictor: Predictor, rows: Sequence[Labelled], seen: Sequence[bool]) -> Asked:
    """The predictor's answer to every row, each text alone."""
    predictor.start()
    found = []
    for row in rows:
        answer = predictor.answer(Text(row.text, row.second), Options(top_k=1))
        assert isinstance(answer, Labels), "a classifier answers with labels. This is a bug."
        found.append(answer.labels[0])
    return Asked(
        tuple(row.label for row in rows),
        tuple(label.label for label in found),
        np.array([label.score for label in found]),
        np.array(seen, dtype=np.bool_),
    )


def _quality(job: Job, rows: Sequence[Labelled], asked: Asked, notes: str) -> tuple[Quality, ...]:
    """Accuracy on all rows, and on those whose text does not stand in train."""
    right, split = asked.right, f"{job.recipe.data.set} {SPLIT}"
    unseen = [row for row, seen in zip(rows, asked.seen, strict=True) if not seen]
    whole = msgspec.structs.replace(
        _accuracy(rows, right, split, job.recipe.seed),
        published=job.bundle.published,
        published_name=job.bundle.published_name,
        notes=f"Macro F1 {macro_f1(asked.truth, asked.best):.4f}, "
        f"calibration error {calibration_error(asked.scores, right):.4f}. {notes}",
    )
    rest = f"{split}, texts that do not stand in train"
    return whole, _accuracy(unseen, right[~asked.seen], rest, job.recipe.seed)


def _accuracy(rows: Sequence[Labelled], right: NDArray[np.bool_], split: str, seed: int) -> Quality:
    low, high = bootstrap(right, seed)
    return Quality(
        metric="accuracy",
        value=float(right.mean()),
        split=split,
        n=len(right),
        low=low,
        high=high,
        baseline=majority_share(rows),
        baseline_name="always the commonest label",
    )


def _cut(job: Job, trained: Trained, texts: Sequence[str]) -> str:
    """How far the smaller vocabulary changes the texts, in a sentence."""
    pieces = open_base(job.recipe.base).pieces
    whole = tokenizer_of(pieces, range(len(pieces.texts)))
    share = share_differing(whole, trained.tokenizer(), texts)
    return f"{100 * share:.1f} % of the texts are cut otherwise than by the base's whole vocabulary."


def _draft(job: Job, trained: Trained, folder: Path) -> Manifest:
    """Graph, tokenizer and sealed manifest, its cost curve measured here."""
    folder.mkdir()
    (folder / INT8_FILE).write_bytes((job.folder("quantise") / INT8_FILE).read_bytes())
    (folder / TOKENIZER_FILE).write_bytes((trained.folder / TOKENIZER_FILE).read_bytes())
    config, layout, section = trained.config, layout_of(trained.config), job.bundle
    manifest = Manifest(
        schema=SCHEMA,
        name=job.recipe.work,
        task=TASK_OF_HEAD[config.shape.head],
        title=section.title,
        labels=config.labels,
        parameters=config.shape.parameters,
        layout=layout,
        graphs=(Graph(file=INT8_FILE, form="int8 static, 7-bit weights"),),
        cost=measure_cost(folder / INT8_FILE, layout, standard_widths(layout.max_length)),
        files=(),
        lineage=_lineage(job, trained.record),
        terms=Terms(name=section.terms_name, text=section.terms, commercial_use=section.commercial_use),
    )
    return seal(folder, manifest)


def _lineage(job: Job, record: Record) -> Lineage:
    return Lineage(
        base=record.base,
        recipe=job.recipe.name,
        recipe_sha256=job.recipe_sha256,
        seed=record.seed,
        commit=record.commit,
        made=record.made,
        data=record.data,
        versions=dict(record.versions),
        notes=f"{len(record.epochs)} epochs over {record.rows} rows; best accuracy {record.best:.4f} on "
        f"{record.validation_rows} validation rows held out of train.",
    )


def _record_look(trained: Trained, asked: Asked, split: str) -> None:
    look = Look(
        split=split,
        when=datetime.now(UTC).isoformat(timespec="seconds"),
        why="evaluation of the int8 bundle",
        rows=len(asked.right),
        accuracy=float(asked.right.mean()),
        unseen_rows=int((~asked.seen).sum()),
        unseen_accuracy=float(asked.right[~asked.seen].mean()),
    )
    record = msgspec.structs.replace(trained.record, looks=(*trained.record.looks, look))
    update_record(trained, record)


def _write_confusion(path: Path, labels: Sequence[str], asked: Asked) -> None:
    """A table, a line a true label, a column an answered one."""
    pairs = Counter(zip(asked.truth, asked.best, strict=True))
    lines = ["\t".join(["true \\ answered", *labels])]
    lines += ["\t".join([truth, *(str(pairs[truth, best]) for best in labels)]) for truth in labels]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
