"""All models of a process over one pool of threads: what the HTTP API and the command line talk to."""

from __future__ import annotations

import asyncio
import contextlib
import math
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from server.errors import BadBundle, Expired, ModelFailed, NotReady, ShuttingDown, UnknownModel, WrongTask
from server.inference.admission import SHED_FOR, LineLimits
from server.inference.batching import Lane
from server.inference.bundle import Bundle
from server.inference.check import check_texts
from server.inference.cost import MAX_RUN_SECONDS
from server.inference.helpers import Helpers
from server.inference.job import Done, Job
from server.inference.line import Line
from server.inference.predictor import Predictor
from server.inference.probe import Probe
from server.inference.readahead import answers_in_order
from server.inference.values import Answer, Answered, Encoded, Options, Task, Text, Timings


@dataclass(frozen=True, slots=True)
class Limits:
    """What the engine takes: characters a text, what `LineLimits` says, seconds a run, and so on."""

    max_text_chars: int = 50_000
    max_line_seconds: float = 2.0
    max_line_tickets: int = 10_000
    max_request_seconds: float = 10.0
    max_run_seconds: float = MAX_RUN_SECONDS
    max_encoding_chars: int = 2_000_000


@dataclass(frozen=True, slots=True)
class _Request:
    """One call of `answer`."""

    predictor: Predictor
    texts: Sequence[Text]
    options: Options
    deadline: float
    job: Job
    reply: asyncio.Future[Done]


class Engine:
    """Answers texts. `answer` is called from one event loop, everything else from any thread.

    Args:
        bundles: With different names; the first of a task is the task's default.
        threads: Of the inference pool, shared by all models.
        limits: What is taken.
        probe: Told what happens inside.

    Raises:
        BadBundle: No bundles, two of one name, or one whose parts do not go together.
    """

    def __init__(self, bundles: Sequence[Bundle], *, threads: int, limits: Limits, probe: Probe) -> None:
        names = [bundle.manifest.name for bundle in bundles]
        if not names:
            raise BadBundle("There is no bundle to serve.")
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice:
            raise BadBundle(f"Two bundles have the name {twice}.")
        self.predictors: Mapping[str, Predictor] = {
            bundle.manifest.name: Predictor(bundle, limits.max_run_seconds) for bundle in bundles
        }
        self._limits = limits
        self._probe = probe
        line_limits = LineLimits(limits.max_line_tickets, limits.max_line_seconds, limits.max_request_seconds)
        self._line = Line(self.predictors, threads=threads, limits=line_limits, probe=probe)
        self._helpers = Helpers(threads, limits.max_encoding_chars)
        self._active = 0
        self._quiet = asyncio.Event()
        self._quiet.set()
        self._started = False
        self._closing = False

    def start(self) -> None:
        """Open all graphs, warm up and self-test, then start the pool.

        Raises:
            BadBundle: A bundle must not be served.
        """
        for predictor in self.predictors.values():
            predictor.start()
        self._line.start()
        self._started = True

    def find(self, task: Task, model: str | None) -> Predictor:
        """The predictor for a task, by name or by default.

        Raises:
            UnknownModel: No such name, or no model for the task.
            WrongTask: The model does another task.
        """
        for name, predictor in self.predictors.items():
            if predictor.task is task and model in (None, name):
                return predictor
        able = ", ".join(name for name, each in self.predictors.items() if each.task is task) or "none"
        if other := self.predictors.get(model or ""):
            raise WrongTask(
                f"The model {model} does the task {other.task}; for the task {task} there is: {able}."
            )
        raise UnknownModel(f"No such model is served; for the task {task} there is: {able}.")

    @property
    def ready(self) -> bool:
        """Whether answers are given: started, not draining, no dead thread."""
        return not self.why_not_ready

    @property
    def why_not_ready(self) -> str:
        """A sentence; empty when ready."""
        if self._closing:
            return "The server is shutting down and takes nothing new."
        if not self._started:
            return "The models are still warming up."
        return self._line.why_dead

    async def answer(
        self, predictor: Predictor, texts: Sequence[Text], options: Options, *, deadline: float | None
    ) -> Answered:
        """Answer the texts of one request, all or none. Cancelling frees their places in the line.

        Args:
            predictor: From `find`.
            texts: Checked here.
            options: For the decoder.
            deadline: On time.monotonic(), in seconds.

        Raises:
            ServeError: A refusal, Expired or ModelFailed.
        """
        self._refuse_unless_ready()
        check_texts(texts, predictor.task, self._limits.max_text_chars)
        if not texts:
            return Answered((), Timings())
        reply: asyncio.Future[Done] = asyncio.get_running_loop().create_future()
        end = math.inf if deadline is None else deadline
        request = _Request(predictor, texts, options, end, Job(reply), reply)
        self._active += 1
        self._quiet.clear()
        try:
            return await self._in_time(request)
        except BaseException as error:
            self._shed(request, SHED_FOR.get(type(error), "cancelled"))
            raise
        finally:
            self._active -= 1
            if not self._active:
                self._quiet.set()

    def answers(self, predictor: Predictor, texts: Iterable[Text], options: Options) -> Iterator[Answer]:
        """Answer any number of texts, such as a file's, in order and at full throughput.

        Raises:
            ServeError: A text cannot be answered (with its index, at its turn), or the engine cannot.
        """
        self._refuse_unless_ready()
        return answers_in_order(self._line, predictor, texts, options, self._limits.max_text_chars)

    async def drain(self, limit_seconds: float) -> bool:
        """Refuse new requests and wait until those accepted are answered; True if all were in time."""
        self._closing = True
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._quiet.wait(), limit_seconds)
        return not self._active

    def close(self) -> None:
        """Refuse what still waits and end all threads."""
        self._closing = True
        self._line.close()
        self._helpers.close()

    async def _in_time(self, request: _Request) -> Answered:
        """Answer until the deadline, wherever the request then is."""
        left = request.deadline - time.monotonic()
        if left <= 0:
            raise Expired("The deadline had passed before the work could begin.")
        try:
            async with asyncio.timeout(left if left < math.inf else None):
                return await self._answer(request, left)
        except TimeoutError:
            raise Expired("The deadline passed before the answer was there.") from None

    async def _answer(self, request: _Request, seconds_left: float) -> Answered:
        texts = request.texts
        self._line.refuse_early(Lane.SINGLE if len(texts) == 1 else Lane.BULK)
        chars = sum(len(text.first) + len(text.second or "") for text in texts)
        self._helpers.refuse(chars, seconds_left)
        encoded, tokenise = await self._helpers.work(chars, lambda: self._encode_all(request))
        self._line.submit(request.job)
        done = await request.reply
        answers, decode = await self._helpers.work(chars, lambda: _decode_all(request, encoded, done))
        return Answered(answers, Timings(done.queue, tokenise, done.infer, decode))

    def _encode_all(self, request: _Request) -> list[Encoded]:
        """Encode the texts and write their tickets, until it shows that they are too much or too late."""
        predictor, job, count = request.predictor, request.job, len(request.texts)
        encoded = list[Encoded]()
        for place, text in enumerate(request.texts):
            if job.over:  # its deadline has passed, or nobody waits any more
                break
            encoded.append(predictor.encode(text))
            lane = Lane.SINGLE if count == len(encoded[0].examples) == 1 else Lane.BULK
            predictor.fill(job, place, encoded[place], request.deadline, lane)
            if lane is Lane.BULK:
                self._line.refuse_great(job, count)
        return encoded

    def _shed(self, request: _Request, reason: str) -> None:
        """Free the places of a request that gets no answer; tell the probe of texts that never had one."""
        if not request.job.admitted:
            for _ in request.texts:
                self._probe.shed(request.predictor.name, reason)
        self._line.cancel(request.job, reason)

    def _refuse_unless_ready(self) -> None:
        why = self.why_not_ready
        if why:
            raise ShuttingDown(why) if self._closing else NotReady(why)


def _decode_all(request: _Request, encoded: Sequence[Encoded], done: Done) -> tuple[Answer, ...]:
    if time.monotonic() > request.deadline:  # it may have waited for others to be decoded
        raise Expired("The deadline passed before the answer was there.")
    rows = iter(done.logits)
    answers = []
    for place, each in enumerate(encoded):
        try:
            logits = [next(rows) for _ in each.examples]
            answers.append(request.predictor.decode(each, logits, request.options))
        except ModelFailed as error:
            error.index = place
            raise
    return tuple(answers)
