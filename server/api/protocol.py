"""uvicorn's HTTP parser with bounds: on the head of a request, on the time it takes, on open connections."""

from __future__ import annotations

import asyncio
import time
from typing import Any, cast

import msgspec
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from server.errors import BadRequest, HeadTooLarge, Overloaded, ServeError

MOST_HEAD_BYTES = 65_536
HEAD_SECONDS = 20.0
LINGER_SECONDS = 1.0


class OneWrite:
    """A transport that holds the head of an answer back until its body comes: one system call, one packet."""

    __slots__ = ("_head", "_transport")

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._head = b""

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401  (whatever a transport can do)
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        """Write, together with what was held; hold what begins a final answer."""
        if self._head:
            data, self._head = self._head + data, b""
        elif data.startswith(b"HTTP/1.1 ") and data[9:10] != b"1":
            self._head = data
            return
        self._transport.write(data)

    def flush(self) -> None:
        """Write what is held: the answer has no body."""
        if self._head:
            data, self._head = self._head, b""
            self._transport.write(data)

    def close(self) -> None:
        """Write what is held, then close."""
        self.flush()
        self._transport.close()

    def write_eof(self) -> None:
        """Write what is held, then shut the writing side."""
        self.flush()
        self._transport.write_eof()


class BoundedProtocol(HttpToolsProtocol):
    """Refuses what uvicorn would wait or make room for without end. `most_connections` is set at start."""

    most_connections = 4096

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401  (uvicorn's own)
        super().__init__(*args, **kwargs)
        self.head_bytes = 0
        self.refused = False
        self.head_since: float | None = time.monotonic()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Refuse the connection at once when there are too many."""
        super().connection_made(cast("asyncio.Transport", OneWrite(transport)))
        if len(self.connections) > self.most_connections:
            self._refuse(Overloaded("Too many connections are open."), b"retry-after: 1\r\n")

    def data_received(self, data: bytes) -> None:
        """Take bytes; refuse a head that never ends, or is no HTTP."""
        if self.refused:
            return
        if self.head_since is not None:
            self.head_bytes += len(data)
        super().data_received(data)
        if self.head_since is not None and self.head_bytes > MOST_HEAD_BYTES and not self.refused:
            sentence = (
                f"The request's path and headers are larger than the {MOST_HEAD_BYTES} bytes that are taken."
            )
            self._refuse(HeadTooLarge(sentence))

    def on_message_begin(self) -> None:
        """A head begins."""
        super().on_message_begin()
        self.head_since = time.monotonic()

    def on_headers_complete(self) -> None:
        """A head is in."""
        self.head_since, self.head_bytes = None, 0
        super().on_headers_complete()

    def on_response_complete(self) -> None:
        """An answer is out, or its head is held and has no body."""
        cast("OneWrite", self.transport).flush()
        super().on_response_complete()

    def send_400_response(self, msg: str) -> None:
        """What is no HTTP is refused in the words of this API."""
        self._refuse(BadRequest("This is not a valid HTTP request."))

    def close_if_slow(self, now: float) -> None:
        """End a connection whose head is not in after HEAD_SECONDS; called every now and then."""
        if self.head_since is not None and now - self.head_since > HEAD_SECONDS:
            self.transport.close()

    def _refuse(self, error: ServeError, header: bytes = b"") -> None:
        fields = {"type": f"urn:qingmo:problem:{error.code}", "title": error.title, "status": error.status}
        body = msgspec.json.encode(fields | {"detail": error.message, "code": error.code})
        head = b"HTTP/1.1 %d %s\r\n" % (error.status, error.title.encode())
        kind = b"content-type: application/problem+json\r\ncontent-length: %d\r\n" % len(body)
        self.transport.write(head + kind + header + b"connection: close\r\n\r\n" + body)
        self._hang_up()

    def _hang_up(self) -> None:
        """Say no more, and read over what still comes for a moment: closing at once may lose the refusal."""
        self.refused = True
        if self.cycle is not None and not self.cycle.response_complete:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        self.transport.write_eof()
        self.loop.call_later(LINGER_SECONDS, self.transport.close)
