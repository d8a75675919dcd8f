"""Refusals as RFC 9457 problem+json."""

from __future__ import annotations

import math

import msgspec

from server.api.call import Call
from server.api.reply import Reply
from server.api.wire import Problem
from server.errors import ServeError

_encode = msgspec.json.Encoder().encode


def problem(call: Call, error: ServeError) -> Reply:
    """The refusal as an answer, noted in the call as its outcome."""
    call.code = error.code
    body = Problem(
        type=f"urn:qingmo:problem:{error.code}",
        title=error.title,
        status=error.status,
        detail=error.message,
        code=error.code,
        request_id=call.request_id.decode(),
        index=error.index,
    )
    headers = list(call.extra)
    if error.retry_after_seconds is not None or error.status == 503:
        wait = max(1, math.ceil(error.retry_after_seconds or 1.0))
        headers.append((b"retry-after", b"%d" % wait))
    if error.status == 401:
        headers.append((b"www-authenticate", b"Bearer"))
    return Reply(_encode(body), error.status, b"application/problem+json", headers)
