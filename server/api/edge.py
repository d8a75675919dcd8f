"""The outermost callable: every request gets an id, an outcome, a log line and, whatever happens, an answer.

The routes that answer texts are found here by their exact path; all others go on to FastAPI. Pure ASGI, since
a hundred microseconds here would be a tenth of an answer.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from server.api.body import ClientGone, linger
from server.api.call import Call
from server.api.health import Health
from server.api.keys import Keys
from server.api.ledger import Ledger
from server.api.problem import problem
from server.api.reply import Header, Reply
from server.errors import ServeError, ShuttingDown

GUARDED = "/v1/"
Route = Callable[[Call, Receive], Awaitable[Reply]]


class Edge:
    """The application that uvicorn calls.

    Args:
        routes: Hot routes by path.
        rest: Everything else.
        keys: Who may ask below /v1/.
        health: Whether connections are being shut.
        ledger: Settles every call.
    """

    def __init__(
        self,
        routes: Mapping[str, Route],
        rest: ASGIApp,
        *,
        keys: Keys,
        health: Health,
        ledger: Ledger,
    ) -> None:
        self._routes, self._rest, self._keys, self._health = routes, rest, keys, health
        self._ledger = ledger

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request (or pass on the lifespan)."""
        if scope["type"] != "http":
            await self._rest(scope, receive, send)
            return
        scope["call"] = call = Call(scope)
        reply = await self._reply(call, scope, receive, send)
        if reply is None:
            self._ledger.settle(call)
            return
        call.status = reply.status
        self._ledger.settle(call)  # before it is sent: who has an answer finds it counted
        try:
            await self._send(call, reply, receive, send)
        except asyncio.CancelledError:
            return  # nobody is there to read it, or the time to send it is over

    async def _reply(self, call: Call, scope: Scope, receive: Receive, send: Send) -> Reply | None:
        """The answer, or None when it has been sent, or nobody is there to be answered."""
        try:
            if call.path.startswith(GUARDED):
                self._keys.check(call.headers)
            route = self._routes.get(call.path)
            if route is not None:
                return await route(call, receive)
            try:
                await self._rest(scope, receive, self._completing(call, send))
            finally:
                call.route = getattr(scope.get("route"), "path", call.route)  # its template
        except ServeError as error:
            return problem(call, error)
        except ClientGone:
            call.code = "cancelled"
        except asyncio.CancelledError:
            return self._stopped(call, scope.get("stop"))
        except Exception:
            structlog.get_logger().exception("bug", request_id=call.request_id.decode())
            return (
                problem(call, ServeError("An error of the server; the log tells more."))
                if not call.status
                else None
            )
        return None

    def _stopped(self, call: Call, why: Exception | None) -> Reply | None:
        """The task was cancelled: by the connection, which says why, or at the end of the drain."""
        if isinstance(why, ClientGone):
            call.code = "cancelled"
            return None
        end = ShuttingDown("The time to finish before shutting down is over.")
        return None if call.status else problem(call, why if isinstance(why, ServeError) else end)

    async def _send(self, call: Call, reply: Reply, receive: Receive, send: Send) -> None:
        headers = [(b"content-type", reply.content_type), (b"content-length", b"%d" % len(reply.body))]
        if reply.status == 204:
            headers = []
        headers += reply.headers
        headers += self._common(call)
        await send({"type": "http.response.start", "status": reply.status, "headers": headers})
        if not call.abandons_body:
            await send({"type": "http.response.body", "body": reply.body})
            return
        await send({"type": "http.response.body", "body": reply.body, "more_body": True})
        await linger(receive)
        await send({"type": "http.response.body", "body": b""})

    def _completing(self, call: Call, send: Send) -> Send:
        """`send` for the routes of FastAPI, which know nothing of ids and timings."""

        async def complete(message: Message) -> None:
            if message["type"] == "http.response.start":
                call.status = message["status"]
                message["headers"] = [*message.get("headers", ()), *self._common(call)]
            await send(message)

        return complete

    def _common(self, call: Call) -> list[Header]:
        headers = call.marks()
        if self._health.stopping or call.abandons_body:
            headers.append((b"connection", b"close"))
        return headers
