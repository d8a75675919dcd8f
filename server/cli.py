"""qingmo-serve: flags and QINGMO_* variables to Settings; serve, predict, measure."""

from __future__ import annotations

import inspect
import os
import signal
import sys
from collections.abc import Callable, Iterable
from functools import wraps
from pathlib import Path
from types import FrameType
from typing import Annotated, Any, Literal, get_args, get_origin

import typer
from pydantic import SecretStr, ValidationError

from server.errors import BadBundle, ServeError
from server.settings import PREFIX, Settings, SettingsProblem

app = typer.Typer(
    help="Serve small Chinese language models: classification, pairs, entities, answers.",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
ENGINE_FLAGS = ("bundles", "models", "threads", "log_level")


def with_settings(fields: Iterable[str]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command a flag for each of these settings, and the Settings as its argument `settings`.

    The names, types and help of the flags are those of the fields, so there is no second list of them.
    """

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        @wraps(command)
        def run(**given: Any) -> None:  # noqa: ANN401  (as typer gives them)
            asked = {name: given.pop(name) for name in fields}
            command(
                settings=_settings({name: value for name, value in asked.items() if value is not None}),
                **given,
            )

        signature = inspect.signature(command, eval_str=True)
        own = [p for p in signature.parameters.values() if p.name != "settings"]
        run.__signature__ = signature.replace(parameters=[*own, *map(_flag, fields)])  # type: ignore[attr-defined]
        run.__annotations__ = {p.name: p.annotation for p in run.__signature__.parameters.values()}  # type: ignore[attr-defined]
        return run

    return decorate


def _flag(name: str) -> inspect.Parameter:
    field = Settings.model_fields[name]
    kind: Any = next((arg for arg in get_args(field.annotation) if arg is not type(None)), field.annotation)
    kind = field.annotation if get_origin(field.annotation) is Literal else kind
    flag = "--" + name.replace("_", "-")
    flags = f"{flag}/--no-{flag[2:]}" if kind is bool else flag
    shown = "" if field.default in ("", None) or kind is SecretStr else f" [default: {field.default}]"
    text = " ".join((field.description or "").split()) + f" [env: {PREFIX}{name.upper()}]{shown}"
    option = typer.Option(flags, help=text, show_default=False)
    plain = str if kind is SecretStr or get_origin(kind) is Literal else kind
    annotation = Annotated[plain | None, option]  # type: ignore[valid-type]
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation)


def _settings(given: dict[str, Any]) -> Settings:
    try:
        return Settings(**given)
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0])
        flag = f"--{name.replace('_', '-')} ({PREFIX}{name.upper()})"
        raise SettingsProblem(f"{flag}: {first['msg'][0].lower()}{first['msg'][1:]}.") from None


@app.callback(invoke_without_command=True)
@with_settings(Settings.model_fields)
def serve(context: typer.Context, settings: Settings) -> None:
    """Serve the bundles over HTTP until SIGTERM; a command, if one is named, does something else."""
    if context.invoked_subcommand:
        _refuse_flags_before(context)
        return
    sys.exit(_serve_together(settings) if settings.processes > 1 else _serve_alone(settings))


def _refuse_flags_before(context: typer.Context) -> None:
    """A command has flags of its own; one before it would be passed over."""
    for name in Settings.model_fields:
        source = context.get_parameter_source(name)
        if source is not None and source.name == "COMMANDLINE":
            flag, command = f"--{name.replace('_', '-')}", context.invoked_subcommand
            raise SettingsProblem(f"{flag} stands before {command}; the flags of a command come after it.")


def _serve_alone(settings: Settings) -> int:
    signal.signal(signal.SIGTERM, _end)  # the first process of a container has no way to end by itself
    from server.startup import serve as serve_here  # noqa: PLC0415  (brings in the engine)

    return serve_here(settings)


def _end(number: int, _: FrameType | None) -> None:
    """Nothing has been taken yet that would have to be answered."""
    os._exit(128 + number)


def _serve_together(settings: Settings) -> int:
    from server import logs  # noqa: PLC0415  (only what the parent itself needs)
    from server.api.port import reserve  # noqa: PLC0415
    from server.processes import Supervisor  # noqa: PLC0415
    from server.tally import Tally  # noqa: PLC0415
    from server.telemetry import CELLS, drop_gauges  # noqa: PLC0415

    logs.configure(settings.log_level)
    tally = Tally(settings.processes, CELLS)
    kept = reserve(settings)
    settings = settings.model_copy(update={"port": kept.getsockname()[1]})

    def serve_row(row: int, orphaned: Callable[[], bool]) -> int:
        from server.startup import serve as serve_here  # noqa: PLC0415  (each process has an engine of its own)

        return explained(lambda: serve_here(settings, tally, row, orphaned))

    def bury(row: int) -> None:
        tally.bury(row)
        drop_gauges(tally, row)

    stop_seconds = settings.drain_delay_seconds + settings.drain_seconds + 10
    return Supervisor(tally, serve_row, bury, stop_seconds).run()


@app.command()
@with_settings(ENGINE_FLAGS)
def predict(
    settings: Settings,
    model: Annotated[str, typer.Option(help="Name of the model that answers.")],
    keep_going: Annotated[bool, typer.Option(help="Answer a bad line with its error and go on.")] = False,
    top_k: Annotated[int | None, typer.Option(min=1, help="At most so many labels or answers.")] = None,
    threshold: Annotated[
        float | None, typer.Option(min=0, max=1, help="Leave out what scores below.")
    ] = None,
    max_answer_chars: Annotated[
        int | None, typer.Option(min=1, help="Longest answer, in characters.")
    ] = None,
) -> None:
    """Answer a file: a JSON line in from standard input, a JSON line out, in order.

    A line is a string, or an object as the model's route takes it.
    """
    from server import logs  # noqa: PLC0415
    from server.inference.values import Options  # noqa: PLC0415  (brings in numpy)
    from server.predict import predict as predict_lines  # noqa: PLC0415

    logs.configure(settings.log_level, descriptor=2)
    options = Options(top_k, threshold, max_answer_chars)
    sys.exit(predict_lines(_only(settings, model), model, options, keep_going=keep_going))


@app.command()
@with_settings(ENGINE_FLAGS)
def measure(
    settings: Settings,
    model: Annotated[
        str | None, typer.Option(help="Name of the model; the first one if none is named.")
    ] = None,
    data: Annotated[
        Path | None, typer.Option(help="File with a text a line; else the golden examples.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one line of JSON.")] = False,
) -> None:
    """Print the engine's own speed, without HTTP: alone and at full load."""
    from server import logs  # noqa: PLC0415
    from server.measure import measure_engine  # noqa: PLC0415

    logs.configure(settings.log_level, descriptor=2)
    sys.exit(measure_engine(_only(settings, model), model, data, as_json=as_json))


def _only(settings: Settings, model: str | None) -> Settings:
    """The same, with the one bundle that is asked for."""
    return settings.model_copy(update={"models": model}) if model and not settings.models else settings


def explained(work: Callable[[], int]) -> int:
    """Its exit code; a foreseen failure is a sentence on standard error: 2 for a setting, 1 for a bundle."""
    try:
        return work()
    except SettingsProblem as problem:
        sys.stderr.write(f"qingmo-serve: {problem}\n")
        return 2
    except (BadBundle, ServeError) as error:
        sys.stderr.write(f"qingmo-serve: {error.message}\n")
        return 1


def main() -> None:
    """The command `qingmo-serve`."""
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # numpy's own threads would only lie there

    def run() -> int:
        app()
        return 0

    sys.exit(explained(run))


if __name__ == "__main__":
    main()
