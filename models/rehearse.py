"""Stage `rehearse`: a reader practises on questions made from raw texts, before the real ones."""

from __future__ import annotations

import torch

from models.data.cloze import cloze_questions
from models.data.rows import bare
from models.data.texts import read_texts, text_files
from models.errors import MakeError
from models.finetune import Fitting, checkpoint_folder, save_result
from models.infer import load_network
from models.job import Job
from models.loop import Run
from models.task_data import Split, exam_of, examples_of, split_of
from models.workspace import Trained, load_trained
from server.inference.manifest import DataDigest

PASSAGE = 60  # code points that a text has at least: shorter ones are questions and titles


def run(job: Job) -> Trained:
    """Train the network on made questions; scored on the real ones held out."""
    section, seed = job.rehearse, job.recipe.seed
    torch.manual_seed(seed)
    start, split = load_trained(job.before("rehearse")), split_of(job)
    questions = made_questions(job, split)
    files = tuple(digest for name in section.questions for digest in sources(job, name))
    practice = Split(questions, split.validation, files)
    tokenizer, training = start.tokenizer(), section.training
    network = load_network(start, training.dropout)
    examples = examples_of(start.config, tokenizer, practice.train)
    exam = exam_of(start.config, tokenizer, split.validation)
    learner = Fitting(network, examples, exam, training.smoothing)
    done = Run(
        learner, training, checkpoint_folder(job, "rehearse", section, start), seed, job.console
    ).train()
    return save_result(job, "rehearse", start, network, done, practice)


def sources(job: Job, name: str) -> list[DataDigest]:
    """The files of set `name` that questions are made from; `rows` counts the questions of all of them."""
    what, count = "questions made from the raw texts of", job.rehearse.questions[name]
    return [
        DataDigest(source=f"{what} {file.source}", file=file.name, sha256=file.sha256, rows=count)
        for file in text_files(job.data, name)
    ]


def made_questions(job: Job, split: Split) -> list[object]:
    """So many of each set's texts as the recipe says; none from a context held out for validation."""
    held = {row.key[0] for row in split.validation}
    made = list[object]()
    for name, count in job.rehearse.questions.items():
        texts = [
            text for text in read_texts(job.data, name) if len(text) >= PASSAGE and bare(text) not in held
        ]
        made += cloze_questions(texts, count, job.recipe.seed)
    if not made:
        raise MakeError(
            "The recipe's [rehearse] texts give no question: they hold no sentence of 12 characters."
        )
    job.console.print(f"rehearse: {len(made)} questions made")
    return made
