"""The rooms put together into one application; nothing is global."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import structlog
from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from server.api.body import BodyReader
from server.api.edge import Edge
from server.api.health import Health
from server.api.keys import Keys
from server.api.ledger import Ledger
from server.api.openapi import VERSION, document
from server.api.operate import cards, operating
from server.api.page import page_routes
from server.api.problem import problem
from server.api.tasks import TaskRoute
from server.errors import BadRequest, MethodNotAllowed, NotFound, ServeError
from server.inference.engine import Engine
from server.inference.values import Task
from server.logs import RequestLog, pen
from server.settings import Settings
from server.telemetry import Telemetry


@dataclass(frozen=True, slots=True)
class Service:
    """What the application serves with; made by whoever starts it."""

    settings: Settings
    engine: Engine
    telemetry: Telemetry
    health: Health
    keys: Keys


class App(FastAPI):
    """FastAPI, with the edge in front of it and OpenAPI from the wire's own types.

    Args:
        service: Its engine has been started, so the port opens only when answers can be given.
    """

    def __init__(self, service: Service) -> None:
        super().__init__(
            title="qingmo",
            version=VERSION,
            openapi_url=None,
            docs_url=None,
            redoc_url=None,
            redirect_slashes=False,
            lifespan=_lifespan,
        )
        self.service = service
        log = RequestLog(pen()) if service.settings.log_requests else None
        self.ledger = Ledger(service.telemetry, log)
        models = cards(service.engine, service.settings.max_text_chars)
        self.include_router(operating(models, service.health, service.telemetry))
        self.add_api_route("/openapi.json", _openapi, methods=["GET", "HEAD"], include_in_schema=False)
        self.router.routes.extend(page_routes())
        self.add_exception_handler(HTTPException, _refused_by_router)
        self.add_exception_handler(ServeError, _refused)
        self.add_exception_handler(Exception, _failed)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Straight to the edge: what FastAPI does for every request before its stack is not needed here."""
        if self.middleware_stack is None:
            self.middleware_stack = self.build_middleware_stack()
        scope["app"] = self
        await self.middleware_stack(scope, receive, send)

    def build_middleware_stack(self) -> ASGIApp:
        """The edge around FastAPI's own stack, which the hot routes never enter."""
        service = self.service
        reader = BodyReader(service.settings.max_body_bytes)
        seconds = service.settings.timeout_seconds
        routes = {f"/v1/{task}": TaskRoute(task, service.engine, reader, seconds) for task in Task}
        return Edge(
            routes,
            super().build_middleware_stack(),
            keys=service.keys,
            health=service.health,
            ledger=self.ledger,
        )


def create_app(service: Service) -> App:
    """The application over a started engine; its lifespan ends with the engine drained and closed."""
    return App(service)


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    assert isinstance(app, App)
    service = app.service
    service.health.beat()
    yield
    if not await service.engine.drain(1.0):
        structlog.get_logger().warning("accepted requests were not answered before the time limit")
    service.engine.close()


async def _openapi() -> Response:
    return Response(document(), media_type="application/json")


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, ServeError)
    reply = problem(request.scope["call"], error)
    response = Response(reply.body, reply.status, media_type=reply.content_type.decode())
    response.raw_headers.extend(reply.headers)
    return response


async def _refused_by_router(request: Request, error: Exception) -> Response:
    """404 and 405 in the words of this API."""
    assert isinstance(error, HTTPException)
    call = request.scope["call"]
    if error.status_code == 405:
        allowed = ", ".join(sorted((error.headers or {}).get("Allow", "GET, HEAD").split(", ")))
        call.extra.append((b"allow", allowed.encode()))
        return await _refused(
            request, MethodNotAllowed(f"This path takes {allowed}, not {call.method[:20]}.")
        )
    if error.status_code == 404:
        return await _refused(request, NotFound("There is nothing at this path; /docs says what there is."))
    return await _refused(request, BadRequest("The request cannot be understood."))


async def _failed(request: Request, error: Exception) -> Response:
    """The edge logs it, as the exception goes on to it."""
    return await _refused(request, ServeError("An error of the server; the log tells more."))
