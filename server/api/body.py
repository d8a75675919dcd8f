"""Reading a request's body within its limits of size and time."""

from __future__ import annotations

import asyncio
import time

from starlette.types import Receive

from server.api.call import Call
from server.errors import BodyTooLarge, BodyTooSlow, Overloaded, UnsupportedEncoding

LEAST_SECONDS = 0.1
"""A body may come a packet after its head, however short the deadline."""
MOST_BYTES_HELD = 128_000_000
LINGER_BYTES = 16_000_000
LINGER_SECONDS = 2.0


class ClientGone(Exception):
    """The client hung up; there is nobody to answer."""


class BodyReader:
    """Reads bodies, each up to `most_bytes`, and all that come in pieces up to `most_held` together."""

    def __init__(self, most_bytes: int, most_held: int = MOST_BYTES_HELD) -> None:
        self._most_bytes, self._most_held = most_bytes, most_held
        self._held = 0

    async def read(self, call: Call, receive: Receive, deadline: float) -> bytes:
        """The whole body, by a deadline on the monotonic clock.

        Raises:
            BodyTooLarge: By its Content-Length, or as soon as more has come in.
            UnsupportedEncoding: It is compressed.
            Overloaded: Too much is being read from others.
            BodyTooSlow: It was not in by the deadline.
            ClientGone: It was not sent to its end.
        """
        if (encoding := call.headers.get(b"content-encoding")) and encoding.lower() != b"identity":
            raise UnsupportedEncoding("A compressed body is not taken; send it without Content-Encoding.")
        declared = call.headers.get(b"content-length")
        if declared is not None and int(declared) > self._most_bytes:
            raise self._too_large()
        if call.whole:  # no timer, where there is nothing to wait for
            body = self._checked(call, (await receive()).get("body", b""))
        else:
            try:
                async with asyncio.timeout(max(LEAST_SECONDS, deadline - time.monotonic())):
                    body = await self._pieces(call, receive)
            except TimeoutError:
                raise BodyTooSlow("The body was not in when the request's deadline passed.") from None
        call.body_read = True
        return body

    async def _pieces(self, call: Call, receive: Receive) -> bytes:
        chunks: list[bytes] = []
        try:
            while (message := await receive())["type"] == "http.request":
                chunks.append(self._checked(call, message["body"]))
                self._held += len(chunks[-1])
                if self._held > self._most_held:
                    raise Overloaded("Too many bodies are being read at once.", retry_after_seconds=1.0)
                if not message.get("more_body", False):
                    return b"".join(chunks)
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
