"""Reading a request's body within its limits of size and time, and noticing that its sender has gone."""

from __future__ import annotations

import asyncio
import time

from starlette.types import Message, Receive

from server.api.call import Call
from server.errors import BodyTooLarge, BodyTooSlow, Overloaded, ServeError, UnsupportedEncoding

PATIENCE_SECONDS = 0.1
"""Answers that come sooner are not watched for hang-ups: the watch costs more than they do."""
MOST_BYTES_HELD = 128_000_000
LINGER_BYTES = 16_000_000
LINGER_SECONDS = 2.0


class ClientGone(Exception):
    """The client hung up; there is nobody to answer."""


class BodyReader:
    """Reads bodies, each up to `most_bytes`, and all that come in pieces up to `MOST_BYTES_HELD` together."""

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._held = 0

    async def read(self, call: Call, receive: Receive) -> bytes:
        """The whole body.

        Raises:
            BodyTooLarge: By its Content-Length, or as soon as more has come in.
            UnsupportedEncoding: It is compressed.
            Overloaded: Too much is being read from others.
            ClientGone: It was not sent to its end.
        """
        if (encoding := call.headers.get(b"content-encoding")) and encoding.lower() != b"identity":
            raise UnsupportedEncoding("A compressed body is not taken; send it without Content-Encoding.")
        declared = call.headers.get(b"content-length")
        if declared is not None and int(declared) > self._most_bytes:
            raise self._too_large()
        message = await receive()
        if message["type"] == "http.request" and not message.get("more_body", False):
            body = self._checked(call, message["body"])
        else:
            body = await self._pieces(call, receive, message)
        call.body_read = True
        return body

    async def _pieces(self, call: Call, receive: Receive, message: Message) -> bytes:
        chunks: list[bytes] = []
        try:
            while message["type"] == "http.request":
                chunks.append(self._checked(call, message["body"]))
                self._held += len(chunks[-1])
                if self._held > MOST_BYTES_HELD:
                    raise Overloaded("Too many bodies are being read at once.", retry_after_seconds=1.0)
                if not message.get("more_body", False):
                    return b"".join(chunks)
                message = await receive()
            raise ClientGone
        finally:
            self._held -= sum(map(len, chunks))

    def _checked(self, call: Call, chunk: bytes) -> bytes:
        if call.body_bytes + len(chunk) > self._most_bytes:
            raise self._too_large()
        call.body_bytes += len(chunk)
        return chunk

    def _too_large(self) -> BodyTooLarge:
        return BodyTooLarge(f"The body is larger than the {self._most_bytes} bytes that are taken.")


async def linger(receive: Receive) -> None:
    """Throw away what the client still sends, for a while, so that it gets to read its refusal.

    Closing a connection with unread bytes resets it, and the answer may be lost on the way.
    """
    left = LINGER_BYTES
    try:
        async with asyncio.timeout(LINGER_SECONDS):
            while left > 0:
                message = await receive()
                left -= len(message.get("body", b""))
                if message["type"] != "http.request" or not message.get("more_body", False):
                    return
    except TimeoutError:
        return


class Watch:
    """Cancels the task that makes the answer when its client hangs up, or does not get its body sent in time.

    Costs one timer where the answer comes soon.
    """

    __slots__ = ("_deadline", "_late", "_listener", "_loop", "_read", "_receive", "_task", "_timer", "why")

    def __init__(self, receive: Receive, deadline: float) -> None:
        self.why: Exception | None = None
        self._receive, self._deadline = receive, deadline
        self._loop = asyncio.get_running_loop()
        self._task = asyncio.current_task(self._loop)
        self._listener: asyncio.Task[None] | None = None
        self._read = self._late = False
        self._timer = self._loop.call_later(PATIENCE_SECONDS, self._patience_ends)

    def body_is_in(self) -> None:
        """From now on nothing but a hang-up can come from the client."""
        self._read = True
        if self._late:
            self._timer.cancel()
            self._listen()

    def close(self) -> None:
        """The answer is there, or never will be."""
        self._timer.cancel()
        if self._listener:
            self._listener.cancel()

    def _patience_ends(self) -> None:
        self._late = True
        if self._read:
            self._listen()
            return
        left = max(0.0, self._deadline - time.monotonic())
        slow: ServeError = BodyTooSlow("The body was not in when the request's deadline passed.")
        self._timer = self._loop.call_later(left, self._stop, slow)

    def _listen(self) -> None:
        self._listener = self._loop.create_task(self._until_gone())

    async def _until_gone(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self._stop(ClientGone())

    def _stop(self, why: Exception) -> None:
        self.why = why
        if self._task:
            self._task.cancel()
