"""The flags of `qingmo-loadtest`, each with its help, once for all commands."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from loadtest.workload import Task, Workload

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
Url = Annotated[str, typer.Option(help="Where the server listens.")]
Key = Annotated[str, typer.Option(help="The key of a server that wants one.")]
Route = Annotated[Task, typer.Option(help="Which route is asked.")]
Model = Annotated[str | None, typer.Option(help="The model to name; the task's default if not given.")]
Connections = Annotated[int, typer.Option(min=1, help="Connections of the closed loop; 1: the lone client.")]
Rate = Annotated[float, typer.Option(min=0, help="Requests a second in an open loop, not the closed one.")]
Seconds = Annotated[float, typer.Option(min=0.5, help="How long to measure.")]
Warmup = Annotated[float, typer.Option(min=0, help="How long to ask before that.")]
LoadOut = Annotated[Path | None, typer.Option(help="Also write the figures there, as JSON.")]
Out = Annotated[Path, typer.Option(help="The result; .md and .html are written beside it.")]
Quick = Annotated[
    bool, typer.Option("--quick", help="A few minutes: one shipped bundle, fewer and shorter rounds.")
]
Thorough = Annotated[bool, typer.Option("--thorough", help="For the record.")]
Rounds = Annotated[int, typer.Option(min=0, help="How often each side has its turn; 0 takes the preset's.")]
Tried = Annotated[str, typer.Option(help="Numbers of connections to try, by commas; the preset's if empty.")]
Against = Annotated[str, typer.Option(help="Forms of BERT-base, by commas: fp32, fp32-fused, int8.")]
Versus = Annotated[list[Path] | None, typer.Option(help="Further bundles of the same task.")]
Threads = Annotated[int, typer.Option(min=1, help="Inference threads of each server.")]
Bound = Annotated[float, typer.Option(min=0.1, help="The p99 that the search for the highest rate keeps.")]
Engine = Annotated[bool, typer.Option(help="Whether to measure the engine without HTTP as well.")]
Requests = Annotated[int, typer.Option(min=100, help="How many requests; ignored with --seconds.")]
SoakSeconds = Annotated[float, typer.Option(min=0, help="How long, in place of how many.")]
SoakConnections = Annotated[int, typer.Option(min=1, help="How many ask at a time.")]
Hostile = Annotated[float, typer.Option(min=0, max=1, help="Share cancelled, malformed or too late.")]
MaxChars = Annotated[int, typer.Option(min=1, help="Longest text.")]
Lengths = Annotated[Workload, typer.Option(help="How long the texts are, where the task takes one text.")]
Workloads = Annotated[
    list[Workload] | None, typer.Option("--workload", help="How long the texts are; may be given repeatedly.")
]
AllTasks = Annotated[
    bool, typer.Option(help="Also compare servers that hold all bundles, asked for all tasks in turn.")
]
LightLM = Annotated[
    str,
    typer.Option(
        help="The LightLM scorecard's weights of tasks, parameters saved and time saved, and BERT-base's "
        "parameters and ms a text (0: as measured here)."
    ),
]
OnePeer = Annotated[list[str] | None, typer.Option("--peer", help="Only this one; may be given repeatedly.")]
OneBundle = Annotated[Path, typer.Option("--bundle", help="The bundle that all serve; it must classify.")]
GoodputBound = Annotated[float, typer.Option(min=0.1, help="The p99 that the highest rate must keep.")]
