"""What operators and tools ask: is it alive, is it ready, how much has it done, which models are there."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
from fastapi import APIRouter
from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response

from server.api.health import Health
from server.errors import NotReady, UnknownModel
from server.inference.engine import Engine
from server.inference.manifest import LabelName, Quality, Terms
from server.inference.predictor import Predictor
from server.inference.values import Task
from server.telemetry import Telemetry

PROMETHEUS = "text/plain; version=1.0.0; charset=utf-8"


class State(Struct, frozen=True):
    """Live or ready."""

    status: str


class ModelCard(Struct, frozen=True):
    """One model served; `default` when it answers for its task where a request names none."""

    name: str
    task: Task
    version: str
    title: str
    default: bool
    labels: tuple[LabelName, ...]
    multi_label: bool
    no_answer: bool
    max_text_chars: int
    max_tokens: int
    parameters: int
    base: str
    quality: tuple[Quality, ...]
    terms: Terms


class ModelList(Struct, frozen=True):
    """All models served, by name."""

    models: list[ModelCard]


def cards(engine: Engine, max_text_chars: int) -> dict[str, ModelCard]:
    """What there is to say of each model served, by its name."""
    return {
        name: _card(engine, engine.predictors[name], max_text_chars) for name in sorted(engine.predictors)
    }


def _card(engine: Engine, predictor: Predictor, max_text_chars: int) -> ModelCard:
    m = predictor.bundle.manifest
    return ModelCard(
        name=m.name,
        task=m.task,
        version=m.version,
        title=m.title,
        default=engine.find(m.task, None) is predictor,
        labels=m.labels,
        multi_label=m.multi_label,
        no_answer=m.no_answer,
        max_text_chars=max_text_chars,
        max_tokens=m.layout.max_length,
        parameters=m.parameters,
        base=m.lineage.base,
        quality=m.quality,
        terms=m.terms,
    )


def operating(models: Mapping[str, ModelCard], health: Health, telemetry: Telemetry) -> APIRouter:
    """The routes; plain responses, since their types are described by `openapi.py`."""
    router = APIRouter(include_in_schema=False)

    @router.api_route("/health/live", methods=["GET", "HEAD"])
    async def live() -> Response:
        return _json(State("live"))

    @router.api_route("/health/ready", methods=["GET", "HEAD"])
    async def ready() -> Response:
        if why := health.why_not_ready:
            raise NotReady(why)
        return _json(State("ready"))

    @router.api_route("/metrics", methods=["GET", "HEAD"])
    async def metrics() -> Response:
        return Response(telemetry.page(), media_type=PROMETHEUS)

    @router.api_route("/v1/models", methods=["GET", "HEAD"])
    async def list_models() -> Response:
        return _json(ModelList(list(models.values())))

    @router.api_route("/v1/models/{name}", methods=["GET", "HEAD"])
    async def show_model(request: Request) -> Response:
        name = request.path_params["name"]
        if name not in models:
            raise UnknownModel(f"No such model; there are: {', '.join(models)}.")
        return _json(models[name])

    return router


def _json(value: Struct) -> Response:
    return Response(msgspec.json.encode(value), media_type="application/json")
