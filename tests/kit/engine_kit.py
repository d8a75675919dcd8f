"""What the tests of the engine share: ways of asking, and a probe that holds a thread up."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable

from server.inference.engine import Engine, Limits
from server.inference.values import Answered, Options, Task, Text
from tests.kit import bundle_kit as kit
from tests.kit.line_kit import Counts

SECONDS = 20.0
ANY = Options()
LIMITS = Limits()


class Gate(Counts):
    """A probe that holds the inference thread up after every batch, until it is opened."""

    def __init__(self) -> None:
        super().__init__()
        self.opened = threading.Event()
        self.held = False

    def waited(self, model: str, seconds: float) -> None:
        super().waited(model, seconds)
        self.held = True
        assert self.opened.wait(SECONDS)


def ask(
    engine: Engine, texts: list[Text], task: Task = Task.CLASSIFY, within: float | None = SECONDS
) -> Answered:
    async def answer() -> Answered:
        deadline = None if within is None else time.monotonic() + within
        return await engine.answer(engine.find(task, None), texts, ANY, deadline=deadline)

    return asyncio.run(asyncio.wait_for(answer(), SECONDS))


def sports(count: int = 1) -> list[Text]:
    return [Text("今天看球" + "的" * (number % 20)) for number in range(count)]


PLAIN = (Task.CLASSIFY, kit.gather_graph(Task.CLASSIFY))


def waiting(gate: Gate) -> int:
    return gate.depths.get("m0", (0, 0.0))[0]


async def until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + SECONDS
    while not true():
        assert time.monotonic() < end
        await asyncio.sleep(0.001)


def asking(engine: Engine, texts: list[Text], deadline: float | None = None) -> asyncio.Task[Answered]:
    return asyncio.ensure_future(engine.answer(engine.predictors["m0"], texts, ANY, deadline=deadline))


async def busy(engine: Engine, gate: Gate) -> asyncio.Task[Answered]:
    """A request that the only thread is held up with."""
    task = asking(engine, sports())
    await until(lambda: gate.held)
    return task
