"""Stage `rehearse`: practice on questions or pairs made from raw texts, before the real ones."""

from __future__ import annotations

import torch
from msgspec import UNSET
from tokenizers import Tokenizer

from models.data.cloze import cloze_questions
from models.data.rows import Labelled, Question, bare
from models.data.texts import read_texts, text_files
from models.data.twins import twin_pairs
from models.errors import MakeError
from models.finetune import Fitting, checkpoint_folder, save_result
from models.infer import load_network
from models.job import Job
from models.loop import Run
from models.task_data import Split, exam_of, examples_of, split_of
from models.vocabulary import is_chinese
from models.workspace import Trained, load_trained
from server.inference.manifest import DataDigest

PASSAGE = 60  # code points that a text has at least: shorter ones are questions and titles


def run(job: Job) -> Trained:
    """Train the network on made questions; scored on the real ones held out."""
    section, seed = job.rehearse, job.recipe.seed
    torch.manual_seed(seed)
    start, split = load_trained(job.before("rehearse")), split_of(job)
    questions = made_rows(job, split, start.tokenizer())
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


def made_rows(job: Job, split: Split, tokenizer: Tokenizer) -> list[Labelled | Question]:
    """So many of each set's texts as the recipe says; none from a text held out for validation."""
    section, seed = job.rehearse, job.recipe.seed
    held = {part for row in split.validation for part in row.key}
    made = list[Labelled | Question]()
    for name, count in section.questions.items():
        texts = [text for text in read_texts(job.data, name) if bare(text) not in held]
        if section.labels is UNSET:
            made += cloze_questions([text for text in texts if len(text) >= PASSAGE], count, seed)
        else:
            made += twin_pairs(list(dict.fromkeys(texts)), words_of(tokenizer), section.labels, count, seed)
    if not made:
        raise MakeError("The recipe's [rehearse] texts give nothing to practise on: they are too short.")
    job.console.print(f"rehearse: {len(made)} rows made")
    return made


def words_of(tokenizer: Tokenizer) -> list[str]:
    """The pieces that are Chinese words of two characters or more."""
    pieces = sorted(piece.strip("▁") for piece in tokenizer.get_vocab())
    return [piece for piece in pieces if len(piece) > 1 and all(map(is_chinese, piece))]
