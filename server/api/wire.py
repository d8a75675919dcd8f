"""The JSON that the four routes take and give: its types, and how many texts a field may hold."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

from server.errors import BadOption, BadText, TooMany
from server.inference.decoding.answers import LONGEST_ANSWER
from server.inference.values import Entity, Label, Span

MAX_TEXTS = 128

_OneText = Annotated[
    str, Meta(description="One text, not blank.", extra_json_schema={"minLength": 1, "pattern": r"\S"})
]
_ManyTexts = Annotated[
    list[_OneText],
    Meta(description="Up to 128 texts.", extra_json_schema={"minItems": 1, "maxItems": MAX_TEXTS}),
]
Texts = _OneText | _ManyTexts
Model = Annotated[str | None, Meta(description="Name of a model; without it the task's default answers.")]
TopK = Annotated[
    Annotated[int, Meta(ge=1, le=1000)] | None,
    Meta(description="At most so many, best first; without it the 5 best labels, or 1 answer."),
]
Threshold = Annotated[
    Annotated[float, Meta(ge=0, le=1)] | None,
    Meta(
        description="Leave out what scores below this; without it entities and answers are given however low "
        "their score."
    ),
]
MaxAnswerChars = Annotated[
    Annotated[int, Meta(ge=1, le=LONGEST_ANSWER)] | None, Meta(description="Longest answer, in characters.")
]
OffsetUnit = Literal["codepoint", "utf16", "utf8"]
Unit = Annotated[
    OffsetUnit, Meta(description="What `start` and `end` count: code points, UTF-16 units or bytes.")
]


class Request(Struct, kw_only=True, forbid_unknown_fields=True):
    """Base of what a route takes: nothing unknown is let through."""

    model: Model = None


class ClassifyRequest(Request):
    """A text, or a list of texts, to be labelled."""

    text: Texts
    top_k: TopK = None
    threshold: Threshold = None


class PairRequest(Request):
    """Two texts to be compared, two lists of equal length, or one string beside a list, serving all of it."""

    text: Texts
    text_pair: Texts
    top_k: TopK = None
    threshold: Threshold = None


class NerRequest(Request):
    """A text, or a list of texts, to find entities in."""

    text: Texts
    threshold: Threshold = None
    offset_unit: Unit = "codepoint"


class QaRequest(Request):
    """A question with the context that holds its answer: strings, or lists as for a pair."""

    question: Texts
    context: Texts
    top_k: TopK = None
    threshold: Threshold = None
    offset_unit: Unit = "codepoint"
    max_answer_chars: MaxAnswerChars = None


class LabelsResult(Struct, frozen=True, omit_defaults=True):
    """Labels, best first; `shortened` stands there, and is true, when a pair did not fit and was cut."""

    labels: tuple[Label, ...]
    shortened: bool = False


class AnswersResult(Struct, frozen=True, omit_defaults=True):
    """Answers, best first; `no_answer_score` is null where the model was not trained to give one.

    `shortened` stands there, and is true, when the question did not fit and was cut.
    """

    answers: tuple[Span, ...]
    no_answer_score: float | None
    shortened: bool = False


class ClassifyResponse(Struct, frozen=True):
    """A result for each text, in order."""

    model: str
    version: str
    results: list[LabelsResult]


class PairResponse(Struct, frozen=True):
    """A result for each pair, in order."""

    model: str
    version: str
    results: list[LabelsResult]


class EntitiesResult(Struct, frozen=True):
    """Entities in order of the text; `end` is exclusive."""

    entities: tuple[Entity, ...]


class NerResponse(Struct, frozen=True):
    """A result for each text, in order."""

    model: str
    version: str
    results: list[EntitiesResult]


class QaResponse(Struct, frozen=True):
    """A result for each question, in order."""

    model: str
    version: str
    results: list[AnswersResult]


Result = LabelsResult | EntitiesResult | AnswersResult


class Response(Struct, frozen=True):
    """What every route answers, whichever the results."""

    model: str
    version: str
    results: list[Result]


class Problem(Struct, frozen=True, omit_defaults=True):
    """A refusal (RFC 9457) with a stable code, and the first bad item's place where one is to blame."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    request_id: str
    index: int | None = None


def listed(texts: str | list[str], field: str) -> list[str]:
    """The texts of a field as a list; what each may hold is the engine's to say.

    Raises:
        BadText: An empty list.
        TooMany: More than `MAX_TEXTS`.
    """
    if isinstance(texts, str):
        return [texts]
    if not texts:
        raise BadText(f"The list at `$.{field}` is empty; 1 to {MAX_TEXTS} texts are expected.")
    if len(texts) > MAX_TEXTS:
        raise TooMany(f"{len(texts)} texts at `$.{field}`; at most {MAX_TEXTS} are taken.", index=MAX_TEXTS)
    return texts


def side_by_side(
    first: str | list[str], field: str, second: str | list[str], other: str
) -> tuple[list[str], list[str]]:
    """Two fields as lists of equal length: one string beside a list serves all of it.

    Raises:
        BadText, TooMany: As `listed`.
        BadOption: Two lists of unequal length.
    """
    ones, others = listed(first, field), listed(second, other)
    if isinstance(first, str):
        ones = ones * len(others)
    elif isinstance(second, str):
        others = others * len(ones)
    if len(ones) != len(others):
        raise BadOption(
            f"{len(ones)} texts at `$.{field}` and {len(others)} at `$.{other}`; two lists must be of equal "
            "length, and one string beside a list serves all of it."
        )
    return ones, others
