"""One HTTP request on its way: who it is, by when it wants its answer, what came of it. Knows no bodies."""

from __future__ import annotations

import itertools
import math
import os
import re
import time

from starlette.types import Scope

from server.errors import BadOption
from server.inference.values import Timings

MOST_TIMEOUT_SECONDS = 600.0
_SANE_ID = re.compile(rb"[\x21-\x7e]{1,128}")
_TRACEPARENT = re.compile(
    rb"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-[0-9a-f]{2}(-.*)?"
)
_WANTED = frozenset(
    (b"x-request-id", b"x-request-timeout-ms", b"traceparent", b"authorization", b"x-api-key")
) | {b"content-length", b"content-encoding", b"transfer-encoding"}
MOST_BYTES_LEFT = 65_536
"""A refused body of that size is read over, which keeps the connection; a larger one ends it."""
_NOTHING = Timings()
_process = os.urandom(6).hex()
_numbers = itertools.count(1)


class Call:
    """A request's identity and fate.

    `code` is its outcome, ok or that of the refusal; `route` the template of the route that took it, for the
    log: a path as it was sent may hold anything. `whole` says that the body is in already.
    """

    __slots__ = (
        *("body_bytes", "body_read", "code", "extra", "headers", "method", "model", "path", "request_id"),
        *("route", "started", "status", "texts", "timings", "trace", "whole"),
    )

    def __init__(self, scope: Scope) -> None:
        self.started = time.monotonic()
        self.method: str = scope["method"]
        self.path: str = scope["path"]
        self.headers: dict[bytes, bytes] = {n: v for n, v in scope["headers"] if n in _WANTED}
        self.request_id = self._own_or_new_id()
        self.trace = self._trace()
        self.status, self.code, self.model, self.texts, self.body_bytes = 0, "ok", "", 0, 0
        self.timings = _NOTHING
        self.route = "-"
        self.body_read, self.whole = False, scope.get("whole", False)
        self.extra: list[tuple[bytes, bytes]] = []

    def _own_or_new_id(self) -> bytes:
        given = self.headers.get(b"x-request-id")
        if given is not None and _SANE_ID.fullmatch(given):
            return given
        return b"%s-%x" % (_process.encode(), next(_numbers))

    def _trace(self) -> tuple[str, str]:
        """Trace and span of a W3C traceparent; one that is not valid counts as absent, as W3C asks."""
        given = self.headers.get(b"traceparent")
        found = _TRACEPARENT.fullmatch(given) if given else None
        return (found[1].decode(), found[2].decode()) if found else ("", "")

    @property
    def abandons_body(self) -> bool:
        """Whether more of the body may still come than is worth reading over."""
        if self.body_read:
            return False
        declared = self.headers.get(b"content-length")
        return int(declared) > MOST_BYTES_LEFT if declared else b"transfer-encoding" in self.headers

    @property
    def seconds(self) -> float:
        """How long ago the head came in."""
        return time.monotonic() - self.started

    def deadline(self, default_seconds: float) -> float:
        """When the answer is no longer wanted, on the monotonic clock.

        Raises:
            BadOption: A header that is no number of milliseconds from over 0 to 600,000.
        """
        given = self.headers.get(b"x-request-timeout-ms")
        if given is None:
            return self.started + default_seconds
        try:
            seconds = float(given) / 1000
        except ValueError:
            seconds = math.nan
        if not 0 < seconds <= MOST_TIMEOUT_SECONDS:
            most = int(MOST_TIMEOUT_SECONDS * 1000)
            raise BadOption(
                f"X-Request-Timeout-Ms must be a number of milliseconds over 0 and at most {most}."
            )
        return self.started + seconds

    def marks(self) -> list[tuple[bytes, bytes]]:
        """The headers that every answer has."""
        return [(b"x-request-id", self.request_id), (b"server-timing", self.server_timing())]

    def server_timing(self) -> bytes:
        """The Server-Timing header's value: milliseconds of each stage."""
        t = self.timings
        if t is _NOTHING:
            return b"total;dur=%.3f" % (self.seconds * 1e3)
        return b"queue;dur=%.3f, tokenise;dur=%.3f, infer;dur=%.3f, decode;dur=%.3f, total;dur=%.3f" % (
            *(t.queue * 1e3, t.tokenise * 1e3, t.infer * 1e3, t.decode * 1e3),
            self.seconds * 1e3,
        )
