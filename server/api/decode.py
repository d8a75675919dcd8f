"""Bytes to the wire's types, and for bytes that do not fit a sentence that says what is allowed."""

from __future__ import annotations

import codecs
import json
import re
from functools import lru_cache
from typing import TypeVar

import msgspec
from msgspec import inspect

from server.errors import BadOption, BadRequest, BadText, ServeError
from server.inference.check import is_unicode

BOM = (codecs.BOM_UTF8, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
MOST_CHARS_OF_A_PART = 200

Some = TypeVar("Some")
_PATH = re.compile(r" - at `(\$[^`]*)`$")
_INDEX = re.compile(r"\[(\d+)\]")
_GOT = re.compile(r", got `(\w+)`$")
_OPTIONS = ("$.top_k", "$.threshold", "$.max_answer_chars", "$.offset_unit")
_WORDS = {
    "array": "a list",
    "bool": "true or false",
    "float": "a number",
    "int": "a number",
    "null": "null",
    "object": "an object",
    "str": "a string",
}
"""JSON's own words for what msgspec says that it got."""
_KINDS: dict[type[inspect.Type], str] = {
    inspect.FloatType: "a number",
    inspect.IntType: "a whole number",
    inspect.ListType: "a list of strings",
    inspect.NoneType: "null",
    inspect.StrType: "a string",
    inspect.StructType: "an object",
}
"""The same for what the wire's types take."""


def decode(decoder: msgspec.json.Decoder[Some], body: bytes) -> Some:
    """The body as the decoder's type.

    Raises:
        BadRequest: Not JSON, not UTF-8, or not of that type; names the JSON path and the item's index.
        BadOption: An option outside its range.
        BadText: Half of a surrogate pair is escaped in it.
    """
    if not body:
        raise BadRequest("The body is empty; a JSON object is expected.")
    if body.startswith(BOM):
        raise BadRequest("The JSON begins with a byte order mark; send UTF-8 without one.")
    try:
        return decoder.decode(body)
    except msgspec.ValidationError as error:
        raise _misfit(str(error), decoder.type) from None
    except msgspec.DecodeError as error:
        said = _short(str(error).replace("JSON is malformed: ", "").rstrip("."))
        raise _half_a_pair(body) or BadRequest(f"The body is not JSON: {said}.") from None
    except UnicodeDecodeError as error:
        raise BadRequest(f"The body is not UTF-8: {error.reason}.") from None
    except RecursionError:
        raise BadRequest("The body is nested too deeply.") from None


def _misfit(message: str, kind: object) -> ServeError:
    """A refusal in JSON's words for what msgspec says in Python's."""
    path = _PATH.search(message)
    where = path[1] if path else "$"
    message = _PATH.sub("", message)
    allowed = _allowed(kind)
    if message.startswith("Object "):  # has an unknown field, or lacks one
        fields = ", ".join(f"`{path[2:]}`" for path in allowed if path != "$")
        return BadRequest(f"{_short(message)}; the fields are {fields}.")
    index, got = _INDEX.search(where), _GOT.search(message)
    takes = "a string" if index else allowed[where]
    said = f"`{where}` takes {takes}" + (f", not {_WORDS[got[1]]}." if got else ".")
    return (BadOption if where in _OPTIONS else BadRequest)(said, index=int(index[1]) if index else None)


@lru_cache(maxsize=16)
def _allowed(kind: object) -> dict[str, str]:
    """What each JSON path of a type takes, in words."""
    info = inspect.type_info(kind)
    kinds = info.types if isinstance(info, inspect.UnionType) else (info,)
    fields = [field for each in kinds if isinstance(each, inspect.StructType) for field in each.fields]
    return {"$": _words(info)} | {f"$.{field.encode_name}": _words(field.type) for field in fields}


def _words(kind: inspect.Type) -> str:
    match kind:
        case inspect.Metadata():
            return _words(kind.type)
        case inspect.UnionType():
            return " or ".join(map(_words, kind.types))
        case inspect.LiteralType():
            return " or ".join(f"`{value}`" for value in kind.values)
        case inspect.IntType() | inspect.FloatType():
            return f"{_KINDS[type(kind)]} from {kind.ge} to {kind.le}"
        case _:
            return _KINDS[type(kind)]


def _half_a_pair(body: bytes) -> BadText | None:
    """What to say of a body that is JSON but for the escape of half an emoji, or the like."""
    if b"\\ud" not in body.lower():
        return None
    try:
        found = json.loads(body.decode())  # which lets such halves pass
    except (ValueError, RecursionError):
        return None
    said = "holds half of a surrogate pair, which is not a Unicode character."
    fields = (
        {f"$.{name}": given for name, given in found.items()} if isinstance(found, dict) else {"$": found}
    )
    if not is_unicode("".join(fields)):
        return BadText(f"The name of a field {said}")
    for where, given in fields.items():
        for index, text in enumerate(given if isinstance(given, list) else [given]):
            if isinstance(text, str) and not is_unicode(text):
                item = f"[{index}]" if isinstance(given, list) else ""
                return BadText(_short(f"The string at `{where}{item}` {said}"), index=index)
    return None


def _short(message: str) -> str:
    """A field's name may be a megabyte."""
    if len(message) <= MOST_CHARS_OF_A_PART:
        return message
    half = MOST_CHARS_OF_A_PART // 2
    return f"{message[:half]} ... {message[-half:]}"
