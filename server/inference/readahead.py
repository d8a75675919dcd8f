"""Any number of texts answered in order by the waiting line, some thousands of them read ahead."""

from __future__ import annotations

import concurrent.futures
import math
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from server.errors import ServeError
from server.inference.batching import Lane
from server.inference.check import check_text
from server.inference.job import Done, Job
from server.inference.line import Line
from server.inference.predictor import Predictor
from server.inference.values import Answer, Encoded, Options, Text

_TEXTS = 2_048
_TICKETS = 4_096
"""So much is read ahead: enough to fill batches of every width, little enough to keep in memory."""


@dataclass(frozen=True, slots=True)
class _Ahead:
    index: int
    job: Job
    reply: concurrent.futures.Future[Done]
    encoded: Encoded


def answers_in_order(
    line: Line, predictor: Predictor, texts: Iterable[Text], options: Options, max_text_chars: int
) -> Iterator[Answer]:
    """The answers to `texts`; what is still ahead when the caller stops leaves the line.

    Raises:
        ServeError: With the index of the text that could not be answered.
    """
    ahead: deque[_Ahead] = deque()
    tickets = 0
    try:
        for index, text in enumerate(texts):
            check_text(text, predictor.task, max_text_chars, index)
            ahead.append(_submit(line, predictor, text, index))
            tickets += len(ahead[-1].job.tickets)
            while len(ahead) > _TEXTS or tickets > _TICKETS:
                tickets -= len(ahead[0].job.tickets)
                yield _answer(predictor, ahead.popleft(), options)
        while ahead:
            yield _answer(predictor, ahead.popleft(), options)
    finally:
        for each in ahead:
            line.cancel(each.job, "cancelled")


def _submit(line: Line, predictor: Predictor, text: Text, index: int) -> _Ahead:
    reply: concurrent.futures.Future[Done] = concurrent.futures.Future()
    job = Job(reply)
    encoded = predictor.encode(text)
    predictor.fill(job, 0, encoded, math.inf, Lane.BULK)
    line.submit(job, bounded=False)
    return _Ahead(index, job, reply, encoded)


def _answer(predictor: Predictor, first: _Ahead, options: Options) -> Answer:
    try:
        return predictor.decode(first.encoded, first.reply.result().logits, options)
    except ServeError as error:
        error.index = first.index
        raise
