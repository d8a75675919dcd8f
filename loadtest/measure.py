"""The engine's own speed without HTTP, by running `qingmo-serve measure` on the server's cores."""

from __future__ import annotations

import shlex
import tempfile
from collections.abc import Sequence
from pathlib import Path

import msgspec

from loadtest import process
from loadtest.errors import StartFailed
from loadtest.load import Call
from loadtest.results import Engine
from loadtest.target import Serving

LIMIT_SECONDS = 180.0


def engine_figures(serving: Serving, calls: Sequence[Call]) -> Engine:
    """Runs `measure` for one bundle with the server's threads and cores, on the texts of the requests.

    Raises:
        StartFailed: The command failed, or printed no figures.
    """
    command = [*shlex.split(serving.command), "measure", "--bundles", str(serving.bundles)]
    command += ["--model", serving.model, "--threads", str(serving.threads), "--json"]
    with tempfile.TemporaryDirectory() as name:
        log, texts = Path(name) / "measure", Path(name) / "texts.jsonl"
        texts.write_bytes(b"\n".join(call.body for call in calls))
        command += ["--data", str(texts)]
        child = process.spawn(command, serving.cores, log)
        try:
            ended = process.wait_for(child, LIMIT_SECONDS, None)
        finally:
            process.stop(child, 2.0)
        if not ended or child.returncode:
            raise StartFailed(
                f"qingmo-serve measure {process.how_it_ended(child)}: {process.last_words(log)}"
            )
        return figures_in(log.read_text("utf-8"))


def figures_in(printed: str) -> Engine:
    """The figures in the command's last line of JSON.

    Raises:
        StartFailed: There is none.
    """
    lines = [line for line in printed.splitlines() if line.startswith("{")]
    try:
        return msgspec.json.decode(lines[-1], type=Engine)
    except (IndexError, msgspec.DecodeError) as error:
        raise StartFailed(f"qingmo-serve measure printed no figures: {printed[-300:]!r}.") from error
