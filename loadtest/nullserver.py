"""A server that answers everything at once and does nothing, to find the generator's own ceiling.

`python -m loadtest.nullserver --host H --port P`; it takes qingmo-serve's other flags and ignores them.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Sequence

import httptools

ANSWER = b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 14\r\n\r\n{"results":[]}'


class Null(asyncio.Protocol):
    """One connection: an answer for every complete request."""

    def __init__(self) -> None:
        self._parser = httptools.HttpRequestParser(self)
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The socket is connected."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Bytes of requests."""
        self._parser.feed_data(data)

    def on_message_complete(self) -> None:
        """A request is complete: answer it."""
        assert self._transport is not None
        self._transport.write(ANSWER)


async def serve(host: str, port: int) -> None:
    """Until the process is ended."""
    server = await asyncio.get_running_loop().create_server(Null, host, port)
    await server.serve_forever()


def main(arguments: Sequence[str]) -> None:
    """Takes --host and --port."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    known, _ = parser.parse_known_args(arguments)
    asyncio.run(serve(known.host, known.port))


if __name__ == "__main__":
    main(sys.argv[1:])
