"""Texts that nobody has labelled, in the form that a task asks: raw ones, or two texts made from raw ones."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence

from tokenizers import Tokenizer

from models.data.cloze import cloze_questions
from models.data.rows import Row, bare
from models.data.texts import read_texts, text_files
from models.data.twins import near_pairs, twin_pairs
from models.job import Job
from models.task_data import Split
from models.vocabulary import is_chinese
from server.inference.manifest import DataDigest
from server.inference.values import Task, Text

PASSAGE = 60  # code points that a text has at least: shorter ones are questions and titles


def unlabelled(job: Job, counts: Mapping[str, int], split: Split, tokenizer: Tokenizer) -> list[Text]:
    """So many texts from each set of `counts`, drawn by the recipe's seed, for a teacher to label.

    Pairs are of two raw texts that share much, or (a third) of a text said in two ways or changed by rule;
    questions are made on raw passages. None of the validation's texts is in those, and none of the train
    texts among single ones.
    """
    seed, task = job.recipe.seed, job.recipe.task
    if task is Task.PAIR:
        words = words_of(tokenizer)
        return [
            pair
            for name in counts
            for pair in _pairs(questions_of(job, name, split), words, counts[name], seed)
        ]
    if task is Task.QA:
        return [
            row.asked
            for name, count in counts.items()
            for row in cloze_questions(passages_of(job, name, split), count, seed)
        ]
    return [Text(text) for text in raw_texts(job, counts, split.train)]


def _pairs(texts: Sequence[str], words: Sequence[str], count: int, seed: int) -> list[Text]:
    made = twin_pairs(texts, words, ("", ""), count // 3, seed)
    return near_pairs(texts, words, count - len(made), seed) + [row.asked for row in made]


def raw_texts(job: Job, counts: Mapping[str, int], train: Sequence[Row]) -> list[str]:
    """So many texts of each set, drawn by the recipe's seed; none that stands in `train`."""
    known = {row.key[0] for row in train}
    found = []
    for name, count in counts.items():
        texts = [text for text in read_texts(job.data, name) if bare(text) not in known]
        found += random.Random(job.recipe.seed).sample(texts, min(count, len(texts)))
    return found


def questions_of(job: Job, name: str, split: Split) -> list[str]:
    """Each text of set `name` once, less those held out for validation."""
    held = {part for row in split.validation for part in row.key}
    return list(dict.fromkeys(text for text in read_texts(job.data, name) if bare(text) not in held))


def passages_of(job: Job, name: str, split: Split) -> list[str]:
    """Those of them that are long enough to be asked about."""
    return [text for text in questions_of(job, name, split) if len(text) >= PASSAGE]


def sources(job: Job, counts: Mapping[str, int], what: str) -> tuple[DataDigest, ...]:
    """The files of the sets of `counts`, for the lineage; `rows` is the most that was taken of a set's files.

    Args:
        job: Where the data lies.
        counts: How many of each set.
        what: Was taken or made, such as "raw texts of".
    """
    return tuple(
        DataDigest(source=f"{what} {file.source}", file=file.name, sha256=file.sha256, rows=count)
        for name, count in counts.items()
        for file in text_files(job.data, name)
    )


def words_of(tokenizer: Tokenizer) -> list[str]:
    """The pieces that are Chinese words of two characters or more."""
    pieces = sorted(piece.strip("▁") for piece in tokenizer.get_vocab())
    return [piece for piece in pieces if len(piece) > 1 and all(map(is_chinese, piece))]
