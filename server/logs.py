"""JSON lines: structlog for what happens, a cheap pen for one line a request. They hold no user's text."""

from __future__ import annotations

import logging
import os
import threading
import time
import traceback

import msgspec
import structlog
from structlog.typing import EventDict, WrappedLogger

PIPE_BYTES = 4096
"""What a pipe takes in one piece, so that lines of several processes never mix."""
PAUSE_SECONDS = 0.05
MOST_BYTES = 8_000_000
"""What may wait for a slow reader of the log; beyond it lines are dropped, and counted in the log."""


def configure(level: str, *, descriptor: int = 1) -> None:
    """Send structlog, the standard library's logging and warnings to one stream as JSON lines.

    Args:
        level: Least level that is written.
        descriptor: Where to: 1 is standard output, 2 standard error.
    """
    number = logging.getLevelNamesMapping()[level.upper()]
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True, key="timestamp"),
            structlog.processors.dict_tracebacks,
            _without_text,
            structlog.processors.JSONRenderer(serializer=_to_json),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=lambda *_: _Descriptor(descriptor),
        cache_logger_on_first_use=False,
    )
    logging.basicConfig(handlers=[_Bridge()], level=number, force=True)
    logging.getLogger("uvicorn").setLevel(max(number, logging.WARNING))  # its chatter says nothing of ours
    logging.captureWarnings(capture=True)


def _without_text(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Keep where an exception arose, drop what it said: its message may quote a user's text."""
    for exception in event.get("exception", ()):
        exception["exc_value"] = ""
        for frame in exception.get("frames", ()):
            frame.pop("locals", None)
    return event


def _to_json(event: EventDict, **_: object) -> str:
    return msgspec.json.encode(event, enc_hook=str).decode()


class _Descriptor:
    """A structlog logger that writes to a file descriptor."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def msg(self, line: str) -> None:
        """Write one line in one piece."""
        write_all(self._descriptor, line.encode() + b"\n")

    debug = info = warning = error = critical = exception = log = msg


class _Bridge(logging.Handler):
    """Hands the standard library's records to structlog."""

    def emit(self, record: logging.LogRecord) -> None:
        fields = {"logger": record.name}
        if record.exc_info and record.exc_info[1]:
            last = traceback.extract_tb(record.exc_info[1].__traceback__)[-1:]
            fields["exception_type"] = type(record.exc_info[1]).__name__
            fields["where"] = "".join(f"{frame.filename}:{frame.lineno}" for frame in last)
        structlog.get_logger().log(max(record.levelno, logging.DEBUG), record.getMessage(), **fields)


def write_all(descriptor: int, data: bytes) -> None:
    """Write everything; a reader that has gone away is no reason to stop serving."""
    try:
        while data:
            data = data[os.write(descriptor, data) :]
    except OSError:
        return


class RequestLine(msgspec.Struct, omit_defaults=True):
    """One request; times in milliseconds."""

    timestamp: str
    level: str
    event: str
    request_id: str
    method: str
    path: str
    status: int
    code: str
    ms: float
    model: str = ""
    texts: int = 0
    body_bytes: int = 0
    queue_ms: float = 0.0
    tokenise_ms: float = 0.0
    infer_ms: float = 0.0
    decode_ms: float = 0.0
    trace_id: str = ""
    span_id: str = ""


class RequestLog:
    """Collects request lines and writes them from a thread of its own, so that nothing waits for a reader.

    The thread sleeps while there is nothing to write.
    """

    def __init__(self, *, descriptor: int = 1) -> None:
        self._descriptor = descriptor
        self._encode = msgspec.json.Encoder().encode
        self._lines: list[bytes] = []
        self._bytes = self._dropped = self._second = 0
        self._stamp = ""
        self._wake, self._writing = threading.Event(), threading.Lock()
        threading.Thread(target=self._write_for_ever, name="request-log", daemon=True).start()

    def timestamp(self) -> str:
        """Now in UTC, to the millisecond, as ISO 8601."""
        now = time.time()
        second = int(now)
        if second != self._second:
            self._second, self._stamp = second, time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))
        return f"{self._stamp}.{int((now - second) * 1000):03d}Z"

    def add(self, line: RequestLine) -> None:
        """Take a line; it is written within PAUSE_SECONDS."""
        encoded = self._encode(line)
        if self._bytes + len(encoded) > MOST_BYTES:
            self._dropped += 1
            return
        self._bytes += len(encoded)
        self._lines.append(encoded)
        if not self._wake.is_set():
            self._wake.set()

    def flush(self) -> None:
        """Write all that has been taken."""
        with self._writing:
            lines, self._lines = self._lines, []
            dropped, self._dropped, self._bytes = self._dropped, 0, 0
            for piece in pieces(lines):
                write_all(self._descriptor, piece)
            if dropped:
                structlog.get_logger().warning(
                    "request lines dropped, the log's reader is too slow", lines=dropped
                )

    def _write_for_ever(self) -> None:
        while True:
            self._wake.wait()
            time.sleep(PAUSE_SECONDS)
            self._wake.clear()
            self.flush()


def pieces(lines: list[bytes]) -> list[bytes]:
    """Lines joined into pieces that a pipe takes whole; a longer line is a piece of its own."""
    joined: list[bytes] = []
    held: list[bytes] = []
    size = 0
    for line in lines:
        if held and size + len(line) + 1 > PIPE_BYTES:
            joined.append(b"\n".join(held) + b"\n")
            held, size = [], 0
        held.append(line)
        size += len(line) + 1
    return [*joined, b"\n".join(held) + b"\n"] if held else joined
