"""`qingmo-serve measure`: the engine's own speed on a file of texts, without HTTP, as a table or as JSON."""

from __future__ import annotations

import sys
from pathlib import Path

import msgspec
from rich.console import Console
from rich.table import Table

from server.api.lines import Lines
from server.inference.cores import cores
from server.inference.measure import Speed, Stage, measure
from server.inference.predictor import Predictor
from server.inference.values import Text
from server.settings import Settings, SettingsProblem
from server.startup import engine_for_command, predictor_named

LEAST_TEXTS = 300
MOST_TEXTS = 5_000


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """The three figures that comparisons use, in milliseconds a text, with everything behind them."""

    model: str
    version: str
    lone_ms: float
    cpu_ms: float
    texts_a_second: float
    detail: Speed


def measure_engine(settings: Settings, model: str | None, data: Path | None, *, as_json: bool) -> int:
    """Measure and print; 0.

    Args:
        settings: Which bundles, how many threads.
        model: The first one if None.
        data: A text a line, or JSON lines as `predict` takes them; the model's golden examples if None.
        as_json: One line of JSON instead of a table.

    Raises:
        SettingsProblem, ServeError: Nothing can be measured.
    """
    engine = engine_for_command(settings)
    try:
        predictor = predictor_named(engine, model)
        texts = _texts(predictor, data, settings.max_text_chars)
        speed = measure(predictor, texts, threads=settings.threads or cores())
    finally:
        engine.close()
    if as_json:
        sys.stdout.buffer.write(msgspec.json.encode(_figures(predictor, speed)) + b"\n")
    else:
        _print(predictor, speed)
    return 0


def _figures(predictor: Predictor, speed: Speed) -> Figures:
    return Figures(
        model=predictor.name,
        version=predictor.bundle.manifest.version,
        lone_ms=speed.lone.total.p50_ms,
        cpu_ms=speed.loaded.cpu_ms,
        texts_a_second=speed.loaded.texts_a_second,
        detail=speed,
    )


def _texts(predictor: Predictor, data: Path | None, max_chars: int) -> list[Text]:
    if data is None:
        texts = [Text(golden.text, golden.second) for golden in predictor.bundle.manifest.golden]
        where = f"The bundle {predictor.name} holds no golden example"
    else:
        texts, where = _read(predictor, data, max_chars), f"{data} holds no text"
    if not texts:
        raise SettingsProblem(f"{where}; --data names a file of texts.")
    return (texts * (1 + LEAST_TEXTS // len(texts)))[: max(len(texts), LEAST_TEXTS)]


def _read(predictor: Predictor, data: Path, max_chars: int) -> list[Text]:
    try:
        raw = data.read_bytes().splitlines()
    except OSError as error:
        raise SettingsProblem(f"{data} cannot be read: {error.strerror}.") from None
    lines = Lines(map(_as_json, raw[:MOST_TEXTS]), predictor.task, max_chars, keep_going=False)
    texts = list(lines.texts())
    if lines.failed:
        raise SettingsProblem(f"{data}: {lines.failed.message}")
    return texts


def _as_json(line: bytes) -> bytes:
    """A line as `predict` takes it: as it is, or a text of plain words."""
    try:
        plain = not isinstance(msgspec.json.decode(line), str | dict)
    except (msgspec.DecodeError, UnicodeDecodeError):
        plain = bool(line.strip())
    return msgspec.json.encode(line.decode("utf-8", "replace")) if plain else line


def _print(predictor: Predictor, speed: Speed) -> None:
    """For people: what a text costs, stage by stage."""
    title = f"{predictor.name}: {speed.texts} texts, {speed.tokens_a_text:.1f} tokens a text"
    table = Table("one at a time, ms a text", "p50", "p95", "CPU", title=title)
    for name in ("tokenise", "infer", "decode", "total"):
        stage: Stage = getattr(speed.lone, name)
        table.add_row(name, f"{stage.p50_ms:.3f}", f"{stage.p95_ms:.3f}", f"{stage.cpu_ms:.3f}")
    loaded = speed.loaded
    console = Console()
    console.print(table)
    console.print(
        f"full load, {speed.threads} threads: {loaded.texts_a_second:.0f} texts a second, "
        f"{loaded.cpu_ms:.3f} ms CPU a text (tokenise {loaded.tokenise_cpu_ms:.3f}, infer "
        f"{loaded.infer_cpu_ms:.3f}, decode {loaded.decode_cpu_ms:.3f}), {loaded.rows_a_batch:.1f} rows "
        f"a batch, {speed.padding:.0%} padding"
    )
