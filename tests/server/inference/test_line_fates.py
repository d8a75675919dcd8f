"""Whatever customers do: every ticket of the waiting line has one fate, and no limit is passed."""

from __future__ import annotations

import math
from contextlib import suppress
from dataclasses import dataclass, field

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from server.errors import Expired, ModelFailed, Overloaded
from server.inference.admission import LineLimits
from server.inference.batching import QUANTUM_SECONDS
from server.inference.job import Job
from tests.kit.line_kit import POISON, Scene, job_of, text, width_of


@dataclass
class Story(Scene):
    """What customers do, with an account of it."""

    hurried: bool = False
    jobs: list[tuple[Job, object, bool]] = field(default_factory=list)
    cancelled: set[Job] = field(default_factory=set)

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
        with suppress(Overloaded, Expired):
            self.jobs.append((*self.submit(*examples, deadline=deadline), poisoned))


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
    jobs = [job_of(scene.adder, text(length), deadline=now + within)[0] for length, within in texts]
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
@given(st.lists(st.integers(1, 32), max_size=60), st.floats(0.002, 0.01))
def test_no_more_goes_before_a_newcomer_than_the_limit_padding_counted(lengths, max_seconds):
    scene = Scene(LineLimits(10_000, max_seconds))
    waiting, seconds = 0, 0.0
    for length in lengths:
        assume(abs(seconds - max_seconds) > 1e-9)
        if seconds > max_seconds:
            with pytest.raises(Overloaded) as refused:
                scene.submit(text(length))
            assert refused.value.retry_after_seconds == pytest.approx(max(0.01, seconds))
        else:
            scene.submit(text(length))
            waiting, seconds = waiting + 1, seconds + width_of(length) * 1e-5 + 0.001
        if waiting:
            assert scene.counts.depths["adder"] == (waiting, pytest.approx(seconds))


@settings(max_examples=60, deadline=None)
@given(
    st.integers(30, 300),
    st.integers(0, 60),
    st.lists(st.lists(st.integers(1, 32), min_size=2, max_size=6), min_size=1, max_size=8),
)
def test_lists_behind_a_long_document_are_answered_after_few_batches(windows, done, lists):
    scene = Scene(LineLimits(10_000, 0.1))
    _, document = scene.submit(*[text(32)] * windows)
    for _ in range(done):
        scene.line.work_once()
    replies = [scene.submit(*[text(length) for length in lengths])[1] for lengths in lists]
    # Each round: one quantum of the document, in batches of 4 x 32 tokens, and all that the lists bring.
    batches = 2 * math.ceil(QUANTUM_SECONDS / 0.0023) + sum(map(len, lists))
    for _ in range(batches):
        scene.line.work_once()
    assert all(reply.done() for reply in replies)
    scene.work_off()
    assert len(document.result(0).logits) == windows


@settings(max_examples=30, deadline=None)
@given(st.integers(5, 60), st.lists(st.integers(1, 32), min_size=2, max_size=4))
def test_a_long_document_is_answered_though_lists_keep_coming(windows, lengths):
    scene = Scene()
    _, document = scene.submit(*[text(32)] * windows)
    rounds = 0
    while not document.done():
        scene.submit(*[text(length) for length in lengths])
        scene.submit(*[text(length) for length in lengths])
        scene.line.work_once()
        rounds += 1
        assert rounds <= 10 * windows
