"""Stage `evaluate`: the bundle as it would ship, asked the dev split by the server's own predictor."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from models.confusion import draw
from models.costcurve import measure_cost, standard_widths
from models.graphs import rounded
from models.job import Job
from models.layout import layout_of, tags_of
from models.quality import Official, ask, quality_of, read_official, record_look
from models.seal import seal
from models.table.agreement import agreement
from models.tasks import TASKS
from models.tasks.figures import Confusion
from models.teachers import answers_of, teacher_of
from models.vocabulary import share_unknown
from models.workspace import INT8_FILE, Record, Trained, fresh_folder, load_trained
from server.inference.bundle import TOKENIZER_FILE, load_bundle
from server.inference.manifest import SCHEMA, Graph, Lineage, Manifest, Quality, Terms
from server.inference.predictor import Predictor
from server.inference.values import Answer, Text

CONFUSION_FILE = "confusion.tsv"
PICTURE_FILE = "confusion.svg"


def run(job: Job) -> None:
    """Seal a bundle without quality, ask it, and keep bundle, quality and confusion; the look is recorded."""
    trained, task = load_trained(job.trained), TASKS[job.recipe.task]
    official = read_official(job.recipe.task, job.data, job.recipe.data.set)
    rows = official.rows
    with fresh_folder(job.folder("evaluate")) as folder:
        manifest = _draft(job, trained, folder / "bundle")
        predictor = Predictor(load_bundle(folder / "bundle"))
        predictor.start()
        answers = ask(predictor, rows)
        quality = _with_published(job, quality_of(official, answers, job.recipe.seed), official.name)
        quality = _with_teacher(job, official, answers, quality)
        quality = _with_note(quality, _unknown(job, trained, [row.asked for row in rows]))
        seal(folder / "bundle", msgspec.structs.replace(manifest, quality=quality))
        _write_confusion(folder, task.confusion(rows, answers, list(job.recipe.labels)), manifest.title)
    record_look(trained, official, quality, "evaluation of the int8 bundle")
    for each in quality:
        job.console.print(f"{each.metric} {each.value:.4f} ({each.split}, n = {each.n}) {each.notes}")


def _with_published(job: Job, quality: Sequence[Quality], split: str) -> tuple[Quality, ...]:
    """Figures on all of the split, with what the literature reports beside them."""
    published, name = job.bundle.published, job.bundle.published_name
    return tuple(
        msgspec.structs.replace(each, published=published[each.metric], published_name=name)
        if each.split == split and each.metric in published
        else each
        for each in quality
    )


def _with_teacher(
    job: Job, official: Official, answers: Sequence[Answer], quality: tuple[Quality, ...]
) -> tuple[Quality, ...]:
    """The teacher's figures beside the student's, and how often both say the same; its look is recorded."""
    if not job.recipe.teacher:
        return quality
    teacher = teacher_of(job, job.recipe.teacher)
    said = answers_of(teacher, official.rows, job.bundle.brevity)
    theirs = quality_of(official, said, job.recipe.seed)
    record_look(teacher, official, theirs, f"beside its student {job.recipe.name}")
    values = {(each.metric, each.split): each.value for each in theirs}
    beside = tuple(msgspec.structs.replace(each, teacher=values[each.metric, each.split]) for each in quality)
    return _with_note(
        beside, f"Its teacher says the same of {100 * agreement(answers, said):.1f} % of the texts."
    )


def _with_note(quality: tuple[Quality, ...], note: str) -> tuple[Quality, ...]:
    first, *rest = quality
    return msgspec.structs.replace(first, notes=f"{first.notes} {note}"), *rest


def _unknown(job: Job, trained: Trained, asked: Sequence[Text]) -> str:
    """What the vocabulary does not know of the texts, in a sentence."""
    texts = [text for each in asked for text in (each.first, each.second) if text is not None]
    share = share_unknown(trained.tokenizer(), texts, trained.config.unknown)
    kind = "single characters" if job.recipe.vocabulary.tokens == "characters" else "pieces of words"
    return f"Tokens are {kind}; {100 * share:.2f} % of them are unknown."


def _draft(job: Job, trained: Trained, folder: Path) -> Manifest:
    """Graph, tokenizer and sealed manifest, its cost curve measured here."""
    folder.mkdir()
    (folder / INT8_FILE).write_bytes((job.folder("quantise") / INT8_FILE).read_bytes())
    (folder / TOKENIZER_FILE).write_bytes((trained.folder / TOKENIZER_FILE).read_bytes())
    config, layout, section = trained.config, layout_of(trained.config), job.bundle
    manifest = Manifest(
        schema=SCHEMA,
        name=job.recipe.bundle_name,
        task=config.task,
        title=section.title,
        labels=config.labels,
        tags=tags_of(config),
        brevity=section.brevity,
        parameters=rounded(job).parameters,
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
        held_out=record.validation_rows,
        versions=dict(record.versions),
        notes=f"{len(record.epochs)} epochs over {record.rows} rows; {TASKS[job.recipe.task].metric} "
        f"{record.best:.4f} on {record.validation_rows} validation rows held out of train.",
    )


def _write_confusion(folder: Path, confusion: Confusion | None, title: str) -> None:
    """A table, a line a true label, a column an answered one; and a picture."""
    if confusion is None:
        return
    lines = ["\t".join(["true \\ answered", *confusion.answered])]
    lines += [
        "\t".join([true, *map(str, counts)])
        for true, counts in zip(confusion.true, confusion.counts.tolist(), strict=True)
    ]
    (folder / CONFUSION_FILE).write_text("\n".join(lines) + "\n", encoding="utf-8")
    draw(confusion, title, folder / PICTURE_FILE)
