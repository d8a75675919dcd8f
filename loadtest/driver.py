"""Runs one plan in a generator process of its own, on the load's cores, and brings back its figures."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from loadtest import process
from loadtest.errors import GeneratorFailed
from loadtest.load import Call, Kind, Load, Plan
from loadtest.target import Target
from loadtest.workload import write_calls

LOCUSTFILE = Path(__file__).parent / "locustfile.py"
EXTRA_SECONDS = 90.0


@dataclass(frozen=True, slots=True)
class Driver:
    """Makes load from the given cores; a folder holds the plans and the generators' logs."""

    cores: tuple[int, ...]
    folder: Path

    def run(self, plan: Plan, target: Target | None = None) -> Load:
        """The figures of one plan; `target` is watched meanwhile, where it is ours.

        Raises:
            TargetDied: The server ended meanwhile.
            GeneratorFailed: The generator ended without a result.
        """
        with tempfile.TemporaryDirectory(dir=self.folder) as name:
            inside = Path(name)
            child = self._start(plan, inside)
            try:
                limit = plan.warmup + plan.seconds + plan.timeout + EXTRA_SECONDS
                ended = process.wait_for(child, limit, target.child if target else None)
            finally:
                process.stop(child, 2.0)
            if target is not None:
                target.require_alive()
            return _result(child, inside, ended)

    def _start(self, plan: Plan, inside: Path) -> subprocess.Popen[bytes]:
        paths = (inside / "plan.json", inside / "result.json")
        paths[0].write_bytes(msgspec.json.encode(plan))
        if plan.kind is not Kind.CLOSED:
            command = [sys.executable, "-m", "loadtest.generator", *map(str, paths)]
            return process.spawn(command, self.cores, inside / "log")
        env = {"QINGMO_LOAD_PLAN": str(paths[0]), "QINGMO_LOAD_RESULT": str(paths[1])}
        return process.spawn(_locust(plan.connections), self.cores, inside / "log", env)


def _locust(users: int) -> list[str]:
    command = [sys.executable, "-m", "locust", "-f", str(LOCUSTFILE), "--headless", "--only-summary"]
    return [
        *command,
        "--loglevel",
        "ERROR",
        "--users",
        str(users),
        "--spawn-rate",
        str(users),
        "--stop-timeout",
        "0",
    ]


def _result(child: subprocess.Popen[bytes], inside: Path, ended: bool) -> Load:
    result = inside / "result.json"
    if ended and result.is_file():
        return msgspec.json.decode(result.read_bytes(), type=Load)
    words = process.last_words(inside / "log")
    how = process.how_it_ended(child) if ended else "took too long"
    raise GeneratorFailed(
        f"The process that makes the load {how} and left no result: {words or 'it said nothing'}"
    )


def prepared(calls: Sequence[Call], folder: Path, name: str) -> str:
    """Writes the requests once for all plans that send them; the path for `Plan.calls`."""
    path = folder / f"{name}.calls.json"
    write_calls(path, calls)
    return str(path)
