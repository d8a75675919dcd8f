"""`qingmo-loadtest`: flags to settings, results to the terminal and to files, failures to one sentence."""

from __future__ import annotations

import asyncio
import shlex
import sys
import tempfile
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from loadtest import flags, report, tables
from loadtest.bundles import ZOO, find_bundles
from loadtest.compare import Bench
from loadtest.driver import Driver, prepared
from loadtest.errors import LoadtestError
from loadtest.load import Kind, Load, Plan
from loadtest.process import share_cores
from loadtest.results import read, write_text
from loadtest.settings import TIMINGS, Effort, Settings
from loadtest.soak import Soak, Soaked, Storm
from loadtest.target import SERVE, Serving, Target
from loadtest.terminal import console, one_sentence, progress, show
from loadtest.workload import Task, calls_of, rows_of

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)


@app.command()
def run(  # noqa: PLR0913, PLR0917 - a command's arguments are its flags
    url: flags.Url = "http://127.0.0.1:8000",
    task: flags.Route = Task.CLASSIFY,
    model: flags.Model = None,
    connections: flags.Connections = 64,
    rate: flags.Rate = 0.0,
    seconds: flags.Seconds = 10.0,
    warmup: flags.Warmup = 2.0,
    data: flags.Data = None,
    seed: flags.Seed = 0,
    out: flags.LoadOut = None,
) -> None:
    """Drive a server that is already running, and print its throughput, latency and errors."""
    kind = Kind.OPEN if rate else Kind.LONE if connections == 1 else Kind.CLOSED
    with one_sentence(), tempfile.TemporaryDirectory() as name:
        plan = Plan(
            kind=kind,
            url=url,
            calls=prepared(calls_of(task, rows_of(task, data), model, seed), Path(name), "run"),
            seconds=seconds,
            warmup=warmup,
            connections=connections,
            rate=rate,
            seed=seed,
        )
        load = Driver(share_cores(1).load, Path(name)).run(plan)
        show(tables.of_load(load))
        if out is not None:
            write_text(out, msgspec.json.format(msgspec.json.encode(load), indent=1).decode() + "\n")
        _require_answers(load)


def _require_answers(load: Load) -> None:
    if load.failed:
        raise LoadtestError(f"{load.failed} of {load.failed + load.answered} requests failed.")
    if not load.answered:
        raise LoadtestError("No request was answered.")


@app.command()
def compare(  # noqa: PLR0913, PLR0917 - a command's arguments are its flags
    bundle: flags.Bundles = None,
    out: flags.Out = Path("bench/result.json"),
    quick: flags.Quick = False,
    thorough: flags.Thorough = False,
    rounds: flags.Rounds = 0,
    connections: flags.Tried = "",
    against: flags.Against = "fp32",
    versus: flags.Versus = None,
    threads: flags.Threads = 1,
    bound_ms: flags.Bound = 50.0,
    engine: flags.Engine = True,
    data: flags.Data = None,
    seed: flags.Seed = 0,
    serve: flags.Serve = SERVE,
) -> None:
    """Measure bundles against BERT-base on the same server and cores, the sides in turn."""
    effort = Effort.THOROUGH if thorough else Effort.QUICK if quick else Effort.NORMAL
    settings = Settings(
        bundles=tuple(bundle or [ZOO]),
        out=out,
        timing=TIMINGS[effort].changed(rounds, tuple(map(int, _listed(connections)))),
        command=shlex.join(["qingmo-loadtest", *sys.argv[1:]]),
        data=data,
        threads=threads,
        bound_ms=bound_ms,
        seed=seed,
        serve=serve,
        references=tuple(_listed(against)),
        versus=tuple(versus or ()),
        engine=engine,
    )
    with one_sentence():
        compare_and_show(settings)


def _listed(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def compare_and_show(settings: Settings) -> None:
    """Runs a comparison; what is finished is shown and written, however it ends."""
    with tempfile.TemporaryDirectory() as name, progress() as shown:
        line = shown.add_task("starting", total=None)
        bench = Bench(settings, Path(name), lambda step: shown.update(line, description=step))
        try:
            bench.run()
        finally:
            shown.stop()
            if any(comparison.turns for comparison in bench.result.comparisons):
                _print(bench, settings.out)
    if bench.result.errors:
        raise LoadtestError(f"{bench.result.errors} requests failed; see the rounds in {settings.out}.")


def _print(bench: Bench, out: Path) -> None:
    for comparison in bench.result.comparisons:
        for table in tables.of_comparison(comparison, bench.result.method.bound_ms):
            show(table)
    show(tables.ceiling(bench.result))
    written = report.write(bench.result, out)
    console.print(f"Written: {out}, {written[0]}, {written[1]}", soft_wrap=True)


@app.command()
def soak(  # noqa: PLR0913, PLR0917 - a command's arguments are its flags
    bundle: flags.Bundles = None,
    requests: flags.Requests = 100_000,
    seconds: flags.SoakSeconds = 0.0,
    connections: flags.SoakConnections = 32,
    hostile: flags.Hostile = 0.25,
    max_chars: flags.MaxChars = 2000,
    threads: flags.Threads = 1,
    data: flags.Data = None,
    seed: flags.Seed = 0,
    serve: flags.Serve = SERVE,
) -> None:
    """Hold a mixed load, a quarter of it hostile, on a fresh server; report drift and wrong answers."""
    storm = Storm(
        requests=requests,
        seconds=seconds,
        connections=connections,
        hostile=hostile,
        max_chars=max_chars,
        seed=seed,
    )
    with one_sentence(), tempfile.TemporaryDirectory() as name:
        chosen = next((found for found in find_bundles(bundle or [ZOO]) if found.task is Task.CLASSIFY), None)
        if chosen is None:
            raise LoadtestError("The soak asks /v1/classify, and none of the bundles classifies.")
        serving = Serving(serve, chosen.folder.parent, chosen.name, threads, share_cores(threads).server)
        texts = [row[0] for row in rows_of(Task.CLASSIFY, data)]
        with Target(serving, Path(name) / "server.log") as target, progress() as shown:
            line = shown.add_task(f"soaking {chosen.name}", total=100)
            soaking = Soak(storm, target, texts, lambda done: shown.update(line, completed=done))
            soaked = asyncio.run(soaking.run())
            target.require_alive()
        _judge(soaked)


def _judge(soaked: Soaked) -> None:
    for fate, count in sorted(soaked.fates.items()):
        console.print(f"{count:>9,}  {fate}")
    console.print(f"{soaked.asked:,} requests in {soaked.seconds:.0f} s")
    if soaked.memory_mb:
        growth = "-" if soaked.growth is None else f"{(soaked.growth - 1) * 100:+.1f} %"
        console.print(
            f"memory {soaked.memory_mb[-1]:.0f} MB at the end; {growth} at most after the first fifth"
        )
    if soaked.p99_ms:
        console.print(
            f"p99 {soaked.p99_ms[0]:.1f} ms in the first hundredth, {soaked.p99_ms[-1]:.1f} ms in the last"
        )
    if not soaked.held:
        raise LoadtestError(
            "; ".join(soaked.wrong[:10]) or "Memory grew by more than 5 % after the first fifth."
        )
    console.print("Every request had one fate, no answer was wrong, and memory held.")


@app.command("report")
def report_again(result: Annotated[Path, typer.Argument(help="A result.json of compare.")]) -> None:
    """Write the Markdown and the HTML page of a saved result anew."""
    with one_sentence():
        try:
            found = read(result)
        except (OSError, msgspec.DecodeError) as error:
            raise LoadtestError(f"{result} is not a result that can be read: {error}.") from error
        for path in report.write(found, result):
            console.print(str(path), soft_wrap=True)


def main() -> None:
    """The command's entry point."""
    app()


if __name__ == "__main__":
    main()
