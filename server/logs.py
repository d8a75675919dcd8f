"""JSON lines: structlog for what happens, a cheap way for one line a request. They hold no user's text."""

from __future__ import annotations

import atexit
import logging
import os
import threading
import time
import traceback
from collections import deque
from typing import cast

import msgspec
import structlog
from structlog.typing import EventDict, WrappedLogger

PIPE_BYTES = 4096
"""What a pipe takes in one piece, so that lines of several processes never mix."""
PAUSE_SECONDS = 0.05
MOST_BYTES = 8_000_000
"""What may wait for a slow reader of the log; beyond it lines are dropped, and counted in the log."""
FLUSH_SECONDS = 1.0
"""How long the end of a process waits for the log's reader."""


def configure(level: str, *, descriptor: int = 1) -> None:
    """Send structlog, the standard library's logging and warnings to one stream as JSON lines.

    Args:
        level: Least level that is written.
        descriptor: Where to: 1 is standard output, 2 standard error.
    """
    made = Pen(descriptor)
    atexit.register(made.flush)
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
        logger_factory=lambda *_: made,
        cache_logger_on_first_use=False,
    )
    logging.basicConfig(handlers=[_Bridge()], level=number, force=True)
    # uvicorn warns of every connection that speaks no HTTP; the request lines have those.
    logging.getLogger("uvicorn").setLevel(logging.ERROR)
    logging.captureWarnings(capture=True)


def pen() -> Pen:
    """What everything is written with since `configure`; who calls os._exit flushes it first."""
    return cast("Pen", structlog.get_config()["logger_factory"]())


def flush() -> None:
    """Wait until what was logged is written, at most FLUSH_SECONDS."""
    pen().flush()


def _without_text(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Keep where an exception arose, drop what it said: its message may quote a user's text."""
    for exception in event.get("exception", ()):
        exception["exc_value"] = ""
        for frame in exception.get("frames", ()):
            frame.pop("locals", None)
    return event


def _to_json(event: EventDict, **_: object) -> str:
    return msgspec.json.encode(event, enc_hook=str).decode()


class Pen:
    """Writes lines from a thread of its own, so that nothing ever waits for who reads them.

    It is a logger of structlog too. The thread begins with the first line, and sleeps while there is none:
    a process that has not written yet may fork.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._lines: deque[bytes] = deque()
        self._bytes = self._dropped = 0
        self._begun = False
        self._wake, self._hurry, self._done = threading.Event(), threading.Event(), threading.Event()
        self._done.set()

    def write(self, line: bytes) -> None:
        """Take a line; it is written within PAUSE_SECONDS, or dropped if too much waits already."""
        if self._bytes + len(line) > MOST_BYTES:
            self._dropped += 1
            return
        self._bytes += len(line)
        self._lines.append(line)
        if not self._wake.is_set():
            self._done.clear()
            self._wake.set()
            if not self._begun:
                self._begun = True
                threading.Thread(target=self._write_for_ever, name="log", daemon=True).start()

    def msg(self, line: str) -> None:
        """Take a line of structlog's."""
        self.write(line.encode())

    debug = info = warning = error = critical = exception = log = msg

    def flush(self, seconds: float = FLUSH_SECONDS) -> bool:
        """Wait until all that has been taken is written, at most so long; whether it is."""
        self._hurry.set()
        return self._done.wait(seconds)

    def _write_for_ever(self) -> None:
        while True:
            self._wake.wait()
            self._hurry.wait(PAUSE_SECONDS)
            self._wake.clear()
            lines = [self._lines.popleft() for _ in range(len(self._lines))]
            dropped, self._dropped, self._bytes = self._dropped, 0, 0
            if dropped:
                lines.append(_dropped_line(dropped))
            for piece in pieces(lines):
                write_all(self._descriptor, piece)
            if not self._wake.is_set():
                self._done.set()
                if self._wake.is_set():  # a line came between the two
                    self._done.clear()


def _dropped_line(lines: int) -> bytes:
    event = "lines dropped, the log's reader is too slow"
    return msgspec.json.encode({"lines": lines, "event": event, "level": "warning", "timestamp": _stamp()})


def _stamp() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


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
    """Turns request lines into bytes for the pen."""

    def __init__(self, pen: Pen) -> None:
        self._pen = pen
        self._encode = msgspec.json.Encoder().encode
        self._second, self._stamp = 0, ""

    def timestamp(self) -> str:
        """Now in UTC, to the millisecond, as ISO 8601."""
        now = time.time()
        second = int(now)
        if second != self._second:
            self._second, self._stamp = second, time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))
        return f"{self._stamp}.{int((now - second) * 1000):03d}Z"

    def add(self, line: RequestLine) -> None:
        """Take a line."""
        self._pen.write(self._encode(line))


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
