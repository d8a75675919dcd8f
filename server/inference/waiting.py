"""The books of the waiting line: who waits, who runs, whose fate is sealed. No lock, no thread, no clock."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from server.errors import Expired, ModelFailed, ServeError
from server.inference.admission import (
    Backlog,
    LineLimits,
    backlog_of,
    refuse_full,
    refuse_great,
    refuse_hopeless,
    refuse_late,
    seconds_of,
)
from server.inference.batching import Lane, Queues, in_rounds, last_round, plan
from server.inference.job import Job, Logits, Waiting
from server.inference.pace import Pace
from server.inference.probe import Probe


@dataclass(frozen=True, slots=True, eq=False)
class Run:
    """A batch that is bound to a worker, with its predicted seconds."""

    worker: int
    tickets: tuple[Waiting, ...]
    model: str
    width: int
    predicted: float


class WaitingRoom:
    """Every ticket that came in leaves it once: to run, or shed with a reason.

    Args:
        seconds: Predicted time of (model, rows, width).
        threads: That empty it.
        limits: What may wait.
        probe: Told what happens.
    """

    def __init__(
        self, seconds: Callable[[str, int, int], float], threads: int, limits: LineLimits, probe: Probe
    ) -> None:
        self._seconds = seconds
        self._threads = max(1, threads)
        self._limits = limits
        self._probe = probe
        self._queues: Queues[Waiting] = Queues()
        self._running: dict[int, Run] = {}
        self._singles_in_a_row = 0
        self._round = 0
        self._pace = Pace()

    def __len__(self) -> int:
        return len(self._queues)

    def refuse_early(self, lane: Lane, now: float) -> None:
        """Raise Overloaded if not even one ticket fits into `lane`."""
        refuse_full(self._backlog(lane, self._round + 1, now), self._limits)

    def refuse_great(self, job: Job, texts: int, now: float) -> None:
        """Refuse a job of `texts` that is too much already, even for an empty line; it may still grow.

        Raises:
            TooMany, TooLong: Nothing as great is ever taken.
            Expired: The deadline would pass.
        """
        seconds = job.seconds / self._threads
        refuse_great(len(job.tickets), seconds, texts, self._limits)
        refuse_hopeless(seconds, job.tickets[0].deadline - now)

    def refuse(self, job: Job, now: float) -> None:
        """Raise Expired if even an empty line would be too slow, Overloaded if the job does not fit now."""
        first = job.tickets[0]
        seconds = seconds_of(job.tickets, self._threads)
        refuse_hopeless(seconds, first.deadline - now)
        backlog = self._backlog(first.lane, last_round(job.seconds, self._round + 1), now)
        refuse_full(backlog, self._limits, len(job.tickets))
        refuse_late(backlog, seconds * self._pace_at(now), first.deadline - now)

    def add(self, job: Job, now: float) -> None:
        """Let all tickets of a job in."""
        job.admitted = True
        if job.tickets[0].lane is Lane.BULK:
            in_rounds(job.tickets, self._round + 1)
        for ticket in job.tickets:
            ticket.arrived = now
            self._queues.add(ticket)
        self._report_depth(job.tickets[0].model)

    def take(self, now: float, worker: int, idle: int) -> tuple[Run | None, list[Job]]:
        """Bind the next batch to a worker; with it come the jobs found to be too late.

        Args:
            now: On the clock of the tickets.
            worker: Who asks; it has one batch at a time.
            idle: Workers with nothing to do, the one that asks included.
        """
        chosen = plan(self._queues, now, idle=idle, singles_in_a_row=self._singles_in_a_row)
        late = self.seal({ticket.job for ticket in chosen.expired}, _expired, "expired")
        return (self._bind(chosen.run, worker) if chosen.run else None), late

    def finish(self, run: Run, rows: Sequence[Logits | ModelFailed], began: float, took: float) -> list[Job]:
        """Hand out what came of a batch; the jobs that are over now."""
        self._running.pop(run.worker, None)
        if not any(isinstance(row, ModelFailed) for row in rows):  # else each row ran again, alone
            self._pace.ran(run.predicted, took, began + took)
        touched = Counter(ticket.job for ticket in run.tickets if not ticket.job.over)
        for job, own in touched.items():
            job.spent(began - job.tickets[0].arrived, took * own / len(run.tickets))
        for ticket, row in zip(run.tickets, rows, strict=True):
            if isinstance(row, ModelFailed):
                self._fail(ticket, row)
            else:
                ticket.job.take(ticket, row)
        return [job for job in touched if job.over]

    def cancel(self, job: Job, reason: str) -> None:
        """Take a job's tickets out, without a word to its reply."""
        if not job.over:
            job.over = True
            self._remove(job, reason)

    def seal(self, jobs: Iterable[Job], error: Callable[[], ServeError], reason: str) -> list[Job]:
        """Fail jobs and take their tickets out; those whose fate was still open."""
        sealed = [job for job in jobs if job.fail(error())]
        for job in sealed:
            self._remove(job, reason)
        return sealed

    def seal_all(self, error: Callable[[], ServeError], reason: str, worker: int | None = None) -> list[Job]:
        """Fail all that waits, and what the batch of a worker that is no more was to answer."""
        jobs = {ticket.job: None for ticket in self._queues}
        run = None if worker is None else self._running.pop(worker, None)
        if run is not None:
            jobs |= {ticket.job: None for ticket in run.tickets}
        return self.seal(jobs, error, reason)

    def _backlog(self, lane: Lane, last: int, now: float) -> Backlog:
        running = sum(run.predicted for run in self._running.values())
        found = backlog_of(self._queues, lane, running, self._threads, (self._round, last))
        return Backlog(found.tickets, found.seconds * self._pace_at(now))

    def _pace_at(self, now: float) -> float:
        """On an idle line what is known is old: let a request in, and it will tell anew."""
        return self._pace.at(now) if self._running or self._queues else 1.0

    def _bind(self, tickets: tuple[Waiting, ...], worker: int) -> Run:
        first = tickets[0]
        predicted = self._seconds(first.model, len(tickets), first.width)
        run = self._running[worker] = Run(worker, tickets, first.model, first.width, predicted)
        for ticket in tickets:
            self._queues.remove(ticket)
        if first.lane is Lane.BULK:
            self._round = first.turn
        passed_over = first.lane is Lane.SINGLE and self._queues.load(Lane.BULK).tickets > 0
        self._singles_in_a_row = self._singles_in_a_row + 1 if passed_over else 0
        self._report_depth(first.model)
        return run

    def _fail(self, ticket: Waiting, error: ModelFailed) -> None:
        error.index = ticket.text
        if ticket.job.fail(error):
            self._remove(ticket.job, "cancelled")

    def _remove(self, job: Job, reason: str) -> None:
        removed = [ticket for ticket in job.tickets if self._queues.remove(ticket)]
        for ticket in removed:
            self._probe.shed(ticket.model, reason)
        if removed:
            self._report_depth(removed[0].model)

    def _report_depth(self, model: str) -> None:
        load = self._queues.load_of_model(model)
        self._probe.depth(model, load.tickets, load.seconds)


def _expired() -> ServeError:
    return Expired("The deadline passed while the text waited.")
