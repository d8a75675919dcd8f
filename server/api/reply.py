"""A whole answer, before it is sent."""

from __future__ import annotations

from dataclasses import dataclass, field

Header = tuple[bytes, bytes]


@dataclass(slots=True)
class Reply:
    """Status, type and bytes, with what headers they need besides those that every answer has."""

    body: bytes
    status: int = 200
    content_type: bytes = b"application/json"
    headers: list[Header] = field(default_factory=list)
