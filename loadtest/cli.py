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

from loadtest import report, tables
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

Data = Annotated[
    Path | None, typer.Option(help="A file of texts, or a folder with files named like the samples.")
]
Seed = Annotated[int, typer.Option(help="Fixes the order of the texts and the arrival times.")]
Serve = Annotated[
    str, typer.Option("--serve", help="The command that starts a server; it gets qingmo-serve's flags.")
]
Bundles = Annotated[
    list[Path] | None,
    typer.Option("--bundle", help="A bundle, or a folder of bundles; the shipped ones if not given."),
]


@app.command()
def run(  # noqa: PLR0913, PLR0917 - a command's arguments are its flags
    url: Annotated[str, typer.Option(help="Where the server listens.")] = "http://127.0.0.1:8000",
    task: Annotated[Task, typer.Option(help="Which route is asked.")] = Task.CLASSIFY,
    model: Annotated[
        str | None, typer.Option(help="The model to name; the task's default if not given.")
    ] = None,
    connections: Annotated[
        int, typer.Option(min=1, help="Connections of the closed loop; 1 is the lone client.")
    ] = 64,
    rate: Annotated[
        float, typer.Option(min=0, help="Requests a second in an open loop, in place of the closed one.")
    ] = 0.0,
    seconds: Annotated[float, typer.Option(min=0.5, help="How long to measure.")] = 10.0,
    warmup: Annotated[float, typer.Option(min=0, help="How long to ask before that.")] = 2.0,
    data: Data = None,
    seed: Seed = 0,
    out: Annotated[Path | None, typer.Option(help="Also write the figures there, as JSON.")] = None,
) -> None:
    """Drive a server that is already running, and print its throughput, latency and errors."""
    kind = Kind.OPEN if rate else Kind.LONE if connections == 1 else Kind.CLOSED
    with one_sentence(), tempfile.TemporaryDirectory() as name:
        calls = prepared(calls_of(task, rows_of(task, data), model, seed), Path(name), "run")
        plan = Plan(
            kind=kind,
            url=url,
            calls=calls,
            seconds=seconds,
            warmup=warmup,
            connections=connections,
            rate=rate,
            seed=seed,
        )
        cores = share_cores(1)
        load = Driver(cores.load, Path(name)).run(plan)
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
    bundle: Bundles = None,
    out: Annotated[Path, typer.Option(help="The result; .md and .html are written beside it.")] = Path(
        "bench/result.json"
    ),
    quick: Annotated[bool, typer.Option("--quick", help="About two minutes.")] = False,
    thorough: Annotated[bool, typer.Option("--thorough", help="For the record.")] = False,
    rounds: Annotated[
        int, typer.Option(min=0, help="How often each side has its turn; 0 takes the preset's.")
    ] = 0,
    against: Annotated[str, typer.Option(help="Forms of BERT-base, separated by commas.")] = "fp32",
    threads: Annotated[int, typer.Option(min=1, help="Inference threads of each server.")] = 1,
    bound_ms: Annotated[
        float, typer.Option(min=0.1, help="The p99 that the search for the highest rate keeps.")
    ] = 50.0,
    engine: Annotated[bool, typer.Option(help="Whether to measure the engine without HTTP as well.")] = True,
    data: Data = None,
    seed: Seed = 0,
    serve: Serve = SERVE,
) -> None:
    """Measure bundles against BERT-base on the same server and cores, the sides in turn."""
    effort = Effort.THOROUGH if thorough else Effort.QUICK if quick else Effort.NORMAL
    timing = TIMINGS[effort] if not rounds else TIMINGS[effort].with_rounds(rounds)
    settings = Settings(
        bundles=tuple(bundle or [ZOO]),
        out=out,
        timing=timing,
        command=shlex.join(["qingmo-loadtest", *sys.argv[1:]]),
        data=data,
        threads=threads,
        bound_ms=bound_ms,
        seed=seed,
        serve=serve,
        references=tuple(form.strip() for form in against.split(",") if form.strip()),
        engine=engine,
    )
    with one_sentence():
        _compare(settings)


def _compare(settings: Settings) -> None:
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
    bundle: Bundles = None,
    requests: Annotated[
        int, typer.Option(min=100, help="How many requests; ignored with --seconds.")
    ] = 100_000,
    seconds: Annotated[float, typer.Option(min=0, help="How long, in place of how many.")] = 0.0,
    connections: Annotated[int, typer.Option(min=1)] = 32,
    hostile: Annotated[
        float, typer.Option(min=0, max=1, help="Share cancelled, malformed or too late.")
    ] = 0.25,
    max_chars: Annotated[int, typer.Option(min=1, help="Longest text.")] = 2000,
    threads: Annotated[int, typer.Option(min=1)] = 1,
    data: Data = None,
    seed: Seed = 0,
    serve: Serve = SERVE,
) -> None:
    """Hold a mixed load, a quarter of it hostile, on a fresh server; report drift and wrong answers."""
    with one_sentence(), tempfile.TemporaryDirectory() as name:
        chosen = [found for found in find_bundles(bundle or [ZOO]) if found.task is Task.CLASSIFY]
        if not chosen:
            raise LoadtestError("The soak asks /v1/classify, and none of the bundles classifies.")
        cores = share_cores(threads)
        serving = Serving(serve, chosen[0].folder.parent, chosen[0].name, threads, cores.server)
        texts = [row[0] for row in rows_of(Task.CLASSIFY, data)]
        with Target(serving, Path(name) / "server.log") as target, progress() as shown:
            line = shown.add_task(f"soaking {chosen[0].name}", total=100)
            storm = Storm(
                url=target.url,
                model=chosen[0].name,
                requests=requests,
                seconds=seconds,
                connections=connections,
                hostile=hostile,
                max_chars=max_chars,
                seed=seed,
                pid=target.child.pid,
            )
            soaked = asyncio.run(Soak(storm, texts, lambda done: shown.update(line, completed=done)).run())
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
