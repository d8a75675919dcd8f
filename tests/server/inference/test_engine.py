"""The engine's door: asked from an event loop and from a file, through real bundles and real threads."""

from __future__ import annotations

import asyncio
import gc
import threading
import time
from collections.abc import Callable

import pytest

from server.errors import (
    BadBundle,
    BadText,
    Expired,
    ModelFailed,
    NotReady,
    Overloaded,
    ShuttingDown,
    TooLong,
    TooMany,
    UnknownModel,
    WrongTask,
)
from server.inference.bundle import load_bundles
from server.inference.engine import Engine, Limits
from server.inference.golden import expected_of
from server.inference.values import Answered, Options, Task, Text, Timings
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


@pytest.fixture
def make_engine(tmp_path):
    engines = []

    def make(*graphs, limits: Limits = LIMITS, probe: Counts | None = None, threads: int = 2) -> Engine:
        """One bundle for each graph (or one a task, if none), named m0, m1, ..."""
        kinds = graphs or tuple((task, kit.gather_graph(task)) for task in Task)
        folders = [
            kit.write_bundle(tmp_path / f"m{number}", task, graph=graph, golden=())
            for number, (task, graph) in enumerate(kinds)
        ]
        engine = Engine(load_bundles(folders), threads=threads, limits=limits, probe=probe or Counts())
        engines.append(engine)
        engine.start()
        return engine

    yield make
    for engine in engines:
        engine.close()


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


@pytest.mark.parametrize("task", Task)
def test_every_task_is_answered(make_engine, task):
    engine = make_engine()
    predictor = engine.find(task, None)
    for within in (None, SECONDS):
        answered = ask(engine, [kit.GOLDEN[task]], task, within)
        assert answered.answers == (predictor.answer(kit.GOLDEN[task]),)
    assert min(answered.timings.queue, answered.timings.tokenise, answered.timings.decode) >= 0
    assert answered.timings.infer > 0


@pytest.mark.parametrize("kind", ["float", "int8", "dynamic"])
def test_an_answer_is_the_same_alone_and_in_any_company(make_engine, kind):
    engine = make_engine((Task.CLASSIFY, kit.dense_graph(Task.CLASSIFY, kind)))
    texts = [Text("球股机同今天"[number % 6] + "好" * (number % 37)) for number in range(120)]
    alone = tuple(engine.find(Task.CLASSIFY, None).answer(text) for text in texts)
    assert ask(engine, texts).answers == alone
    assert tuple(engine.answers(engine.find(Task.CLASSIFY, None), texts, ANY)) == alone

    async def one_by_one() -> tuple:
        predictor = engine.find(Task.CLASSIFY, None)
        asked = [engine.answer(predictor, [text], ANY, deadline=None) for text in texts]
        return tuple(each.answers[0] for each in await asyncio.wait_for(asyncio.gather(*asked), SECONDS))

    assert asyncio.run(one_by_one()) == alone


def test_a_long_document_is_answered_beside_the_loop(make_engine):
    engine = make_engine()
    text = Text("的" * 4000 + "张三去北京" + "的" * 4000)
    (answer,) = ask(engine, [text], Task.NER).answers
    assert [(each.text, each.start) for each in answer.entities] == [("张三", 4000), ("北京", 4003)]


def test_models_are_found_by_task_and_name(make_engine):
    engine = make_engine(PLAIN, PLAIN, (Task.NER, kit.gather_graph(Task.NER)))
    assert engine.find(Task.CLASSIFY, None) is engine.predictors["m0"]
    assert engine.find(Task.CLASSIFY, "m1") is engine.predictors["m1"]
    with pytest.raises(UnknownModel, match="there are: m0, m1, m2"):
        engine.find(Task.CLASSIFY, "other")
    with pytest.raises(UnknownModel):
        engine.find(Task.QA, None)
    with pytest.raises(WrongTask, match="does the task ner, not classify"):
        engine.find(Task.CLASSIFY, "m2")


def test_no_bundle_and_two_of_one_name(tmp_path):
    folders = [kit.write_bundle(tmp_path / place / "same", golden=()) for place in ("a", "b")]
    with pytest.raises(BadBundle, match="no bundle"):
        Engine([], threads=1, limits=Limits(), probe=Counts())
    with pytest.raises(BadBundle, match="Two bundles have the name same"):
        Engine(load_bundles(folders), threads=1, limits=Limits(), probe=Counts())


def test_nothing_asked_is_nothing_answered(make_engine):
    assert ask(make_engine(PLAIN), []) == Answered((), Timings())


def test_bad_texts_are_named(make_engine):
    engine = make_engine(PLAIN, limits=Limits(max_text_chars=100))
    with pytest.raises(BadText) as blank:
        ask(engine, [*sports(3), Text(" ")])
    assert blank.value.index == 3
    with pytest.raises(TooLong) as long:
        ask(engine, [*sports(), Text("好" * 101)])
    assert long.value.index == 1


def test_readiness_from_warming_up_to_the_end(tmp_path):
    (bundle,) = load_bundles([kit.write_bundle(tmp_path / "m", golden=())])
    engine = Engine([bundle], threads=1, limits=Limits(), probe=Counts())
    assert not engine.ready
    assert "warming up" in engine.why_not_ready
    with pytest.raises(NotReady):
        ask(engine, sports())
    with pytest.raises(NotReady):
        engine.answers(engine.predictors["m"], sports(), ANY)
    engine.start()
    assert (engine.ready, engine.why_not_ready) == (True, "")
    engine.close()
    assert "shutting down" in engine.why_not_ready
    with pytest.raises(ShuttingDown):
        ask(engine, sports())


def test_a_dead_thread_turns_readiness_off_and_fails_who_waits(make_engine):
    class Broken(Counts):
        def ran(self, model, **numbers):
            raise RuntimeError("broken")

    engine = make_engine(PLAIN, probe=Broken())
    with pytest.raises(NotReady):
        ask(engine, sports())
    assert not engine.ready
    assert "RuntimeError" in engine.why_not_ready
    with pytest.raises(NotReady):
        ask(engine, sports())
    with pytest.raises(NotReady):
        list(engine.answers(engine.predictors["m0"], sports(), ANY))


@pytest.mark.parametrize("graph", [kit.raising_graph(Task.CLASSIFY), kit.nan_graph(Task.CLASSIFY)])
def test_a_text_that_the_model_fails_on_harms_no_other(make_engine, graph):
    engine = make_engine((Task.CLASSIFY, graph))
    texts = [*sports(10), Text("今天" + kit.POISON), *sports(10)]

    async def together() -> list:
        predictor = engine.find(Task.CLASSIFY, None)
        asked = [engine.answer(predictor, [text], ANY, deadline=None) for text in texts]
        return await asyncio.wait_for(asyncio.gather(*asked, return_exceptions=True), SECONDS)

    found = asyncio.run(together())
    assert isinstance(found.pop(10), ModelFailed)
    assert {expected_of(each.answers[0]).label for each in found} == {"news_sports"}
    with pytest.raises(ModelFailed) as failed:
        ask(engine, texts)
    assert failed.value.index == 10
    assert engine.ready


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


def test_the_deadline_passes_while_waiting(make_engine):
    gate = Gate()
    engine = make_engine(PLAIN, probe=gate, threads=1)

    async def hurried() -> None:
        first = await busy(engine, gate)
        began = time.monotonic()
        late = [asking(engine, sports(), began + 0.5), asking(engine, sports(), began + SECONDS)]
        with pytest.raises(Expired):
            await asyncio.wait_for(late[0], SECONDS)
        assert 0.45 < time.monotonic() - began < SECONDS / 2
        gate.opened.set()
        assert (await asyncio.wait_for(late[1], SECONDS)).answers == (await first).answers

    asyncio.run(hurried())
    assert gate.shed_for == {"expired": 1}
    assert gate.rows == 2
    with pytest.raises(Expired):
        ask(engine, sports(), within=-1.0)


def test_cancelling_frees_the_places(make_engine):
    gate = Gate()
    engine = make_engine(PLAIN, probe=gate, threads=1)

    async def give_up() -> None:
        first = await busy(engine, gate)
        tasks = [asking(engine, sports(20)) for _ in range(5)]
        await until(lambda: waiting(gate) == 100)
        for task in tasks[1:]:
            task.cancel()
        await asyncio.wait(tasks[1:], timeout=SECONDS)
        assert all(task.cancelled() for task in tasks[1:])
        assert waiting(gate) == 20
        gate.opened.set()
        assert len((await asyncio.wait_for(tasks[0], SECONDS)).answers) == 20
        await first

    asyncio.run(give_up())
    assert gate.shed_for == {"cancelled": 80}


def test_what_does_not_fit_is_refused_whole(make_engine):
    gate = Gate()
    engine = make_engine(PLAIN, probe=gate, threads=1, limits=Limits(max_line_tickets=50))

    async def crowd() -> list:
        first = await busy(engine, gate)
        tasks = [asking(engine, sports(20)) for _ in range(5)]
        await until(lambda: sum(task.done() for task in tasks) == 3)
        gate.opened.set()
        await first
        return await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), SECONDS)

    found = asyncio.run(crowd())
    assert [type(each) for each in found] == [Answered, Answered, Overloaded, Overloaded, Overloaded]
    assert all(each.retry_after_seconds > 0 for each in found[2:])
    assert gate.shed_for == {"overloaded": 60}
    assert gate.rows == 41
    with pytest.raises(TooMany):
        ask(engine, sports(51))


def test_single_texts_pass_a_long_document(make_engine):
    gate = Gate()
    engine = make_engine(PLAIN, probe=gate, threads=1)

    async def both() -> None:
        order: list[str] = []
        first = await busy(engine, gate)
        long = asking(engine, [Text("好" * 1500)])
        long.add_done_callback(lambda _: order.append("long"))
        await until(lambda: waiting(gate) > 50)
        short = asking(engine, sports())
        short.add_done_callback(lambda _: order.append("short"))
        await until(lambda: waiting(gate) > 51)
        gate.opened.set()
        await asyncio.wait_for(asyncio.gather(first, long, short), SECONDS)
        assert order == ["short", "long"]

    asyncio.run(both())


def test_draining_answers_what_was_accepted_and_refuses_the_rest(make_engine):
    gate = Gate()
    engine = make_engine(PLAIN, probe=gate, threads=1)

    async def stop() -> None:
        accepted = [await busy(engine, gate), asking(engine, sports(20))]
        await until(lambda: waiting(gate) == 20)
        assert not await engine.drain(0.0)
        with pytest.raises(ShuttingDown):
            await asking(engine, sports())
        gate.opened.set()
        assert await engine.drain(SECONDS)
        assert [len((await each).answers) for each in accepted] == [1, 20]

    asyncio.run(stop())
    assert not engine.ready


def test_closing_tells_those_who_still_wait(make_engine):
    gate = Gate()
    engine = make_engine(PLAIN, probe=gate, threads=1)

    async def stop() -> None:
        first = await busy(engine, gate)
        others = [asking(engine, sports(40)), asking(engine, [Text("好" * 3000)])]
        await until(lambda: waiting(gate) > 140)
        threading.Timer(0.05, gate.opened.set).start()
        engine.close()
        for other in others:
            with pytest.raises(ShuttingDown):
                await asyncio.wait_for(other, SECONDS)
        assert (await asyncio.wait_for(first, SECONDS)).answers

    asyncio.run(stop())
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("inference-")]


def test_long_texts_are_read_within_bounds(make_engine):
    engine = make_engine(PLAIN, limits=Limits(max_encoding_chars=5_000))

    async def crowd() -> list:
        tasks = [asking(engine, [Text("好" * 3000)]) for _ in range(4)]
        return await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), SECONDS)

    found = asyncio.run(crowd())
    assert [type(each) for each in found] == [Answered, Overloaded, Overloaded, Overloaded]
    assert len(ask(engine, [Text("好" * 9000)]).answers) == 1


def test_a_file_is_answered_in_order_and_read_ahead_within_bounds(make_engine):
    engine = make_engine(PLAIN)
    read = 0

    def lines():
        nonlocal read
        for text in sports(4000):
            read += 1
            yield text

    answers = engine.answers(engine.find(Task.CLASSIFY, None), lines(), ANY)
    next(answers)
    assert read < 2100
    assert sum(1 for _ in answers) == 3999
    with pytest.raises(BadText) as bad:
        list(engine.answers(engine.find(Task.CLASSIFY, None), [*sports(5), Text("")], ANY))
    assert bad.value.index == 5


def test_a_file_that_nobody_reads_on_leaves_the_line(make_engine):
    gate = Gate()
    engine = make_engine(PLAIN, probe=gate, threads=1)

    def lines():
        yield from sports(300)
        raise ValueError("the file ends in rubbish")

    with pytest.raises(ValueError, match="rubbish"):
        list(engine.answers(engine.predictors["m0"], lines(), ANY))
    assert waiting(gate) == 0
    assert gate.shed_for["cancelled"] >= 300 - 2 * kit.ROWS[-1]
    gate.opened.set()


def test_a_file_with_a_text_that_the_model_fails_on(make_engine):
    engine = make_engine((Task.CLASSIFY, kit.raising_graph(Task.CLASSIFY)))
    with pytest.raises(ModelFailed) as failed:
        list(engine.answers(engine.predictors["m0"], [*sports(7), Text(kit.POISON)], ANY))
    assert failed.value.index == 7


def test_requests_leave_nothing_behind(make_engine):
    engine = make_engine(PLAIN)
    ask(engine, sports(5))
    gc.collect()
    before = len(gc.get_objects())
    for _ in range(20):
        ask(engine, sports(5))
    gc.collect()
    assert len(gc.get_objects()) - before < 100
