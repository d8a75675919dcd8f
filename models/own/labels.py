"""The labels of a user's network, in the order of its outputs."""

from __future__ import annotations

import json
from pathlib import Path

from models.errors import MakeError
from server.inference.manifest import LabelName

ALLOWED = (
    'Labels are given as "a,b,c", as a text file with one label a line (a tab and a display name may '
    "follow), or as JSON: a list, an id2label or label2id object, or a config.json that holds one."
)

_PLACES = {"B": "B", "I": "I", "E": "E", "S": "S", "M": "I", "L": "E", "U": "S"}


def read_labels(source: str) -> tuple[LabelName, ...]:
    """Labels from a file or from the argument itself; MakeError if they are no list of different names."""
    path = Path(source)
    if path.suffix in (".json", ".txt") and not path.is_file():
        raise MakeError(f"There is no file {path}. {ALLOWED}")
    try:
        found = _from_file(path) if _is_file(path) else _from_text(source)
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise MakeError(f"{path.name} cannot be read: {error}. {ALLOWED}") from error
    if not found or any(not label.label for label in found):
        raise MakeError(f"A label is empty. {ALLOWED}")
    labels = [label.label for label in found]
    twice = [label for label in labels if labels.count(label) > 1]
    if twice:
        raise MakeError(f"The label {twice[0]} is given twice.")
    return tuple(found)


def read_tags(source: str) -> tuple[tuple[str, ...], tuple[LabelName, ...]]:
    """Tags in the order of the outputs, as O, B-, I-, E- and S-, and the entity types that they name."""
    given = read_labels(source)
    tags = [_tag(tag.label) for tag in given]
    if "O" not in tags or len(tags) < 2:
        raise MakeError("Entity recognition needs the tag O and tags such as B-PER and I-PER.")
    if len(set(tags)) < len(tags):
        raise MakeError(f"The tags name one thing twice: {', '.join(tag.label for tag in given)}.")
    names = {tag[2:]: tag[2:] for tag in tags if tag != "O"}
    return tuple(tags), tuple(LabelName(label=kind, name=name) for kind, name in names.items())


def _tag(given: str) -> str:
    """One tag in our letters: M is I, L is E, U is S, and an underscore is a dash."""
    if given == "O":
        return given
    place, dash, kind = given[:1], given[1:2], given[2:]
    if place not in _PLACES or dash not in ("-", "_") or not kind:
        raise MakeError(f"The tag {given} is neither O nor B-, I-, E- or S- (or M-, L-, U-) with a type.")
    return f"{_PLACES[place]}-{kind}"


def _is_file(path: Path) -> bool:
    """A list of labels may be longer than any file's name."""
    try:
        return path.is_file()
    except OSError:
        return False


def _label(text: str) -> LabelName:
    label, _, name = text.strip().partition("\t")
    return LabelName(label=label.strip(), name=name.strip() or label.strip())


def _from_text(source: str) -> list[LabelName]:
    return [_label(part) for part in source.replace("，", ",").split(",")]


def _from_file(path: Path) -> list[LabelName]:
    text = path.read_text(encoding="utf-8-sig")
    if path.suffix != ".json":
        return [_label(line) for line in text.splitlines() if line.strip()]
    value = json.loads(text)
    if isinstance(value, dict):
        value = value.get("id2label") or value.get("label2id") or value
    return _from_list(value) if isinstance(value, list) else _from_object(value)


def _from_list(value: list[object]) -> list[LabelName]:
    found = []
    for item in value:
        if isinstance(item, str):
            found.append(_label(item))
        elif isinstance(item, dict) and isinstance(item.get("label"), str):
            found.append(LabelName(label=item["label"], name=str(item.get("name", item["label"]))))
        else:
            raise MakeError(f"A label in the list is neither text nor an object with a label. {ALLOWED}")
    return found


def _from_object(value: object) -> list[LabelName]:
    """id2label, whose keys are numbers, or label2id, whose values are."""
    if not isinstance(value, dict) or not value:
        raise MakeError(f"The JSON holds no labels. {ALLOWED}")
    if all(isinstance(place, int) for place in value.values()):
        value = {str(place): label for label, place in value.items()}
    if sorted(value) != sorted(str(place) for place in range(len(value))):
        raise MakeError(f"The labels are not numbered from 0 to {len(value) - 1}. {ALLOWED}")
    return [_label(str(value[str(place)])) for place in range(len(value))]
