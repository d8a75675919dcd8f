"""uvicorn with this server's way of stopping: readiness off first, then the port, then the connections."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import time
from collections.abc import Callable, Iterator

import structlog
import uvicorn
from uvicorn.server import HANDLED_SIGNALS

from server import logs
from server.api.app import App
from server.api.port import turn_away
from server.api.protocol import BoundedProtocol
from server.settings import Settings

HANDSHAKE_SECONDS = 0.1
"""How long connections that have begun may take to be made, once no new one can begin."""
LINGER_SECONDS = 0.5
"""How long idle connections are kept once the port is shut: a client that is just asking gets its answer, and
with it `Connection: close`, instead of a reset."""
DEAD_SECONDS = 2.0
"""How long refusals may take to go out once the engine has died."""
SWEEP_TICKS = 10


class Listener(uvicorn.Server):
    """Serves an application until SIGTERM or SIGINT; a second one ends the process at once.

    Args:
        app: The application.
        settings: Limits and times.
        orphaned: Whether there is nobody left to serve for; asked ten times a second.
    """

    def __init__(self, app: App, settings: Settings, orphaned: Callable[[], bool] = lambda: False) -> None:
        bounds = {"most_connections": settings.max_connections, "idle_seconds": settings.keep_alive_seconds}
        kind = type("Protocol", (BoundedProtocol,), {**bounds, "ledger": app.ledger})
        super().__init__(
            uvicorn.Config(
                app,
                http=kind,
                loop="uvloop",
                ws="none",
                lifespan="on",
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,
                backlog=2048,
            )
        )
        self._app, self._settings, self._orphaned = app, settings, orphaned
        self.all_answered, self.failed = True, False

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals end the serving, not the process: its exit code says that all went well."""
        loop = asyncio.get_running_loop()
        for number in HANDLED_SIGNALS:
            loop.add_signal_handler(number, self.stop, number)
        try:
            yield
        finally:
            for number in HANDLED_SIGNALS:
                loop.remove_signal_handler(number)

    def stop(self, number: int = signal.SIGTERM) -> None:
        """Begin to stop; when that has begun already, end the process."""
        health = self._app.service.health
        if health.stopping:
            logs.flush()
            os._exit(128 + number)
        health.stopping = True
        health.beat()
        structlog.get_logger().info("stopping", delay_seconds=self._settings.drain_delay_seconds)
        asyncio.get_running_loop().call_later(self._settings.drain_delay_seconds, self._shut)

    def _give_up(self, why: str) -> None:
        """A dead engine never answers again: fail, so that whoever started this process starts another."""
        structlog.get_logger().error("the engine died", why=why)
        self.failed = self._app.service.health.stopping = True
        self._shut()

    def _shut(self) -> None:
        self.should_exit = True

    async def on_tick(self, counter: int) -> bool:
        """Ten times a second: tell how this process is, look after slow connections and a dead engine."""
        health = self._app.service.health
        health.beat()
        if counter % SWEEP_TICKS == 0:
            now = time.monotonic()
            for connection in list(self.server_state.connections):
                if isinstance(connection, BoundedProtocol):
                    connection.close_if_slow(now)
        if not health.stopping:
            if why := self._app.service.engine.why_not_ready:
                self._give_up(why)
            elif self._orphaned():
                self.stop()
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Shut the port, let connections finish what they are at, then close."""
        limit = (
            min(self._settings.drain_seconds, DEAD_SECONDS) if self.failed else self._settings.drain_seconds
        )
        end = time.monotonic() + limit
        await self._shut_port(sockets or [])
        await self._until(self._no_connection, min(LINGER_SECONDS, limit))
        for connection in list(self.server_state.connections):
            connection.shutdown()
        self.all_answered = await self._until(self._no_task, max(0.0, end - time.monotonic()))
        for task in list(self.server_state.tasks):
            task.cancel()
        await self._until(self._no_task, 1.0)
        for connection in list(self.server_state.connections):
            connection.transport.close()
        await self.lifespan.shutdown()

    async def _shut_port(self, sockets: list[socket.socket]) -> None:
        """Listen no more. Connections that the kernel has accepted and nobody has taken yet are taken first.

        Closing a listening socket resets them, and with them requests that were already sent.
        """
        for sock in sockets:
            turn_away(sock)
        await asyncio.sleep(HANDSHAKE_SECONDS)
        kept = [sock.dup() for sock in sockets]
        for server in self.servers:
            server.close()
        await asyncio.sleep(0)
        waiting = [connection for sock in kept for connection in _taken(sock)]
        for sock in kept:
            sock.close()
        loop = asyncio.get_running_loop()
        for connection in waiting:
            await loop.connect_accepted_socket(self._protocol, connection)

    def _protocol(self) -> BoundedProtocol:
        config = self.config
        kind: type[BoundedProtocol] = config.http_protocol_class  # type: ignore[assignment]
        return kind(config=config, server_state=self.server_state, app_state=self.lifespan.state)

    def _no_connection(self) -> bool:
        return not self.server_state.connections

    def _no_task(self) -> bool:
        return not self.server_state.tasks

    async def _until(self, happened: Callable[[], bool], seconds: float) -> bool:
        end = time.monotonic() + seconds
        while not happened() and time.monotonic() < end:  # noqa: ASYNC110  (uvicorn has no event for it)
            await asyncio.sleep(0.01)
        return happened()


def _taken(sock: socket.socket) -> list[socket.socket]:
    """All connections that wait in a listening socket."""
    sock.setblocking(False)
    taken = []
    with contextlib.suppress(BlockingIOError):
        while True:
            taken.append(sock.accept()[0])
    return taken
