"""What becomes of each request is counted and logged here, whoever answered it. Knows no HTTP bytes."""

from __future__ import annotations

from server.api.call import Call
from server.logs import RequestLine, RequestLog
from server.telemetry import Telemetry

_NO_FAULT = (503, 504)
"""Refusals of what is too much or too late."""


class Ledger:
    """The one place where a call is settled.

    Args:
        telemetry: Counts outcomes.
        log: Takes one line a request; None for no lines.
    """

    def __init__(self, telemetry: Telemetry, log: RequestLog | None) -> None:
        self._telemetry, self._log = telemetry, log

    def settle(self, call: Call) -> None:
        """Count and log a call whose outcome is known."""
        seconds = call.seconds
        self._telemetry.outcome(call.model, call.code)
        if call.texts and call.code == "ok":
            self._telemetry.answered(call.model, seconds, call.texts, call.timings)
        if self._log is not None:
            self._log.add(_line(call, seconds, self._log.timestamp()))


def _line(call: Call, seconds: float, timestamp: str) -> RequestLine:
    t = call.timings
    return RequestLine(
        timestamp=timestamp,
        level="error" if call.status >= 500 and call.status not in _NO_FAULT else "info",
        event="request",
        request_id=call.request_id.decode(),
        method=call.method if call.method.isalpha() else "-",
        path=call.route,
        status=call.status,
        code=call.code,
        ms=round(seconds * 1e3, 3),
        model=call.model,
        texts=call.texts,
        body_bytes=call.body_bytes,
        queue_ms=round(t.queue * 1e3, 3),
        tokenise_ms=round(t.tokenise * 1e3, 3),
        infer_ms=round(t.infer * 1e3, 3),
        decode_ms=round(t.decode * 1e3, 3),
        trace_id=call.trace[0],
        span_id=call.trace[1],
    )
