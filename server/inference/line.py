"""The waiting line in front of one pool of inference threads, for all models of a process.

Knows locks, threads and the clock; asks the waiting room who is next, and does not know what a model does.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from server.errors import ModelFailed, NotReady, ServeError, ShuttingDown
from server.inference.admission import LineLimits
from server.inference.batching import Lane
from server.inference.job import Job, Logits, Waiting, deliver
from server.inference.probe import Probe
from server.inference.values import Example
from server.inference.waiting import Run, WaitingRoom

_log = logging.getLogger(__name__)
_JOIN_SECONDS = 5.0


class Runner(Protocol):
    """One model as the line sees it."""

    def run(self, examples: Sequence[Example], width: int) -> list[Logits]:
        """One result an example, in order, each an array of its own; may raise anything."""

    def seconds(self, rows: int, width: int) -> float:
        """Predicted time of such a run."""


class Line:
    """Tickets wait here until a thread is free; only then is a batch formed. No timer, no polling.

    Args:
        runners: The models by name; looked up when a batch runs.
        threads: Size of the pool; with none, `work_once` runs the batches in its caller's thread.
        limits: What may wait.
        probe: Told what happens.
        clock: The time of `Ticket.arrived` and `Ticket.deadline`, in seconds.
    """

    def __init__(
        self,
        runners: Mapping[str, Runner],
        *,
        threads: int,
        limits: LineLimits,
        probe: Probe,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._runners = runners
        self._probe = probe
        self._clock = clock
        self._room = WaitingRoom(
            lambda model, rows, width: runners[model].seconds(rows, width), threads, limits, probe
        )
        self._changed = threading.Condition(threading.Lock())
        self._idle = 0
        self._closed = False
        self._why_dead = ""
        names = [f"inference-{number}" for number in range(threads)]
        self._threads = [threading.Thread(target=self._live, name=name, daemon=True) for name in names]

    def start(self) -> None:
        """Start the pool."""
        for thread in self._threads:
            thread.start()

    @property
    def why_dead(self) -> str:
        """A sentence once a thread has died, else empty."""
        return self._why_dead

    def __len__(self) -> int:
        return len(self._room)

    def refuse_early(self, lane: Lane) -> None:
        """Refuse a request before work is put into it, where its lane has no room for even one ticket.

        Raises:
            Overloaded, ShuttingDown, NotReady: As `submit` does.
        """
        with self._changed:
            self._refuse_shut()
            self._room.refuse_early(lane, self._clock())

    def refuse_great(self, job: Job, texts: int) -> None:
        """Refuse a job that is too much already while its tickets are still being written.

        Args:
            job: With one ticket at least; not submitted yet.
            texts: In its request.

        Raises:
            TooMany, TooLong: More tickets or seconds than one request may have.
            Expired: Even an empty line would not answer before the deadline.
        """
        self._room.refuse_great(job, texts, self._clock())

    def submit(self, job: Job, *, bounded: bool = True) -> None:
        """Take all tickets of a job, or none. They are of one model and one lane.

        Args:
            job: Settled later through its reply; see `refuse_great`.
            bounded: False for a caller that bounds itself.

        Raises:
            Overloaded: No room, or the deadline would pass; `retry_after_seconds` is from the line's cost.
            Expired: The deadline would pass in an empty line too.
            ShuttingDown: The line is closed.
            NotReady: A thread has died.
        """
        with self._changed:
            self._refuse_shut()
            now = self._clock()
            if bounded:
                self._room.refuse(job, now)
            self._room.add(job, now)
            self._changed.notify(min(len(job.tickets), self._idle))

    def cancel(self, job: Job, reason: str) -> None:
        """Free the places of a job whose answer nobody wants any more; its mates are not touched.

        Args:
            job: In any state; its reply is left alone.
            reason: What the probe is told of every ticket that did not run.
        """
        with self._changed:
            self._room.cancel(job, reason)

    def work_once(self) -> bool:
        """Run the next batch in this thread; False if nothing waits."""
        with self._changed:
            run, late = self._room.take(self._clock(), threading.get_ident(), 1)
        deliver(late)
        if run is not None:
            self._execute(run)
        return run is not None

    def close(self) -> None:
        """Refuse what waits and what comes, let running batches end, and end the pool."""
        with self._changed:
            self._closed = True
            gone = self._room.seal_all(_shutting_down, "shutting_down")
            self._changed.notify_all()
        deliver(gone)
        for thread in self._threads:
            if thread.ident is not None:
                thread.join(_JOIN_SECONDS)

    def _live(self) -> None:
        try:
            while not self._closed:
                run = self._next()
                if run is not None:
                    self._execute(run)
        except BaseException as error:  # whatever it was, nobody may wait for this thread
            _log.exception("An inference thread has died.")
            self._die(error)

    def _next(self) -> Run | None:
        """The next batch, or None after having slept or sent off what was too late."""
        with self._changed:
            run, late = self._room.take(self._clock(), threading.get_ident(), self._idle + 1)
            if run is None and not late and not self._closed:
                self._idle += 1
                self._changed.wait()
                self._idle -= 1
        deliver(late)
        return run

    def _execute(self, run: Run) -> None:
        began = self._clock()
        rows = self._rows(run)
        took = self._clock() - began
        self._report(run, began, took)
        with self._changed:
            over = self._room.finish(run, rows, began, took)
        deliver(over)

    def _rows(self, run: Run) -> list[Logits | ModelFailed]:
        """What the model says of each ticket; after a failure each is tried alone, as one may spoil all."""
        try:
            return self._ask(run, run.tickets)
        except Exception as error:
            _log.warning(
                "%s failed on %s rows of width %s: %r", run.model, len(run.tickets), run.width, error
            )
            if len(run.tickets) == 1:
                return [_failed(run.model)]
        return [self._alone(run, ticket) for ticket in run.tickets]

    def _alone(self, run: Run, ticket: Waiting) -> Logits | ModelFailed:
        try:
            return self._ask(run, (ticket,))[0]
        except Exception:
            return _failed(run.model)

    def _ask(self, run: Run, tickets: Sequence[Waiting]) -> list[Logits | ModelFailed]:
        rows = self._runners[run.model].run([ticket.example for ticket in tickets], run.width)
        if len(rows) != len(tickets):
            raise ValueError(f"{len(rows)} results for {len(tickets)} rows. This is a bug.")
        return [*rows]

    def _report(self, run: Run, began: float, took: float) -> None:
        tokens = 0
        for ticket in run.tickets:
            tokens += ticket.example.length
            self._probe.waited(run.model, began - ticket.arrived)
        self._probe.ran(
            run.model,
            rows=len(run.tickets),
            width=run.width,
            tokens=tokens,
            seconds=took,
            predicted_seconds=run.predicted,
        )

    def _die(self, error: BaseException) -> None:
        why = f"An inference thread has died of {type(error).__name__}; the server must be restarted."
        with self._changed:
            self._why_dead = why
            gone = self._room.seal_all(lambda: NotReady(why), "cancelled", threading.get_ident())
        deliver(gone)

    def _refuse_shut(self) -> None:
        if self._closed:
            raise _shutting_down()
        if self._why_dead:
            raise NotReady(self._why_dead)


def _shutting_down() -> ServeError:
    return ShuttingDown("The server is shutting down and takes nothing new.")


def _failed(model: str) -> ModelFailed:
    return ModelFailed(f"The model {model} could not compute scores for this text.")
