"""The commands that compare: bundles against BERT-base, and qingmo against other servers."""

from __future__ import annotations

import contextlib
import shlex
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from loadtest import flags, report
from loadtest.bundles import ZOO, find_bundles
from loadtest.compare import Bench
from loadtest.contest import Contest
from loadtest.errors import LoadtestError
from loadtest.peer import PEERS, Peer
from loadtest.results import Result
from loadtest.scorecard import formula_of
from loadtest.settings import CONTEST_TIMINGS, TIMINGS, Effort, Settings
from loadtest.target import SERVE
from loadtest.terminal import console, one_sentence, progress, show
from loadtest.turns import Say
from loadtest.workload import Workload


@one_sentence()
def compare(  # noqa: PLR0913, PLR0917 - a command's arguments are its flags
    bundle: flags.Bundles = None,
    out: flags.Out = Path("bench/result.json"),
    quick: flags.Quick = False,
    thorough: flags.Thorough = False,
    rounds: flags.Rounds = 0,
    connections: flags.Tried = "",
    against: flags.Against = "fp32",
    versus: flags.Versus = None,
    workload: flags.Workloads = None,
    all_tasks: flags.AllTasks = False,
    threads: flags.Threads = 1,
    bound_ms: flags.Bound = 50.0,
    engine: flags.Engine = True,
    lightlm: flags.LightLM = "0.8,0.1,0.1,102267648,0",
    data: flags.Data = None,
    seed: flags.Seed = 0,
    serve: flags.Serve = SERVE,
) -> None:
    """Measure bundles against BERT-base on the same server and cores, the sides in turn."""
    timing = TIMINGS[_effort(quick, thorough)].changed(rounds, tuple(map(int, _listed(connections))))
    settings = Settings(
        bundles=tuple(bundle or _shipped(quick)),
        out=out,
        timing=timing,
        command=_command(),
        data=data,
        threads=threads,
        bound_ms=bound_ms,
        seed=seed,
        serve=serve,
        references=tuple(_listed(against)),
        versus=tuple(versus or ()),
        engine=engine,
        workloads=tuple(workload or [Workload.TITLES]),
        all_tasks=all_tasks,
        formula=formula_of(lightlm),
    )
    compare_and_show(settings)


@one_sentence()
def peers(  # noqa: PLR0913, PLR0917 - a command's arguments are its flags
    bundle: flags.OneBundle = ZOO,
    out: flags.Out = Path("bench/peers.json"),
    quick: flags.Quick = False,
    thorough: flags.Thorough = False,
    rounds: flags.Rounds = 0,
    peer: flags.OnePeer = None,
    workload: flags.Workloads = None,
    bound_ms: flags.GoodputBound = 20.0,
    data: flags.Data = None,
    seed: flags.Seed = 0,
    serve: flags.Serve = SERVE,
) -> None:
    """Measure qingmo and other servers with the same network, texts and answers on one core, in turn."""
    settings = Settings(
        bundles=(bundle,),
        out=out,
        timing=CONTEST_TIMINGS[_effort(quick, thorough)].changed(rounds, ()),
        command=_command(),
        data=data,
        bound_ms=bound_ms,
        seed=seed,
        serve=serve,
        workloads=tuple(workload or [Workload.TITLES, Workload.PARAGRAPHS]),
    )
    chosen = _chosen(peer or [])
    with _shown() as (folder, say):
        _run_and_show(Contest(settings, chosen, folder, say), out)


def _shipped(quick: bool) -> list[Path]:
    """The shipped bundles; two minutes are enough for one."""
    return [find_bundles([ZOO])[0].folder] if quick else [ZOO]


def _chosen(names: list[str]) -> list[Peer]:
    known = {peer.name.lower(): peer for peer in PEERS}
    unknown = [name for name in names if name.lower() not in known]
    if unknown:
        allowed = ", ".join(peer.name for peer in PEERS)
        raise LoadtestError(f"There is no peer {unknown[0]!r}; there are {allowed}.")
    return [known[name.lower()] for name in names] or list(PEERS)


def _effort(quick: bool, thorough: bool) -> Effort:
    return Effort.THOROUGH if thorough else Effort.QUICK if quick else Effort.NORMAL


def _command() -> str:
    return shlex.join(["qingmo-loadtest", *sys.argv[1:]])


def _listed(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


class Running(Protocol):
    """What keeps its finished turns in `result`."""

    result: Result

    def run(self) -> Result:
        """Measures all."""


def compare_and_show(settings: Settings) -> None:
    """Runs a comparison; what is finished is shown and written, however it ends."""
    with _shown() as (folder, say):
        _run_and_show(Bench(settings, folder, say), settings.out)


@contextlib.contextmanager
def _shown() -> Iterator[tuple[Path, Say]]:
    with tempfile.TemporaryDirectory() as name, progress() as shown:
        line = shown.add_task("starting", total=None)
        yield Path(name), lambda step: shown.update(line, description=step)


def _run_and_show(running: Running, out: Path) -> None:
    try:
        running.run()
    finally:
        if any(comparison.turns for comparison in running.result.comparisons):
            _print(running.result, out)
    if running.result.errors:
        raise LoadtestError(f"{running.result.errors} requests failed; see the rounds in {out}.")


def _print(result: Result, out: Path) -> None:
    for table in report.tables_of(result):
        show(table)
    written = report.write(result, out)
    console.print(f"Written: {out}, {written[0]}, {written[1]}", soft_wrap=True)
