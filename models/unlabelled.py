"""Texts that nobody has labelled, in the form that a task asks: raw ones, or two texts made from raw ones."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence

from msgspec import UNSET
from tokenizers import Tokenizer

from models.data.altered import altered
from models.data.cloze import cloze_questions
from models.data.rows import bare
from models.data.twins import near_pairs, twin_pairs
from models.job import Job
from models.sections import DistilSection, ImitateSection
from models.task_data import Split, free_texts
from models.vocabulary import is_chinese
from server.inference.values import Task, Text

PASSAGE = 60  # code points that a text has at least: shorter ones are questions and titles


def unlabelled(job: Job, counts: Mapping[str, int], split: Split, tokenizer: Tokenizer) -> list[Text]:
    """So many texts from each set of `counts`, drawn by the recipe's seed, for a teacher to label.

    Pairs are of two raw texts that share much, or (a third) of a text said in two ways or changed by rule;
    questions are made on raw passages. They are other ones than [rehearse] has made from the same texts.
    """
    seed, words, found = job.recipe.seed + 1, words_of(tokenizer), list[Text]()
    known = {row.key[0] for row in split.train}
    for name, count in counts.items():
        texts = free_texts(job, name, split.validation)
        if job.recipe.task is Task.PAIR:
            made = twin_pairs(texts, words, ("", ""), count // 3, seed)
            found += near_pairs(texts, words, count - len(made), seed) + [row.asked for row in made]
        elif job.recipe.task is Task.QA:
            found += [row.asked for row in cloze_questions(passages(texts), count, seed)]
        else:
            new = [Text(text) for text in texts if bare(text) not in known]
            found += random.Random(seed).sample(new, min(count, len(new)))
    return found


def spoken_on(
    job: Job, section: DistilSection | ImitateSection, split: Split, tokenizer: Tokenizer
) -> list[Text]:
    """What a teacher speaks on beside the train texts: altered copies of them, and raw texts."""
    copies = 0 if section.altered is UNSET else section.altered
    changed = altered([row.asked for row in split.train], copies, job.recipe.seed)
    return changed + unlabelled(job, section.texts, split, tokenizer)


def passages(texts: Sequence[str]) -> list[str]:
    """Those that are long enough to be asked about."""
    return [text for text in texts if len(text) >= PASSAGE]


def words_of(tokenizer: Tokenizer) -> list[str]:
    """The pieces that are Chinese words of two characters or more."""
    pieces = sorted(piece.strip("▁") for piece in tokenizer.get_vocab())
    return [piece for piece in pieces if len(piece) > 1 and all(map(is_chinese, piece))]
