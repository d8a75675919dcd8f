"""The types that walk from text to answer. Frozen, and without behaviour."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray


class Task(StrEnum):
    """What a bundle does; one bundle, one task."""

    CLASSIFY = "classify"
    PAIR = "pair"
    NER = "ner"
    QA = "qa"


@dataclass(frozen=True, slots=True)
class Text:
    """One checked input: no surrogates, not blank, within the length limit.

    `second` is the other text of a pair, or the context (passage) of a question.
    """

    first: str
    second: str | None = None


@dataclass(frozen=True, slots=True)
class Options:
    """What the caller asked of the decoder; None means the task's default."""

    top_k: int | None = None
    threshold: float | None = None
    max_answer_chars: int | None = None


@dataclass(frozen=True, slots=True)
class Window:
    """Which content tokens of the encoded text one Example holds.

    Content tokens `start` to `stop` (exclusive; indices into `Encoded.offsets`) stand in the
    Example's ids from position `at` on, in order.
    """

    start: int
    stop: int
    at: int


@dataclass(frozen=True, slots=True)
class Example:
    """One window's tokens, unpadded, special tokens included."""

    ids: NDArray[np.int64]  # [length]
    types: NDArray[np.int64] | None  # [length], None: all zero
    window: Window

    @property
    def length(self) -> int:
        """Tokens, special ones included."""
        return len(self.ids)


@dataclass(frozen=True, slots=True)
class Encoded:
    """A text as the network sees it, with the way back to its characters.

    `offsets` are half-open code-point spans into the text that answers are cut from: `Text.first`,
    or the context in question answering; there are none where no answer is cut from the text. Spans are
    sorted, never overlap and hold no outer white space.
    """

    text: Text
    offsets: NDArray[np.int32]  # [tokens, 2]
    examples: tuple[Example, ...]
    shortened: bool = False


@dataclass(frozen=True, slots=True)
class Batch:
    """Examples of one width, padded to it."""

    ids: NDArray[np.int64]  # [rows, width]
    mask: NDArray[np.int64]  # [rows, width], 1 where a token stands
    types: NDArray[np.int64]  # [rows, width]


@dataclass(frozen=True, slots=True)
class Label:
    """A class with its score in 0..1."""

    label: str
    name: str
    score: float


@dataclass(frozen=True, slots=True)
class Entity:
    """A named entity; `text` is the input from `start` to `end` (code points, exclusive end)."""

    type: str
    name: str
    text: str
    start: int
    end: int
    score: float


@dataclass(frozen=True, slots=True)
class Span:
    """One answer to a question, cut from the context (code points, exclusive end)."""

    text: str
    start: int
    end: int
    score: float


@dataclass(frozen=True, slots=True)
class Labels:
    """Answer of classification and pairs, best first."""

    labels: tuple[Label, ...]
    shortened: bool = False


@dataclass(frozen=True, slots=True)
class Entities:
    """Answer of NER, in order of the text."""

    entities: tuple[Entity, ...]


@dataclass(frozen=True, slots=True)
class Answers:
    """Answer of question answering, best first; `no_answer_score` is None where it was not trained.

    `shortened` says that the question did not fit and was cut.
    """

    answers: tuple[Span, ...]
    no_answer_score: float | None
    shortened: bool = False


Answer = Labels | Entities | Answers


@dataclass(frozen=True, slots=True)
class Timings:
    """Seconds one request spent in each stage; over several texts the longest wait, the summed work.

    `infer` is its own share of the runs: the seconds of each, split evenly among its rows.
    """

    queue: float = 0.0
    tokenise: float = 0.0
    infer: float = 0.0
    decode: float = 0.0


@dataclass(frozen=True, slots=True)
class Answered:
    """The answers to one request, in the order of its texts."""

    answers: tuple[Answer, ...]
    timings: Timings
