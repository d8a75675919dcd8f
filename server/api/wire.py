"""The JSON that the four routes take and give: its types, and a clear sentence for bytes that do not fit."""

from __future__ import annotations

import codecs
import re
from typing import Annotated, Literal, TypeVar

import msgspec
from msgspec import Meta, Struct

from server.errors import BadOption, BadRequest, BadText, ServeError, TooMany
from server.inference.decoding.answers import LONGEST_ANSWER
from server.inference.values import Entity, Label, Span

MAX_TEXTS = 128
BOM = (codecs.BOM_UTF8, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
MOST_CHARS_OF_A_SENTENCE = 300

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
    Meta(description="At most so many labels or answers, best first."),
]
Threshold = Annotated[
    Annotated[float, Meta(ge=0, le=1)] | None, Meta(description="Leave out what scores below this.")
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
    """Two texts to be compared, or two lists of equal length."""

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
    """A question with the context that holds its answer; many questions may share one context."""

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


class AnswersResult(Struct, frozen=True):
    """Answers, best first; `no_answer_score` is null where the model was not trained to give one."""

    answers: tuple[Span, ...]
    no_answer_score: float | None


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


Some = TypeVar("Some", bound=Struct)
_PATH = re.compile(r" - at `(\$[^`]*)`")
_INDEX = re.compile(r"\[(\d+)\]")
_OPTIONS = ("$.top_k", "$.threshold", "$.max_answer_chars", "$.offset_unit")


def decode(decoder: msgspec.json.Decoder[Some], body: bytes) -> Some:
    """The body as the decoder's type.

    Raises:
        BadRequest: Not JSON, not UTF-8, or not of that type; names the JSON path and the item's index.
        BadOption: An option outside its range.
    """
    if not body:
        raise BadRequest("The body is empty; a JSON object is expected.")
    if body.startswith(BOM):
        raise BadRequest("The JSON begins with a byte order mark; send UTF-8 without one.")
    try:
        return decoder.decode(body)
    except msgspec.ValidationError as error:
        raise _misfit(str(error)) from None
    except msgspec.DecodeError as error:
        raise BadRequest(_sentence(f"The body is not JSON: {error}")) from None
    except UnicodeDecodeError as error:
        raise BadRequest(f"The body is not UTF-8: {error.reason}.") from None
    except RecursionError:
        raise BadRequest("The body is nested too deeply.") from None


def _misfit(message: str) -> ServeError:
    path = _PATH.search(message)
    where = path[1] if path else "$"
    index = _INDEX.search(where)
    kind = BadOption if where in _OPTIONS else BadRequest
    said = message if path else f"{message} - at `$`"
    return kind(_sentence(said.replace(" - at ", " at ")), index=int(index[1]) if index else None)


def _sentence(message: str) -> str:
    """Never longer than a sentence: a field's name may be a megabyte."""
    message = message.replace("JSON is malformed: ", "").rstrip(".")
    if len(message) > MOST_CHARS_OF_A_SENTENCE:
        head, tail = message[: MOST_CHARS_OF_A_SENTENCE // 2], message[-MOST_CHARS_OF_A_SENTENCE // 4 :]
        message = f"{head} ... {tail}"
    return f"{message}."


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
