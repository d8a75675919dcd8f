"""The engine's door: asked from an event loop and from a file, through real bundles and real threads."""

from __future__ import annotations

import asyncio
import gc

import pytest

from server.errors import (
    BadBundle,
    BadText,
    ModelFailed,
    NotReady,
    ShuttingDown,
    TooLong,
    UnknownModel,
    WrongTask,
)
from server.inference.bundle import load_bundles
from server.inference.engine import Engine, Limits
from server.inference.golden import expected_of
from server.inference.values import Answered, Task, Text, Timings
from tests.kit import bundle_kit as kit
from tests.kit.engine_kit import ANY, PLAIN, SECONDS, Gate, ask, sports, waiting
from tests.kit.line_kit import Counts


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
    with pytest.raises(UnknownModel, match=r"for the task classify there is: m0, m1\."):
        engine.find(Task.CLASSIFY, "other")
    for name in (None, "other"):
        with pytest.raises(UnknownModel, match=r"for the task qa there is: none\."):
            engine.find(Task.QA, name)
    with pytest.raises(WrongTask, match=r"does the task ner; for the task classify there is: m0, m1\."):
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


@pytest.mark.parametrize("graph", [kit.raising_graph(Task.CLASSIFY), kit.nan_graph(Task.CLASSIFY)])
def test_a_file_with_a_text_that_the_model_fails_on(make_engine, graph):
    engine = make_engine((Task.CLASSIFY, graph))
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
