"""Stage `rehearse`: practice on questions or pairs made from raw texts, before the real ones."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from msgspec import UNSET

from models.data.cloze import cloze_questions
from models.data.rows import Labelled, Question
from models.data.twins import twin_pairs
from models.errors import MakeError
from models.finetune import Fitting, checkpoint_folder, save_result
from models.infer import load_network
from models.job import Job
from models.judged import Judge, judged_pairs
from models.loop import Run
from models.practice import keep_rows
from models.task_data import Split, exam_of, examples_of, split_of
from models.teachers import whole_base
from models.unlabelled import passages_of, questions_of, sources, words_of
from models.workspace import Trained, load_trained
from server.inference.values import Task


def run(job: Job) -> Trained:
    """Train the network on made questions; scored on the real ones held out."""
    section, seed = job.rehearse, job.recipe.seed
    torch.manual_seed(seed)
    start, split = load_trained(job.before("rehearse")), split_of(job)
    questions = made_rows(job, split, start)
    files = sources(job, section.questions, "questions made from the raw texts of")
    practice = Split(questions, split.validation, files)
    tokenizer, training = start.tokenizer(), section.training
    network = load_network(start, training.dropout)
    examples = examples_of(start.config, tokenizer, practice.train)
    exam = exam_of(start.config, tokenizer, split.validation)
    learner = Fitting(network, examples, exam, training.smoothing)
    done = Run(
        learner, training, checkpoint_folder(job, "rehearse", section, start), seed, job.console
    ).train()
    result = save_result(job, "rehearse", start, network, done, practice)
    keep_rows(job, questions)
    return result


def made_rows(job: Job, split: Split, start: Trained) -> list[Labelled | Question]:
    """So many of each set's texts as the recipe says; none from a text held out for validation."""
    made = list[Labelled | Question]()
    for name, count in job.rehearse.questions.items():
        if job.recipe.task is Task.QA:
            made += cloze_questions(passages_of(job, name, split), count, job.recipe.seed)
        else:
            made += _pairs(job, questions_of(job, name, split), start, count)
    if not made:
        raise MakeError("The recipe's [rehearse] texts give nothing to practise on: they are too short.")
    job.console.print(f"rehearse: {len(made)} rows made")
    return made


def _pairs(job: Job, texts: Sequence[str], start: Trained, count: int) -> list[Labelled]:
    section, seed, words = job.rehearse, job.recipe.seed, words_of(start.tokenizer())
    assert section.labels is not UNSET, "no recipe for pairs is without. This is a bug."
    if section.judged is UNSET:
        return twin_pairs(texts, words, section.labels, count, seed)
    made = twin_pairs(texts, words, section.labels, count // 2, seed)
    judge = Judge(whole_base(job, start), start, section.judged)
    return judged_pairs(judge, texts, made, section.labels, seed)
