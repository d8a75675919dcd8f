"""From settings to a started engine, and to a served one: what the command line and each process do."""

from __future__ import annotations

import errno
import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path

import structlog

from server import logs, memory
from server.api.app import Service, create_app
from server.api.health import Health
from server.api.keys import Keys
from server.api.listener import Listener
from server.api.port import bind, taken
from server.errors import BadBundle, UnknownModel
from server.files import room_for
from server.inference.bundle import Bundle, find_bundles, load_bundles
from server.inference.cores import cores
from server.inference.engine import Engine, Limits
from server.inference.predictor import Predictor
from server.inference.probe import Probe, Silent
from server.settings import Settings, SettingsProblem
from server.tally import Tally
from server.telemetry import CELLS, Telemetry

FRONT = ("topic",)
"""Come before the rest where no models are named: of the bundles that ship, the default of their task."""


def chosen_bundles(settings: Settings) -> list[Path]:
    """The folders of the bundles to serve, in the order asked for: by the names that callers know.

    Raises:
        SettingsProblem: The folder is not there, holds no bundle, or none of a name asked for.
    """
    folder = settings.bundles_folder
    if not folder.is_dir():
        raise SettingsProblem(f"The folder of bundles {folder} does not exist; --bundles names another.")
    found = sorted(find_bundles(folder), key=lambda bundle: bundle[0] not in FRONT)
    names = [name for name, _ in found]
    if not found:
        raise SettingsProblem(f"The folder {folder} holds no bundle; --bundles names another.")
    missing = [name for name in settings.model_names if name not in names]
    if missing:
        raise SettingsProblem(
            f"No bundle named {', '.join(missing)} in {folder}; there are: {', '.join(names)}."
        )
    return [
        path
        for asked in settings.model_names or dict.fromkeys(names)
        for name, path in found
        if name == asked
    ]


def started_engine(settings: Settings, bundles: list[Bundle], probe: Probe, *, threads: int) -> Engine:
    """An engine that has warmed up and passed its golden self-test; BadBundle if it cannot."""
    limits = Limits(
        max_text_chars=settings.max_text_chars,
        max_line_seconds=settings.max_line_seconds,
        max_request_seconds=settings.max_request_seconds,
        max_line_tickets=settings.max_line_tickets,
        max_run_seconds=settings.max_run_ms / 1000,
    )
    engine = Engine(bundles, threads=threads, limits=limits, probe=probe)
    try:
        engine.start()
    except BadBundle:
        engine.close()
        raise
    return engine


def engine_for_command(settings: Settings) -> Engine:
    """An engine for a command that asks it directly, without HTTP."""
    bundles = load_bundles(chosen_bundles(settings))
    return started_engine(settings, bundles, Silent(), threads=settings.threads or cores())


def predictor_named(engine: Engine, model: str | None) -> Predictor:
    """The predictor of that name, the first one if None; UnknownModel if there is none."""
    name = model or next(iter(engine.predictors))
    if name not in engine.predictors:
        raise UnknownModel(f"No model named {name}; there are: {', '.join(engine.predictors)}.")
    return engine.predictors[name]


def threads_of(settings: Settings, row: int) -> int:
    """This process's share of the inference threads, at least one."""
    every, left = divmod(settings.threads or cores(), settings.processes)
    return max(1, every + (row < left))


def serve(
    settings: Settings, tally: Tally | None = None, row: int = 0, orphaned: Callable[[], bool] = lambda: False
) -> int:
    """Serve until told to stop; 0 when every accepted request was answered, else 1, as when its engine died.

    Raises:
        SettingsProblem, BadBundle: It cannot begin.
    """
    memory.limit_heaps()
    logs.configure(settings.log_level)
    tally = tally or Tally(1, CELLS)
    keys = Keys.of(settings)
    settings = _within_limits(settings)
    sock = bind(settings, shared=settings.processes > 1)
    bundles = load_bundles(chosen_bundles(settings))
    versions = {bundle.manifest.name: bundle.manifest.version for bundle in bundles}
    if not tally.agree(_mark(versions)):
        raise BadBundle(
            "The bundles have changed since this server began: restart it whole, with all its processes."
        )
    telemetry = Telemetry(versions, tally, row)
    engine = started_engine(settings, bundles, telemetry, threads=threads_of(settings, row))
    app = create_app(Service(settings, engine, telemetry, Health(engine, tally, row), keys))
    listener = Listener(app, settings, orphaned)
    memory.settle()
    host, port = sock.getsockname()[:2]
    structlog.get_logger().info("serving", host=host, port=port, models=list(engine.predictors), process=row)
    try:
        listener.run([sock])
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise
        raise taken(settings, error) from None  # somebody began to listen after we had bound
    structlog.get_logger().info("stopped", all_answered=listener.all_answered, process=row)
    return 0 if listener.all_answered and not listener.failed else 1


def _within_limits(settings: Settings) -> Settings:
    """The settings with as many connections as files may be open."""
    room = room_for(settings.max_connections)
    if room == settings.max_connections:
        return settings
    structlog.get_logger().warning(
        "fewer connections",
        max_connections=room,
        why="The system's limit of open files (ulimit -n) is lower.",
    )
    return settings.model_copy(update={"max_connections": room})


def _mark(versions: Mapping[str, str]) -> float:
    """A number that stands for models and versions, exact in a float."""
    return float(int(hashlib.sha256(repr(versions).encode()).hexdigest()[:12], 16) or 1)
