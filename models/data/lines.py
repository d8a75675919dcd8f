"""Files of data, line by line or whole; what cannot be read ends in a MakeError with file and line."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from models.errors import MakeError


def numbered_lines(path: Path, newline: str | None = None) -> Iterator[tuple[int, str]]:
    """Each line's number and text with its end, less a byte order mark; MakeError where a byte is no UTF-8.

    `newline` is that of `open`: None makes the ends of lines alike, "" leaves them as they are.
    """
    # A strict reader would fail a whole block of the file early, far before the line that is at fault.
    with path.open(encoding="utf-8-sig", errors="surrogateescape", newline=newline) as lines:
        for number, line in enumerate(lines, 1):
            try:
                line.encode()
            except UnicodeEncodeError as error:
                byte = ord(line[error.start]) - 0xDC00
                raise MakeError(
                    f"{path}, line {number}: character {error.start + 1} is the byte 0x{byte:02x}, which is "
                    "not UTF-8; the whole file must be."
                ) from error
            yield number, line


def whole_text(path: Path) -> str:
    """All of a file; MakeError as for `numbered_lines`."""
    return "".join(line for _, line in numbered_lines(path))


def whole_json(path: Path) -> Any:  # noqa: ANN401 - parsed JSON of any form
    """The JSON that a file is; MakeError where it is none."""
    try:
        return _parsed(whole_text(path))
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}: at column {error.colno}"
        raise MakeError(f"{path}, {place} the file is no JSON ({error.msg}).") from error
    except (ValueError, RecursionError) as error:
        raise MakeError(f"{path} is no JSON ({error}).") from error


def json_rows(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Each line's number and JSON object; MakeError where a line is none."""
    for number, line in numbered_lines(path):
        try:
            row = _parsed(line)
        except (ValueError, RecursionError) as error:
            raise MakeError(f"{path}, line {number}: no JSON object ({error}).") from error
        if not isinstance(row, dict):
            raise MakeError(f"{path}, line {number}: no JSON object.")
        yield number, row


def _parsed(text: str) -> Any:  # noqa: ANN401 - parsed JSON of any form
    r"""ValueError where it is no JSON, or where an escape such as \ud83d is half a character."""
    found = json.loads(text)
    if "\\ud" in text.lower():
        json.dumps(found, ensure_ascii=False).encode()
    return found


def csv_rows(path: Path, delimiter: str = ",") -> Iterator[tuple[int, list[str]]]:
    """Each row's columns and the number of its first line; quotes count where commas part the columns.

    MakeError where a field is longer than `csv` takes.
    """
    lines = (line for _, line in numbered_lines(path, newline=""))
    quoting: Literal[0, 3] = csv.QUOTE_MINIMAL if delimiter == "," else csv.QUOTE_NONE
    rows, number = csv.reader(lines, delimiter=delimiter, quoting=quoting), 1
    try:
        for row in rows:
            yield number, row
            number = rows.line_num + 1
    except csv.Error as error:
        raise MakeError(
            f"{path}, line {number}: the row that begins here cannot be read ({error}); a field takes at "
            f"most {csv.field_size_limit():,} characters, and perhaps a quote is left open."
        ) from error
