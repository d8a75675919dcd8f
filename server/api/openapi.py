"""The API by machine: OpenAPI 3.1 from the wire's own types, with examples."""

from __future__ import annotations

import json
from functools import lru_cache
from importlib import metadata
from typing import Any

import msgspec

from server.api import wire
from server.api.operate import ModelCard, ModelList, State
from server.inference.values import Task

Json = dict[str, Any]


def _version() -> str:
    try:
        return metadata.version("qingmo")
    except metadata.PackageNotFoundError:
        return "0"


VERSION = _version()
REF = "#/components/schemas/{name}"
ROUTES: dict[Task, tuple[str, type, type]] = {
    Task.CLASSIFY: ("Labels of a text", wire.ClassifyRequest, wire.ClassifyResponse),
    Task.PAIR: ("How two texts relate", wire.PairRequest, wire.PairResponse),
    Task.NER: ("Named entities in a text", wire.NerRequest, wire.NerResponse),
    Task.QA: ("The answer to a question, cut from a passage", wire.QaRequest, wire.QaResponse),
}
EXAMPLES: dict[Task, dict[str, Json]] = {
    Task.CLASSIFY: {
        "one text": {"text": "国足今晚迎战泰国队，主教练公布首发名单", "top_k": 3},
        "several texts": {"text": ["央行宣布下调存款准备金率", "这款手机的电池能用两天"]},
    },
    Task.PAIR: {
        "one pair": {"text": "花呗怎么还款", "text_pair": "花呗如何进行还款"},
        "one text against several": {
            "text": "花呗怎么还款",
            "text_pair": ["花呗如何进行还款", "花呗怎么开通"],
        },
    },
    Task.NER: {"one text": {"text": "张伟去年从北京大学毕业，现在在腾讯工作。", "offset_unit": "utf16"}},
    Task.QA: {
        "one question": {
            "question": "长城有多长？",
            "context": "长城全长约21196千米，是古代的军事防御工程。",
        },
        "questions sharing a context": {
            "question": ["谁写了《红楼梦》？", "《红楼梦》写于哪个朝代？"],
            "context": "《红楼梦》是清代作家曹雪芹创作的长篇小说。",
            "top_k": 1,
        },
    },
}
PROBLEMS = {
    "400": "The body is not JSON, or not the JSON that this route takes.",
    "401": "No API key, or one that is not known.",
    "404": "No such model or path.",
    "408": "The body was not in when the deadline passed.",
    "413": "A text, or the whole body, is too long.",
    "415": "The body is compressed.",
    "422": "A text that cannot be answered, an option out of range, too many texts, lists of unequal length, "
    "a model of another task.",
    "502": "The network failed on this batch.",
    "503": "Overloaded, warming up or shutting down; Retry-After says when to come back.",
    "504": "The deadline passed before an answer was there, or the work alone is predicted to take longer.",
}
HEADERS: list[Json] = [
    {
        "name": "X-Request-Timeout-Ms",
        "in": "header",
        "description": "The deadline: milliseconds after which the answer is no longer wanted, over 0 and at "
        "most 600,000.",
        "schema": {"type": "number", "exclusiveMinimum": 0, "maximum": 600_000},
    },
    {
        "name": "X-Request-Id",
        "in": "header",
        "description": "Comes back on the answer and stands in the log if it is 1 to 128 visible ASCII "
        "characters without spaces; else a new one does.",
        "schema": {"type": "string"},
    },
    {
        "name": "traceparent",
        "in": "header",
        "description": "W3C Trace Context; its ids stand in the log.",
        "schema": {"type": "string"},
    },
]


@lru_cache(maxsize=1)
def document() -> str:
    """The whole document as JSON."""
    return json.dumps(_document(), ensure_ascii=False, indent=1)


def _document() -> Json:
    kinds = [kind for _, *pair in ROUTES.values() for kind in pair]
    _, schemas = msgspec.json.schema_components(
        [*kinds, wire.Problem, State, ModelCard, ModelList], ref_template=REF
    )
    paths = {f"/v1/{task}": {"post": _task(task)} for task in ROUTES}
    schemes = {"bearer": {"type": "http", "scheme": "bearer"}}
    schemes["header"] = {"type": "apiKey", "in": "header", "name": "X-Api-Key"}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "qingmo",
            "version": VERSION,
            "description": "Small Chinese language models on plain CPUs. Offsets count code points unless "
            "`offset_unit` says otherwise; `end` is exclusive; scores are not rounded. Every answer carries "
            "X-Request-Id and Server-Timing. A request's Content-Type is not looked at. API keys are asked "
            "for below /v1/ where the server has any.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": paths | _operations(),
        "components": {"schemas": schemas, "securitySchemes": schemes},
        "security": [{}, {"bearer": []}, {"header": []}],
    }


def _task(task: Task) -> Json:
    summary, request, response = ROUTES[task]
    examples = {name: {"value": value} for name, value in EXAMPLES[task].items()}
    body = {"application/json": {"schema": _ref(request), "examples": examples}}
    return {
        "operationId": str(task),
        "summary": summary,
        "tags": ["tasks"],
        "parameters": HEADERS,
        "requestBody": {"required": True, "content": body},
        "responses": {"200": _answer(response, "A result for each input, in order."), **_problems(*PROBLEMS)},
    }


def _operations() -> Json:
    name = {"name": "name", "in": "path", "required": True, "schema": {"type": "string"}}
    shown = _get("show_model", "One model", "models", ModelCard, "401", "404")
    page = {
        "200": {
            "description": "Prometheus text format.",
            "content": {"text/plain": {"schema": {"type": "string"}}},
        }
    }
    return {
        "/v1/models": {"get": _get("list_models", "All models", "models", ModelList, "401")},
        "/v1/models/{name}": {"get": shown | {"parameters": [name]}},
        "/health/live": {"get": _open(_get("live", "The process answers", "health", State))},
        "/health/ready": {"get": _open(_get("ready", "Every process can answer", "health", State, "503"))},
        "/metrics": {
            "get": _open(
                {"operationId": "metrics", "summary": "Metrics", "tags": ["health"], "responses": page}
            )
        },
    }


def _get(name: str, summary: str, tag: str, kind: type, *problems: str) -> Json:
    responses = {"200": _answer(kind, summary + "."), **_problems(*problems)}
    return {"operationId": name, "summary": summary, "tags": [tag], "responses": responses}


def _open(operation: Json) -> Json:
    """Needs no key."""
    return operation | {"security": []}


def _problems(*statuses: str) -> Json:
    content = {"application/problem+json": {"schema": _ref(wire.Problem)}}
    return {status: {"description": PROBLEMS[status], "content": content} for status in statuses}


def _answer(kind: type, description: str) -> Json:
    return {"description": description, "content": {"application/json": {"schema": _ref(kind)}}}


def _ref(kind: type) -> Json:
    return {"$ref": REF.format(name=kind.__name__)}
