"""A small HTTP/1.1 client over asyncio that can hang up at any moment; knows nothing of what it sends."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import httptools

from loadtest.load import Call


@dataclass(frozen=True, slots=True)
class Address:
    """Where a server listens."""

    host: str
    port: int

    @classmethod
    def of(cls, url: str) -> Address:
        """From http://host:port; the port is 80 where none is given."""
        parts = urlsplit(url)
        if parts.scheme != "http" or not parts.hostname or parts.path.strip("/") or parts.query:
            raise ValueError(f"The address must look like http://host:port, not {url!r}.")
        return cls(parts.hostname, parts.port or 80)


def raw(address: Address, call: Call, headers: str = "") -> bytes:
    """The bytes of one POST; `headers` are further lines, each ended by a line break."""
    head = (
        f"POST {call.path} HTTP/1.1\r\nHost: {address.host}:{address.port}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(call.body)}\r\n{headers}\r\n"
    )
    return head.encode("ascii") + call.body


@dataclass(slots=True)
class Reader:
    """Gathers one answer at a time for httptools' parser."""

    status: int = 0
    body: list[bytes] = field(default_factory=list)
    answers: int = 0
    parser: httptools.HttpResponseParser = field(init=False)

    def __post_init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Ready for the next answer on the same connection."""
        self.status, self.body, self.answers = 0, [], 0
        self.parser = httptools.HttpResponseParser(self)

    def feed(self, data: bytes) -> bool:
        """Takes bytes from the socket; True once the answer is complete."""
        self.parser.feed_data(data)
        return self.answers > 0

    def on_body(self, data: bytes) -> None:
        """A piece of the body."""
        self.body.append(data)

    def on_message_complete(self) -> None:
        """The answer is complete."""
        self.status = self.parser.get_status_code()
        self.answers += 1


class Connection(asyncio.Protocol):
    """One kept connection with at most one request on its way."""

    def __init__(self) -> None:
        self._reader = Reader()
        self._answer: asyncio.Future[int] | None = None
        self._transport: asyncio.Transport | None = None
        self.open = False
        self.unasked = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The socket is connected."""
        assert isinstance(transport, asyncio.Transport)
        self._transport, self.open = transport, True

    def data_received(self, data: bytes) -> None:
        """Bytes of the answer; the waiting request is resolved when it is complete.

        What no request waits for is counted in `unasked`: an answer that came twice.
        """
        if self._answer is None or self._answer.done():
            self.unasked += 0 if self._answer is not None and self._answer.cancelled() else 1
            return
        try:
            complete = self._reader.feed(data)
        except httptools.HttpParserError as error:
            self._fail(ConnectionError(f"not HTTP: {error}"))
            return
        self.unasked += max(self._reader.answers - 1, 0)
        if complete:
            self._answer.set_result(self._reader.status)

    def connection_lost(self, exc: Exception | None) -> None:
        """The other side hung up, or we did."""
        self._fail(exc or ConnectionResetError("closed before the answer"))

    def _fail(self, error: Exception) -> None:
        self.open = False
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(error)

    async def ask(self, request: bytes) -> int:
        """Sends one request and returns the status. Cancelled in between, the connection must be closed."""
        assert self._transport is not None
        self._reader.reset()
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return await self._answer

    @property
    def body(self) -> bytes:
        """Body of the last answer."""
        return b"".join(self._reader.body)

    def close(self) -> None:
        """Hangs up at once."""
        self.open = False
        if self._transport is not None:
            self._transport.abort()


class Pool:
    """Kept connections to one address: idle ones first, new ones up to `limit`; `seconds` bound an answer."""

    def __init__(self, address: Address, limit: int, seconds: float) -> None:
        self._address, self._seconds = address, seconds
        self._idle: list[Connection] = []
        self._room = asyncio.Semaphore(limit)

    async def ask(self, request: bytes, sending: Callable[[], None]) -> int:
        """One request, one status; raises OSError, TimeoutError among it.

        `sending` is called when it is about to be sent, which may be late where all connections are taken.
        """
        async with self._room:
            connection = await self._take()
            answered = False
            sending()
            try:
                async with asyncio.timeout(self._seconds):
                    status = await connection.ask(request)
                answered = True
                return status
            finally:
                if answered and connection.open:
                    self._idle.append(connection)
                else:
                    connection.close()

    async def _take(self) -> Connection:
        while self._idle:
            connection = self._idle.pop()
            if connection.open:
                return connection
        loop = asyncio.get_running_loop()
        _, fresh = await loop.create_connection(Connection, self._address.host, self._address.port)
        return fresh

    def close(self) -> None:
        """Hangs up all idle connections."""
        while self._idle:
            self._idle.pop().close()
