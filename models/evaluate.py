"""Stage `evaluate`: the bundle as it would ship, asked the dev split by the server's own predictor."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.costcurve import measure_cost, standard_widths
from models.data.labelled import read_labelled
from models.data.rows import Labelled, majority_share, seen_before
from models.graphs import INT8_FILE
from models.job import Job
from models.layout import TASK_OF_HEAD, layout_of
from models.seal import seal
from models.workspace import Look, Record, Trained, fresh_folder, load_trained, update_record
from server.inference.bundle import TOKENIZER_FILE, load_bundle
from server.inference.manifest import SCHEMA, Graph, Lineage, Manifest, Quality, Terms
from server.inference.predictor import Predictor
from server.inference.values import Labels, Options, Text

RESAMPLES = 1000
SPLIT = "dev"
BINS = 10
CONFUSION_FILE = "confusion.tsv"


@dataclass(frozen=True, slots=True)
class Asked:
    """The true and the best label of each row, the best one's score, and whether train holds the text."""

    truth: tuple[str, ...]
    best: tuple[str, ...]
    scores: NDArray[np.float64]  # [rows]
    seen: NDArray[np.bool_]  # [rows]

    @property
    def right(self) -> NDArray[np.bool_]:
        """Whether the best label is the true one, [rows]."""
        return np.array([a == b for a, b in zip(self.truth, self.best, strict=True)])


def run(job: Job) -> None:
    """Seal a bundle without quality, ask it, and keep bundle, quality and confusion; the look is recorded."""
    trained = load_trained(job.trained)
    with fresh_folder(job.folder("evaluate")) as folder:
        manifest = _draft(job, trained, folder / "bundle")
        rows, file = read_labelled(job.data, job.recipe.data.set, SPLIT)
        train, _ = read_labelled(job.data, job.recipe.data.set, "train")
        asked = ask(Predictor(load_bundle(folder / "bundle")), rows, seen_before(rows, train))
        quality = _quality(job, rows, asked)
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


def macro_f1(truth: Sequence[str], best: Sequence[str]) -> float:
    """Mean over the labels of `truth` of the F1 of each (0..1)."""
    hits = Counter(t for t, b in zip(truth, best, strict=True) if t == b)
    there, said = Counter(truth), Counter(best)
    return float(np.mean([2 * hits[label] / (there[label] + said[label]) for label in there]))


def bootstrap(right: NDArray[np.bool_], seed: int) -> tuple[float, float]:
    """A 95 % interval of the mean of `right`, by resampling rows (Efron 1979)."""
    random = np.random.default_rng(seed)
    means = [right[random.integers(0, len(right), len(right))].mean() for _ in range(RESAMPLES)]
    low, high = np.percentile(means, [2.5, 97.5])
    return float(low), float(high)


def calibration_error(scores: NDArray[np.float64], right: NDArray[np.bool_]) -> float:
    """Mean gap between score and accuracy over BINS bins of equal width (Naeini et al. 2015), 0..1."""
    bins = np.minimum((scores * BINS).astype(int), BINS - 1)
    gaps = [abs(float((scores[bins == b] - right[bins == b]).sum())) for b in range(BINS)]
    return sum(gaps) / len(scores)


def _quality(job: Job, rows: Sequence[Labelled], asked: Asked) -> tuple[Quality, ...]:
    right, seed = asked.right, job.recipe.seed
    unseen = right[~asked.seen]
    unseen_rows = [row for row, seen in zip(rows, asked.seen, strict=True) if not seen]
    majority, low_high = "always the commonest label", bootstrap(right, seed)
    accuracy = Quality(
        metric="accuracy",
        value=float(right.mean()),
        split=f"{job.recipe.data.set} {SPLIT}",
        n=len(right),
        low=low_high[0],
        high=low_high[1],
        baseline=majority_share(rows),
        baseline_name=majority,
        published=job.bundle.published,
        published_name=job.bundle.published_name,
        notes=f"Macro F1 {macro_f1(asked.truth, asked.best):.4f}, "
        f"calibration error {calibration_error(asked.scores, right):.4f}.",
    )
    low_high = bootstrap(unseen, seed)
    return accuracy, Quality(
        metric="accuracy",
        value=float(unseen.mean()),
        split=f"{job.recipe.data.set} {SPLIT}, texts that do not stand in train",
        n=len(unseen),
        low=low_high[0],
        high=low_high[1],
        baseline=majority_share(unseen_rows),
        baseline_name=majority,
    )


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
