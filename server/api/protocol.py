"""uvicorn's HTTP parser with bounds: on the head of a request, on the time it takes, on open connections."""

from __future__ import annotations

import asyncio
import time
from typing import Any, cast

import httptools
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from server.api.body import ClientGone
from server.api.call import Call
from server.api.ledger import Ledger
from server.api.problem import problem
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
    """Refuses what uvicorn would wait or make room for without end. The class's values are set at start."""

    most_connections = 4096
    idle_seconds = 75.0
    ledger: Ledger

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401  (uvicorn's own)
        super().__init__(*args, **kwargs)
        self.chunk_bytes = 0  # of the last bit
        self.loose_bytes = 0  # since the last whole head or piece of a body
        self.unread_since: float | None = None
        self.refused = False
        self.idle_since = time.monotonic()
        self.head_since: float | None = self.idle_since
        self.running: tuple[RequestResponseCycle, asyncio.Task[None]] | None = None
        self.last_words: ServeError | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Refuse the connection at once when there are too many."""
        super().connection_made(cast("asyncio.Transport", OneWrite(transport)))
        if len(self.connections) > self.most_connections:
            self._refuse(Overloaded("Too many connections are open.", retry_after_seconds=1.0))

    def connection_lost(self, exc: Exception | None) -> None:
        """Nobody is there to be answered any more."""
        self.pipeline.clear()
        self._stop(ClientGone())
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take bytes; refuse a head, or trailers of a body, that never end, and what is no HTTP."""
        if self.refused:
            return
        self.chunk_bytes = len(data)
        self.loose_bytes += len(data)
        self._parse(data)
        if self.loose_bytes > MOST_HEAD_BYTES and not self.refused:
            self._refuse_in_turn(_head_too_large())

    def pause_writing(self) -> None:
        """The client does not read what it is sent as fast as that is written."""
        self.unread_since = time.monotonic()
        super().pause_writing()

    def resume_writing(self) -> None:
        """It has read."""
        self.unread_since = None
        super().resume_writing()

    def on_message_begin(self) -> None:
        """A head begins."""
        super().on_message_begin()
        self.head_since = time.monotonic()

    def on_header(self, name: bytes, value: bytes) -> None:
        """A line of the head; those that follow a body say nothing here and are dropped (RFC 9110, 6.5.1)."""
        if self.head_since is not None:
            super().on_header(name, value)

    def on_body(self, body: bytes) -> None:
        """A piece of a body, whose size is bounded where it is read."""
        self.loose_bytes = 0
        super().on_body(body)

    def on_headers_complete(self) -> None:
        """A head is in; one that offers another protocol is parsed anew without the offer."""
        if self.parser.should_upgrade():
            return
        if self.loose_bytes + self.chunk_bytes > MOST_HEAD_BYTES:
            size = len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)
            if size > MOST_HEAD_BYTES:
                raise _head_too_large()
        super().on_headers_complete()
        self.head_since, self.loose_bytes = None, 0

    def on_message_complete(self) -> None:
        """A body is in."""
        if self.parser.should_upgrade() or self.cycle.response_complete:
            return
        self.scope["whole"] = True  # type: ignore[typeddict-unknown-key]
        self.cycle.more_body = False
        self.cycle.message_event.set()

    def on_response_complete(self) -> None:
        """An answer is out, or its head is held and has no body; the next one's turn, or a wait for it."""
        self.transport.flush()  # type: ignore[attr-defined]
        self.idle_since = time.monotonic()
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())
        elif self.last_words is not None:
            self._refuse(self.last_words)

    def close_if_slow(self, now: float) -> None:
        """End a connection that reads no answer, or has none to wait for and no next head in time.

        Called now and then.
        """
        if self.unread_since is not None and now - self.unread_since > self.idle_seconds:
            self.transport.abort()
        if self.cycle is not None and not self.cycle.response_complete:
            return
        begun = self.head_since is not None
        since = max(self.head_since or 0.0, self.idle_since)
        if now - since > (HEAD_SECONDS if begun else self.idle_seconds):
            self.transport.abort()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:  # noqa: ANN401  (uvicorn's own)
        task = self.loop.create_task(cycle.run_asgi(app))
        task.add_done_callback(self.tasks.discard)
        self.tasks.add(task)
        self.running = cycle, task

    def _stop(self, why: Exception) -> None:
        """End what is being answered, if anything is; its scope says why."""
        if self.running is None or self.running[0].response_complete:
            return
        cycle, task = self.running
        cycle.disconnected = isinstance(why, ClientGone)
        cycle.scope["stop"] = why  # type: ignore[typeddict-unknown-key]
        self.loop.call_soon(task.cancel)  # not before it has begun: it has to be settled

    def _parse(self, data: bytes) -> None:
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as offer:
            self._parse_anew(data[offer.args[0] :])
        except httptools.HttpParserError as error:
            cause = error.__context__
            no_http = BadRequest("This is not a valid HTTP request.")
            self._refuse_in_turn(cause if isinstance(cause, ServeError) else no_http)

    def _parse_anew(self, rest: bytes) -> None:
        """Pass over the offer of another protocol (RFC 9110, 7.8); the parser takes each for accepted."""
        method = self.parser.get_method()
        if method == b"CONNECT":
            self._refuse_in_turn(BadRequest("This server is no proxy."))
            return
        lines = [b"%s %s HTTP/%s" % (method, self.url, self.parser.get_http_version().encode())]
        lines += [b"%s: %s" % header for header in self.headers if header[0] != b"upgrade"]
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
        self._parse(b"\r\n".join(lines) + b"\r\n\r\n" + rest)

    def _refuse_in_turn(self, error: ServeError) -> None:
        """Read no more; what came before is answered first."""
        self.refused = True
        if self.cycle is None or self.cycle.response_complete:
            self._refuse(error)
        elif self.cycle.more_body and not self.pipeline:
            self._stop(error)  # its own body is broken
        else:
            if self.cycle.more_body:
                self.pipeline.popleft()
            self.last_words = error

    def _refuse(self, error: ServeError) -> None:
        """Answer what never became a request, say no more, and read over what still comes for a moment.

        Closing at once may lose the refusal.
        """
        self.refused = True
        headers = self.headers if self.head_since is not None and self.headers else []
        call = Call({"method": "-", "path": "-", "headers": headers})
        reply = problem(call, error)
        call.status = reply.status
        self.ledger.settle(call)
        said = [*self.server_state.default_headers, (b"content-type", reply.content_type)]
        said += [(b"content-length", b"%d" % len(reply.body)), *reply.headers, *call.marks()]
        lines = b"".join(b"%s: %s\r\n" % header for header in said)
        self.transport.write(STATUS_LINE[reply.status] + lines + b"connection: close\r\n\r\n" + reply.body)
        self.transport.write_eof()
        self.loop.call_later(LINGER_SECONDS, self.transport.close)


def _head_too_large() -> HeadTooLarge:
    return HeadTooLarge(
        f"The request's path and headers are larger than the {MOST_HEAD_BYTES} bytes that are taken."
    )
