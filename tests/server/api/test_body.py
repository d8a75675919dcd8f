"""What all bodies that are being read may hold together."""

from __future__ import annotations

import asyncio
import time

import pytest

from server.api.body import BodyReader
from server.api.call import Call
from server.errors import Overloaded

SCOPE = {"method": "POST", "path": "/", "headers": []}


class Sender:
    """Sends a body in pieces of ten bytes, each when it is told to, and its end never."""

    def __init__(self) -> None:
        self.pieces: asyncio.Queue[bytes] = asyncio.Queue()

    async def __call__(self):
        return {"type": "http.request", "body": await self.pieces.get(), "more_body": True}


def test_unfinished_bodies_together_have_a_limit_and_free_it_when_they_end():
    async def run() -> None:
        reader = BodyReader(1_000, most_held=25)
        senders = [Sender() for _ in range(3)]
        deadline = time.monotonic() + 10
        tasks = [asyncio.create_task(reader.read(Call(SCOPE), sender, deadline)) for sender in senders]
        for sender in senders:
            sender.pieces.put_nowait(b"x" * 10)
        with pytest.raises(Overloaded):
            await asyncio.wait_for(tasks[2], 5)
        assert not tasks[0].done()
        tasks[0].cancel()
        await asyncio.wait(tasks[:1], timeout=5)
        senders[1].pieces.put_nowait(b"x" * 10)
        await asyncio.sleep(0.05)
        assert not tasks[1].done()
        tasks[1].cancel()
        await asyncio.wait(tasks[1:2], timeout=5)

    asyncio.run(asyncio.wait_for(run(), 20))
