"""`qingmo-loadtest`: flags to settings, results to the terminal and to files, failures to one sentence."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from loadtest import bench, flags, report, tables
from loadtest.bundles import ZOO, find_bundles
from loadtest.driver import Driver, prepared
from loadtest.errors import LoadtestError
from loadtest.load import Kind, Load, Plan
from loadtest.process import share_cores
from loadtest.results import read, write_text
from loadtest.soak import Soak, Soaked, Storm
from loadtest.target import SERVE, Serving, Target
from loadtest.terminal import console, one_sentence, progress, show
from loadtest.workload import Task, Workload, calls_of, rows_of, texts_of

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)


@app.command()
def run(  # noqa: PLR0913, PLR0917 - a command's arguments are its flags
    url: flags.Url = "http://127.0.0.1:8000",
    key: flags.Key = "",
    task: flags.Route = Task.CLASSIFY,
    model: flags.Model = None,
    connections: flags.Connections = 64,
    rate: flags.Rate = 0.0,
    seconds: flags.Seconds = 10.0,
    warmup: flags.Warmup = 2.0,
    workload: flags.Lengths = Workload.TITLES,
    data: flags.Data = None,
    seed: flags.Seed = 0,
    out: flags.LoadOut = None,
) -> None:
    """Drive a server that is already running, and print its throughput, latency and errors."""
    kind = Kind.OPEN if rate else Kind.LONE if connections == 1 else Kind.CLOSED
    with one_sentence(), tempfile.TemporaryDirectory() as name:
        calls = calls_of(task, texts_of(task, workload, data, seed), model, seed)
        plan = Plan(
            kind=kind,
            url=url,
            calls=prepared(calls, Path(name), "run"),
            seconds=seconds,
            warmup=warmup,
            connections=connections,
            rate=rate,
            seed=seed,
            key=key,
            spin=False,  # the server may need the core
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


app.command()(bench.compare)
app.command()(bench.peers)


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
    if soaked.allocated_mb:
        growth = "-" if soaked.growth is None else f"{(soaked.growth - 1) * 100:+.1f} %"
        console.print(
            f"memory {soaked.resident_mb:.0f} MB at the end; allocated {growth} at most after the first fifth"
        )
    if soaked.p99_ms:
        console.print(
            f"p99 {soaked.p99_ms[0]:.1f} ms in the first hundredth, {soaked.p99_ms[-1]:.1f} ms in the last"
        )
    if not soaked.held:
        raise LoadtestError(soaked.problem)
    console.print("Every request had one fate, every 200 named labels, and memory held.")


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
