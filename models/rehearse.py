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
from models.lineage import sources
from models.loop import Run
from models.practice import keep_rows
from models.task_data import Split, exam_of, examples_of, free_texts, split_of
from models.teachers import whole_base
from models.unlabelled import passages, words_of
from models.workspace import Trained, load_trained


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
        learner, training, checkpoint_folder(job, "rehearse", section, start, questions), seed, job.console
    ).train()
    trained = save_result(job, "rehearse", start, network, done, practice)
    keep_rows(job, questions)
    return trained


def made_rows(job: Job, split: Split, start: Trained) -> list[Labelled | Question]:
    """So many of each set's texts as the recipe says; none from a text that is held out or measured on."""
    section, seed, made = job.rehearse, job.recipe.seed, list[Labelled | Question]()
    sets = {name: free_texts(job, name, split.validation) for name in section.questions}
    if section.labels is UNSET:
        for name, texts in sets.items():
            made += cloze_questions(passages(texts), section.questions[name], seed)
    else:
        pairs = _Pairs(job, start, section.labels)
        for name, texts in sets.items():
            made += pairs.of(texts, section.questions[name])
    if not made:
        raise MakeError(
            "The recipe's [rehearse] gives nothing to practise on: its texts are too short or too few, or "
            "the judge is sure of no pair."
        )
    job.console.print(f"rehearse: {len(made)} rows made")
    return made


class _Pairs:
    """Makes pairs by rule, or has them judged where the recipe gives bounds."""

    def __init__(self, job: Job, start: Trained, labels: tuple[str, str]) -> None:
        bounds = job.rehearse.judged
        self.judge = None if bounds is UNSET else Judge(whole_base(job, start), start, bounds)
        self.words, self.labels, self.seed = words_of(start.tokenizer()), labels, job.recipe.seed

    def of(self, texts: Sequence[str], count: int) -> list[Labelled]:
        """At most `count` pairs of the texts."""
        half = count if self.judge is None else -(-count // 2)
        made = twin_pairs(texts, self.words, self.labels, half, self.seed)
        return made if self.judge is None else judged_pairs(self.judge, texts, made, self.labels, self.seed)
