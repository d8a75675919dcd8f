"""The page at / and the API's documentation at /docs: static files of our own, under strict policies."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from starlette.responses import HTMLResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

PLAYGROUND = Path(__file__).resolve().parent.parent / "playground" / "static"
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
DOCS_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
DOCS = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>qingmo API</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="/playground/icon.svg"><link rel="stylesheet" href="/docs/assets/swagger-ui.css"></head>
<body><div id="swagger-ui"></div>
<script src="/docs/assets/swagger-ui-bundle.js"></script><script src="/docs/start.js"></script></body></html>
"""
START = 'SwaggerUIBundle({url: "/openapi.json", dom_id: "#swagger-ui", deepLinking: true});\n'


class Strict:
    """Adds what a browser must be told to every answer of an application, and names it for the log."""

    def __init__(self, name: str, app: ASGIApp, policy: str) -> None:
        self._name, self._app = name, app
        self._headers = [
            (b"content-security-policy", policy.encode()),
            (b"x-content-type-options", b"nosniff"),
            (b"referrer-policy", b"no-referrer"),
            (b"cache-control", b"no-cache"),
        ]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """As the application, with the headers."""
        scope["call"].route = self._name

        async def strict(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), *self._headers]
            await send(message)

        await self._app(scope, receive, strict)


def page_routes() -> list[BaseRoute]:
    """The page with its assets below /playground, and the documentation with its own below /docs."""
    page = StaticFiles(directory=PLAYGROUND, html=True)
    swagger = StaticFiles(directory=str(files("fastapi_offline") / "static"))
    scripts = Response(START, media_type="text/javascript")
    return [
        Route("/", Strict("/", page, POLICY), methods=["GET", "HEAD"]),
        Mount("/playground", Strict("/playground", page, POLICY)),
        Route("/docs", Strict("/docs", HTMLResponse(DOCS), DOCS_POLICY), methods=["GET", "HEAD"]),
        Route("/docs/start.js", Strict("/docs/start.js", scripts, DOCS_POLICY), methods=["GET", "HEAD"]),
        Mount("/docs/assets", Strict("/docs/assets", swagger, DOCS_POLICY)),
    ]
