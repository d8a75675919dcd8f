"""The engine's door: asked from an event loop and from a file, through real bundles and real threads."""

from __future__ import annotations

import asyncio
import gc
import threading
import time

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


LISTS = [sports(20)] * 5
SLOW = (Task.CLASSIFY, kit.slow_graph(Task.CLASSIFY))
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


def test_the_deadline_passes_while_waiting(make_engine):
    counts = Counts()
    engine = make_engine(SLOW, probe=counts, threads=1)

    async def hurried() -> float:
        predictor = engine.find(Task.CLASSIFY, None)
        crowd = [
            asyncio.ensure_future(engine.answer(predictor, sports(8), ANY, deadline=None)) for _ in range(3)
        ]
        await asyncio.sleep(0.01)
        began = time.monotonic()
        # The line believes that it can be done: nothing but running shows how slow others are.
        with pytest.raises((Expired, Overloaded)):
            await engine.answer(predictor, [Text("好" * 200)], ANY, deadline=began + 0.05)
        late = time.monotonic() - began
        for each in crowd:
            each.cancel()
        await asyncio.wait(crowd, timeout=SECONDS)
        return late

    assert asyncio.run(hurried()) < 2
    with pytest.raises(Expired):
        ask(engine, sports(), within=-1.0)


def test_cancelling_frees_the_places(make_engine):
    counts = Counts()
    engine = make_engine(SLOW, probe=counts, threads=1)

    async def give_up() -> None:
        predictor = engine.find(Task.CLASSIFY, None)
        tasks = [
            asyncio.ensure_future(engine.answer(predictor, sports(20), ANY, deadline=None)) for _ in range(5)
        ]
        await asyncio.sleep(0.02)
        assert counts.depths["m0"][0] > 20
        for task in tasks:
            task.cancel()
        done, _ = await asyncio.wait(tasks, timeout=SECONDS)
        assert all(task.cancelled() for task in done)
        assert counts.depths["m0"] == (0, 0.0)

    asyncio.run(give_up())
    assert counts.shed_for["cancelled"] > 20
    assert ask(engine, sports()).answers


def test_what_does_not_fit_is_refused_whole(make_engine):
    counts = Counts()
    engine = make_engine(
        SLOW, probe=counts, threads=1, limits=Limits(max_line_seconds=0.05, max_line_tickets=50)
    )

    async def crowd() -> list:
        predictor = engine.find(Task.CLASSIFY, None)
        asked = [engine.answer(predictor, sports(10), ANY, deadline=None) for _ in range(8)]
        return await asyncio.wait_for(asyncio.gather(*asked, return_exceptions=True), SECONDS)

    found = asyncio.run(crowd())
    refused = [each for each in found if isinstance(each, Overloaded)]
    answered = [each for each in found if isinstance(each, Answered)]
    assert refused
    assert answered
    assert len(refused) + len(answered) == 8
    assert all(each.retry_after_seconds > 0 for each in refused)
    assert counts.shed_for["overloaded"] == 10 * len(refused)
    assert counts.rows == 10 * len(answered)
    with pytest.raises(TooMany):
        ask(engine, sports(51))


def test_single_texts_pass_a_long_document(make_engine):
    engine = make_engine(SLOW, threads=1, limits=Limits(max_line_seconds=1e6))

    async def both() -> list[str]:
        order: list[str] = []
        predictor = engine.find(Task.CLASSIFY, None)

        async def one(name: str, texts: list[Text]) -> None:
            await engine.answer(predictor, texts, ANY, deadline=None)
            order.append(name)

        long = asyncio.ensure_future(one("long", [Text("好" * 1500)]))
        await asyncio.sleep(0.01)
        await asyncio.wait_for(one("short", sports()), SECONDS)
        await asyncio.wait_for(long, SECONDS)
        return order

    assert asyncio.run(both()) == ["short", "long"]


def test_draining_answers_what_was_accepted_and_refuses_the_rest(make_engine):
    engine = make_engine(SLOW, threads=1)

    async def stop() -> None:
        predictor = engine.find(Task.CLASSIFY, None)
        accepted = asyncio.ensure_future(engine.answer(predictor, sports(4), ANY, deadline=None))
        await asyncio.sleep(0.005)
        assert not await engine.drain(0.0)
        with pytest.raises(ShuttingDown):
            await engine.answer(predictor, sports(), ANY, deadline=None)
        assert await engine.drain(SECONDS)
        assert len((await accepted).answers) == 4

    asyncio.run(stop())
    assert not engine.ready


def test_closing_tells_those_who_still_wait(make_engine):
    engine = make_engine(SLOW, threads=1)

    async def stop() -> None:
        predictor = engine.find(Task.CLASSIFY, None)
        waiting = asyncio.ensure_future(engine.answer(predictor, sports(40), ANY, deadline=None))
        await asyncio.sleep(0.01)
        engine.close()
        with pytest.raises(ShuttingDown):
            await asyncio.wait_for(waiting, SECONDS)

    asyncio.run(stop())
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("inference-")]


def test_a_file_is_answered_in_order_and_read_ahead_within_bounds(make_engine):
    engine = make_engine(PLAIN)
    read = 0

    def lines():
        nonlocal read
        for text in sports(6000):
            read += 1
            yield text

    answers = engine.answers(engine.find(Task.CLASSIFY, None), lines(), ANY)
    next(answers)
    assert read < 3000
    assert sum(1 for _ in answers) == 5999
    with pytest.raises(BadText) as bad:
        list(engine.answers(engine.find(Task.CLASSIFY, None), [*sports(5), Text("")], ANY))
    assert bad.value.index == 5


def test_a_file_that_nobody_reads_on_leaves_the_line(make_engine):
    counts = Counts()
    engine = make_engine(SLOW, probe=counts, threads=1)
    answers = engine.answers(engine.find(Task.CLASSIFY, None), sports(300), ANY)
    next(answers)
    answers.close()
    assert counts.depths["m0"] == (0, 0.0)
    assert counts.shed_for["cancelled"] > 0


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
