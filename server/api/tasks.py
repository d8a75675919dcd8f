"""The four routes that answer texts: bytes to Texts, Answers to bytes. Plain callables, for speed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
from starlette.types import Receive

from server.api import wire
from server.api.body import BodyReader
from server.api.call import Call
from server.api.decode import decode
from server.api.render import results
from server.api.reply import Reply
from server.errors import MethodNotAllowed
from server.inference.engine import Engine
from server.inference.values import Options, Task, Text

Asked = tuple[list[Text], Options, wire.OffsetUnit]
_encode = msgspec.json.Encoder().encode


def asked_classify(request: wire.ClassifyRequest) -> Asked:
    """What /v1/classify is asked."""
    texts = [Text(text) for text in wire.listed(request.text, "text")]
    return texts, Options(top_k=request.top_k, threshold=request.threshold), "codepoint"


def asked_pair(request: wire.PairRequest) -> Asked:
    """What /v1/pair is asked."""
    sides = wire.side_by_side(request.text, "text", request.text_pair, "text_pair")
    texts = [Text(first, second) for first, second in zip(*sides, strict=True)]
    return texts, Options(top_k=request.top_k, threshold=request.threshold), "codepoint"


def asked_ner(request: wire.NerRequest) -> Asked:
    """What /v1/ner is asked."""
    texts = [Text(text) for text in wire.listed(request.text, "text")]
    return texts, Options(threshold=request.threshold), request.offset_unit


def asked_qa(request: wire.QaRequest) -> Asked:
    """What /v1/qa is asked."""
    sides = wire.side_by_side(request.question, "question", request.context, "context")
    texts = [Text(question, context) for question, context in zip(*sides, strict=True)]
    options = Options(request.top_k, request.threshold, request.max_answer_chars)
    return texts, options, request.offset_unit


ROUTES: dict[Task, tuple[type[wire.Request], Callable[[Any], Asked]]] = {
    Task.CLASSIFY: (wire.ClassifyRequest, asked_classify),
    Task.PAIR: (wire.PairRequest, asked_pair),
    Task.NER: (wire.NerRequest, asked_ner),
    Task.QA: (wire.QaRequest, asked_qa),
}


class TaskRoute:
    """One task's route.

    Args:
        task: What it answers.
        engine: Who answers.
        reader: Reads bodies within their limits.
        timeout_seconds: The deadline of a request that names none.
    """

    def __init__(self, task: Task, engine: Engine, reader: BodyReader, timeout_seconds: float) -> None:
        kind, self._asked = ROUTES[task]
        self._decoder = msgspec.json.Decoder(kind)
        self._task, self._engine, self._reader = task, engine, reader
        self._timeout_seconds = timeout_seconds

    async def __call__(self, call: Call, receive: Receive) -> Reply:
        """The answer to one request; raises ServeError, or ClientGone."""
        call.route = call.path
        if call.method != "POST":
            return self._other_method(call)
        deadline = call.deadline(self._timeout_seconds)
        body = await self._reader.read(call, receive, deadline)
        return await self._answer(call, body, deadline)

    async def _answer(self, call: Call, body: bytes, deadline: float) -> Reply:
        request = decode(self._decoder, body)
        predictor = self._engine.find(self._task, request.model)
        manifest = predictor.bundle.manifest
        call.model = manifest.name
        texts, options, unit = self._asked(request)
        call.texts = len(texts)
        answered = await self._engine.answer(predictor, texts, options, deadline=deadline)
        call.timings = answered.timings
        found = results(answered.answers, texts, unit)
        return Reply(_encode(wire.Response(manifest.name, manifest.version, found)))

    def _other_method(self, call: Call) -> Reply:
        allowed = (b"allow", b"POST, OPTIONS")
        if call.method == "OPTIONS":
            return Reply(b"", 204, headers=[allowed])
        call.extra.append(allowed)
        raise MethodNotAllowed(f"This path takes POST, not {call.method[:20]}.")
