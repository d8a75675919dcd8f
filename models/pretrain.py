"""Stage `pretrain`: the network learns from raw texts: to guess words, and what the whole base makes of them.

What is guessed is drawn anew every time (`models.guessing`). The whole base as a teacher: TinyBERT's general
stage (arXiv 1909.10351), or whatever terms the recipe names.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from itertools import chain

import torch

from models.data.rows import Row, bare
from models.errors import MakeError
from models.finetune import checkpoint_folder, save_result
from models.imitation import Imitator, Terms, without_extra
from models.infer import load_network
from models.job import Job
from models.layout import single_windows
from models.lineage import sources
from models.loop import Run
from models.task_data import Split, examples_of, free_texts, split_of
from models.teachers import whole_base
from models.workspace import Trained, load_trained

HELD_OUT = 500  # raw texts that the network is scored on


def run(job: Job) -> Trained:
    """Train on raw texts; scored on some of them held out."""
    section, seed = job.pretrain, job.recipe.seed
    torch.manual_seed(seed)
    start = load_trained(job.before("pretrain"))
    texts = shuffled_texts(job)
    held, learnt = texts[:HELD_OUT], texts[HELD_OUT:]
    split = split_of(job) if section.rows is True else Split([], [], ())
    shown = rows_without(held, split)
    job.console.print(f"pretrain: {len(learnt)} raw texts, {len(shown)} rows")
    network = load_network(start, section.training.dropout)
    rows, exam = (
        list(chain.from_iterable(single_windows(start.config, start.tokenizer(), part)))
        for part in (learnt, held)
    )
    rows += examples_of(start.config, start.tokenizer(), shown).ids
    teacher = whole_base(job, start) if section.imitate else None
    terms = Terms(section.masked, section.replaced, section.imitate)
    learner = Imitator(network, teacher, start.config, (rows, exam), terms)
    folder = checkpoint_folder(job, "pretrain", section, start, (learnt, shown))
    done = Run(learner, section.training, folder, seed, job.console).train()
    files = (*split.files, *sources(job, section.texts, "raw texts of"))
    read = Split(learnt + shown, [], files)
    return save_result(job, "pretrain", start, without_extra(network), done, read)


def rows_without(held: Sequence[str], split: Split) -> list[Row]:
    """The train rows of which no text is among the raw ones `held` out."""
    known = {bare(text) for text in held}
    asked = ((row, row.asked) for row in split.train)
    return [row for row, text in asked if known.isdisjoint((bare(text.first), bare(text.second or "")))]


def shuffled_texts(job: Job) -> list[str]:
    """So many texts of each set as the recipe says, drawn by its seed; none held out or measured on."""
    split, found = split_of(job), list[str]()
    for name, count in job.pretrain.texts.items():
        texts = free_texts(job, name, split.validation)
        found += random.Random(job.recipe.seed).sample(texts, min(count, len(texts)))
    random.Random(job.recipe.seed).shuffle(found)
    if len(found) <= 2 * HELD_OUT:
        raise MakeError(f"[pretrain] finds {len(found)} raw texts; it takes more than {2 * HELD_OUT}.")
    return found
