"""The waiting line on a clock that is told the time: every ticket one fate, whatever happens."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from server.errors import Expired, ModelFailed, NotReady, Overloaded, ServeError, ShuttingDown, TooMany
from server.inference.admission import LineLimits
from server.inference.batching import BULK_SHARE
from server.inference.job import Job
from server.inference.line import Line
from tests.kit.line_kit import POISON, Adder, Clock, Counts, example_of, job_of, width_of

WIDE = LineLimits(max_tickets=10_000, max_seconds=1e9)


@dataclass
class Scene:
    """A line, its one worker being the test itself."""

    limits: LineLimits = WIDE
    clock: Clock = field(default_factory=Clock)
    counts: Counts = field(default_factory=Counts)

    def __post_init__(self) -> None:
        self.adder = Adder(self.clock)
        self.line = Line(
            {"adder": self.adder}, threads=0, limits=self.limits, probe=self.counts, clock=self.clock
        )

    def submit(self, *examples, deadline=math.inf, lane=None):
        job, reply = job_of(self.adder, *examples, now=self.clock.now, deadline=deadline, lane=lane)
        self.line.submit(job)
        return job, reply

    def work_off(self) -> None:
        while self.line.work_once():
            pass


def text(length: int, first: int = 1):
    return example_of(first, *[1] * (length - 1))


@dataclass
class Story(Scene):
    """What customers do, with an account of it."""

    hurried: bool = False
    jobs: list[tuple[Job, object, bool]] = field(default_factory=list)
    cancelled: set[Job] = field(default_factory=set)
    refused: int = 0

    def submit_all(self, lengths: list[int], within: float) -> None:
        deadline = self.clock.now + within if self.hurried else math.inf
        self._try([text(length, length) for length in lengths], deadline, poisoned=False)

    def poison(self, length: int) -> None:
        self._try([text(length, POISON)], math.inf, poisoned=True)

    def cancel(self, which: int) -> None:
        if self.jobs:
            job, reply, _ = self.jobs[which % len(self.jobs)]
            if not reply.done():
                self.cancelled.add(job)
            self.line.cancel(job, "cancelled")

    def work(self, batches: int) -> None:
        for _ in range(batches):
            self.line.work_once()

    def wait(self, seconds: float) -> None:
        self.clock.now += seconds

    def _try(self, examples: list, deadline: float, *, poisoned: bool) -> None:
        try:
            self.jobs.append((*self.submit(*examples, deadline=deadline), poisoned))
        except (Overloaded, TooMany):
            self.refused += len(examples)


lengths = st.integers(1, 32)
step = st.one_of(
    st.tuples(st.just(Story.submit_all), st.lists(lengths, min_size=1, max_size=5), st.floats(0.0005, 0.05)),
    st.tuples(st.just(Story.poison), lengths),
    st.tuples(st.just(Story.cancel), st.integers(0, 50)),
    st.tuples(st.just(Story.work), st.integers(1, 3)),
    st.tuples(st.just(Story.wait), st.floats(0, 0.02)),
)
line_limits = st.builds(LineLimits, st.integers(3, 12), st.floats(0.001, 0.02))


@settings(max_examples=150, deadline=None)
@given(st.lists(step, max_size=40), line_limits, st.booleans())
def test_every_ticket_has_one_fate(steps, limits, hurried):
    story = Story(limits, hurried=hurried)
    for act, *arguments in steps:
        act(story, *arguments)
        assert len(story.line) <= 2 * limits.max_tickets
    story.work_off()
    _check_fates(story, story.jobs, story.cancelled)
    counts = story.counts
    assert counts.shed_for["overloaded"] == story.refused
    accepted = sum(len(job.tickets) for job, _, _ in story.jobs)
    assert accepted == counts.waits + counts.shed_for["expired"] + counts.shed_for["cancelled"]
    assert counts.rows == counts.waits
    assert len(story.line) == 0
    assert all(depth == (0, 0.0) for depth in counts.depths.values())


def _check_fates(scene, jobs, cancelled):
    for job, reply, poisoned in jobs:
        if job in cancelled:
            assert not reply.done()
            continue
        assert reply.done()
        error = reply.exception()
        if error is None:
            assert not poisoned
            assert [row.item() for row in reply.result().logits] == [t.example.ids.sum() for t in job.tickets]
        else:
            assert isinstance(error, ModelFailed if poisoned else Expired)
    assert all(len(batch) <= scene.adder.most_rows for _, batch in scene.adder.batches)
    assert all(one.length <= width for width, batch in scene.adder.batches for one in batch)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.integers(1, 32), st.floats(0.001, 0.1)), min_size=1, max_size=30), st.integers(0, 5)
)
def test_an_expired_or_cancelled_ticket_never_runs(texts, which):
    scene = Scene()
    now = scene.clock.now
    jobs = [job_of(scene.adder, text(length), now=now, deadline=now + within)[0] for length, within in texts]
    for job in jobs:
        scene.line.submit(job, bounded=False)
    for job in jobs[:which]:
        scene.line.cancel(job, "cancelled")
    began = []
    scene.adder.before = lambda: began.append(scene.clock.now)
    scene.work_off()
    deadlines = {id(job.tickets[0].example): job.tickets[0].deadline for job in jobs}
    gone = {id(job.tickets[0].example) for job in jobs[:which]}
    for now, (_, batch) in zip(began, scene.adder.batches, strict=True):
        assert all(deadlines[id(one)] > now and id(one) not in gone for one in batch)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(st.integers(1, 32), min_size=2, max_size=6), max_size=30), st.floats(0.002, 0.01))
def test_what_waits_costs_no_more_than_the_limit_padding_counted(requests, max_seconds):
    scene = Scene(LineLimits(10_000, max_seconds))
    waiting, seconds = 0, 0.0
    for lengths in requests:
        own = sum(width_of(length) * 1e-5 + 0.001 / 4 for length in lengths)
        assume(abs(seconds + own - max_seconds) > 1e-9)
        if waiting and seconds + own > max_seconds:
            with pytest.raises(Overloaded) as refused:
                scene.submit(*[text(length) for length in lengths])
            assert refused.value.retry_after_seconds == pytest.approx(max(0.01, seconds))
        else:
            scene.submit(*[text(length) for length in lengths])
            waiting, seconds = waiting + len(lengths), seconds + own
        assert scene.counts.depths["adder"] == (waiting, pytest.approx(seconds))  # whole or not at all


def test_a_text_costs_its_width_not_its_tokens():
    # Nine tokens run at width 16: three of them are over what two of 16 would cost.
    scene = Scene(LineLimits(10_000, 2.5 * Adder().seconds(1, 16)))
    scene.submit(text(9))
    scene.submit(text(9))
    with pytest.raises(Overloaded):
        scene.submit(text(9))


def test_the_lone_text_never_waits():
    scene = Scene()
    for length in (3, 30, 9):
        _, reply = scene.submit(text(length))
        assert scene.line.work_once()
        assert reply.result(0).queue == 0.0
        assert len(scene.adder.batches[-1][1]) == 1
        scene.clock.now += 1


def test_nobody_starves_while_single_texts_keep_coming():
    scene = Scene()
    _, bulk = scene.submit(text(8), text(20), text(30))
    rounds = 0
    while not bulk.done():
        for length in (4, 12, 28):
            scene.submit(text(length))
        assert scene.line.work_once()
        rounds += 1
        assert rounds <= 3 * (BULK_SHARE + 1)


def test_single_texts_are_not_held_up_by_a_long_document():
    scene = Scene()
    scene.submit(*[text(32)] * 400)
    assert scene.line.work_once()
    _, reply = scene.submit(text(6))
    assert scene.line.work_once()
    assert reply.result(0).queue == 0.0


def test_the_rarest_width_is_served_in_its_turn():
    scene = Scene()
    _, rare = scene.submit(text(30))
    for _ in range(20):
        scene.clock.now += 0.001
        scene.submit(text(4))
    scene.line.work_once()
    assert rare.done()


def test_cancelling_one_of_a_batch_harms_none():
    scene = Scene()
    submitted = [scene.submit(text(5, first)) for first in (10, 20, 30)]
    # While the batch runs, its middle one is given up.
    scene.adder.before = lambda: scene.line.cancel(submitted[1][0], "cancelled")
    scene.work_off()
    assert len(scene.adder.batches) == 1
    assert [reply.result(0).logits[0].item() for _, reply in (submitted[0], submitted[2])] == [14, 34]
    assert not submitted[1][1].done()


def test_a_cancelled_ticket_frees_its_place():
    scene = Scene(LineLimits(1, 10.0))
    job, _ = scene.submit(text(5))
    with pytest.raises(Overloaded):
        scene.submit(text(5))
    scene.line.cancel(job, "cancelled")
    scene.submit(text(5))
    assert scene.counts.shed_for == {"overloaded": 1, "cancelled": 1}


def test_answers_go_to_their_own_callers_when_one_leaves_before_the_batch():
    scene = Scene()
    submitted = [scene.submit(text(5, first)) for first in (10, 20, 30, 40)]
    scene.line.cancel(submitted[1][0], "cancelled")
    scene.work_off()
    for first, (_, reply) in zip((10, 20, 30, 40), submitted, strict=True):
        assert first == 20 or reply.result(0).logits[0].item() == first + 4


def test_a_poisonous_text_fails_alone():
    scene = Scene()
    submitted = [scene.submit(text(5, first)) for first in (10, POISON, 30)]
    scene.work_off()
    assert [reply.exception(0) is None for _, reply in submitted] == [True, False, True]
    assert isinstance(submitted[1][1].exception(0), ModelFailed)
    _, later = scene.submit(text(5))
    scene.work_off()
    assert later.result(0)


def test_a_failed_text_of_a_list_is_named_and_frees_the_others_places():
    scene = Scene()
    job, reply = scene.submit(text(5), text(20, POISON), *[text(30)] * 20)
    scene.line.work_once()
    scene.line.work_once()
    error = reply.exception(0)
    assert isinstance(error, ModelFailed)
    assert error.index == 1
    assert len(scene.line) == 0
    assert job.over


def test_the_deadline_is_measured_against_what_waits():
    scene = Scene()
    for _ in range(10):
        scene.submit(text(30))
    with pytest.raises(Overloaded) as refused:
        scene.submit(text(30), deadline=scene.clock.now + 0.005)
    assert refused.value.retry_after_seconds > 0.01
    scene.submit(text(30), deadline=scene.clock.now + 1.0)


def test_what_runs_is_counted_as_going_before():
    scene = Scene()
    enough = Adder().seconds(1, 32) + 1e-4
    seen = []

    def ask() -> None:
        try:
            scene.submit(text(30), deadline=scene.clock.now + enough)
        except Overloaded as refused:
            seen.append(refused.retry_after_seconds)

    scene.adder.before = ask
    scene.submit(*[text(30)] * 4)
    assert scene.line.work_once()
    assert seen == [pytest.approx(0.01, abs=0.01)]
    scene.submit(text(30), deadline=scene.clock.now + enough)


def test_a_closed_line_refuses_and_tells_all_who_wait():
    scene = Scene()
    replies = [scene.submit(text(5))[1] for _ in range(3)]
    scene.line.close()
    assert all(isinstance(reply.exception(0), ShuttingDown) for reply in replies)
    with pytest.raises(ShuttingDown):
        scene.submit(text(5))
    assert scene.counts.shed_for["shutting_down"] == 3


@pytest.mark.parametrize("error", [NotReady, ShuttingDown, Expired, ModelFailed])
def test_a_job_has_one_fate(error):
    job, reply = job_of(Adder(), text(3), now=0.0)
    assert job.fail(error("first"))
    assert not job.fail(ServeError("second"))
    job.settle()
    job.settle()
    assert isinstance(reply.exception(0), error)
