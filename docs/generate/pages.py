"""Pages and tables from settings, routes, errors, metrics and the bundle's schema."""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterable
from pathlib import Path

import msgspec
from prometheus_client.parser import text_string_to_metric_families
from pydantic import SecretStr

from server import errors as refusals
from server.api.openapi import document
from server.inference import manifest
from server.settings import PREFIX, Settings
from server.tally import Tally
from server.telemetry import CELLS, Telemetry

ROOT = Path(__file__).parents[2]
CONFIGURATION = """# Configuration

Generated from `server/settings.py`; do not edit. Every setting is a flag of `qingmo-serve` and an
environment variable; the flag wins.

"""
BUG = "A fault of the server; its log has the cause under the answer's request id."


def table(head: str, rows: Iterable[Iterable[object]]) -> str:
    """A Markdown table; `head` has its columns apart by |."""
    columns = head.split("|")
    lines = [columns, ["---"] * len(columns), *rows]
    return "".join("| " + " | ".join(cell(c) for c in line) + " |\n" for line in lines)


def cell(content: object) -> str:
    """Text that stays inside its column."""
    return " ".join(str(content).split()).replace("|", "\\|")


def configuration() -> str:
    """docs/configuration.md: every setting, by flag and by environment variable."""
    rows = []
    for name, field in Settings.model_fields.items():
        flag, variable = f"`--{name.replace('_', '-')}`", f"`{PREFIX}{name.upper()}`"
        rows.append([flag, variable, shown(field.default), field.description or ""])
    return CONFIGURATION + table("flag|variable|default|what it does", rows)


def shown(default: object) -> str:
    """A setting's default as text: nothing where none is set, paths as they are in the repository."""
    if isinstance(default, Path):
        default = default.relative_to(ROOT)
    text = default.get_secret_value() if isinstance(default, SecretStr) else default
    return "" if text in (None, "") else f"`{text}`"


def openapi() -> str:
    """docs/openapi.json: the API by machine."""
    return document() + "\n"


def errors() -> str:
    """Every refusal that a caller can meet, with status and code."""
    kinds = [
        c for _, c in inspect.getmembers(refusals, inspect.isclass) if issubclass(c, refusals.ServeError)
    ]
    met = [c for c in kinds if c is not refusals.BadBundle]
    rows = [[c.status, f"`{c.code}`", BUG if c is refusals.ServeError else inspect.getdoc(c)] for c in met]
    return table("status|code|when", sorted(rows, key=str))


def metrics() -> str:
    """Every metric of our own with its kind, labels and meaning."""
    telemetry = Telemetry({"topic": ""}, Tally(1, CELLS), 0)
    telemetry.shed("topic", "expired")
    page = telemetry.page().decode()
    rows = []
    for family in text_string_to_metric_families(page):
        labels = sorted({label for sample in family.samples for label in sample.labels} - {"le"})
        name = family.name + "_total" * (family.type == "counter")
        rows.append([f"`{name}`", family.type, ", ".join(labels), family.documentation])
    return table("metric|kind|labels|what it says", rows)


def bundle() -> str:
    """The parts of bundle.json with their fields, in the words of the schema."""
    kinds = [c for _, c in inspect.getmembers(manifest, inspect.isclass) if issubclass(c, manifest.Part)]
    parts = sorted(set(kinds) - {manifest.Part}, key=lambda c: (c is not manifest.Manifest, c.__name__))
    return "\n".join(f"### {part.__name__}\n\n{inspect.getdoc(part)}\n\n{fields(part)}" for part in parts)


def fields(part: type[manifest.Part]) -> str:
    """The fields of one part: name, type, default."""
    rows = [
        [f"`{field.encode_name}`", f"`{part.__annotations__[field.name]}`", default_of(field)]
        for field in msgspec.structs.fields(part)
    ]
    return table("field|type|default", rows)


def default_of(field: msgspec.structs.FieldInfo) -> str:
    """What holds where the field is not given."""
    if field.required:
        return "required"
    if field.default is msgspec.UNSET:
        return "left out"
    value = field.default_factory() if field.default is msgspec.NODEFAULT else field.default
    return f"`{json.dumps(msgspec.to_builtins(value))}`"
