import json
import shlex
import sys
from pathlib import Path

import pytest

from loadtest.process import share_cores
from loadtest.target import Serving, Target

SMALL = Path(__file__).parent / "small_server.py"


def small_command(*flags):
    return shlex.join([sys.executable, str(SMALL), *flags])


@pytest.fixture
def small(tmp_path):
    """Makes servers, not started yet: `small("--delay-ms", "2")`."""

    def make(*flags, model="narrow", port=None, ready_seconds=20.0):
        cores = share_cores(1).server
        serving = Serving(small_command(*flags), tmp_path, model, 1, cores, ready_seconds)
        return Target(serving, tmp_path / "server.log", port)

    return make


@pytest.fixture
def command():
    return small_command


@pytest.fixture
def bundle(tmp_path):
    """Writes bundle folders that say who they are; no network inside."""

    def make(name, *, task="classify", base="a base", tokenizer="0" * 64, scores=True):
        folder = tmp_path / "zoo" / name
        folder.mkdir(parents=True)
        score = {"metric": "accuracy", "value": 0.5, "n": 100, "split": "dev"}
        manifest = {
            "schema": 1,
            "name": name,
            "version": "ab" * 32,
            "task": task,
            "parameters": 1000,
            "graphs": [{"file": "model.onnx", "form": "int8"}],
            "lineage": {"base": base},
            "files": [{"path": "tokenizer.json", "sha256": tokenizer}],
            "quality": [score] if scores else [],
        }
        (folder / "bundle.json").write_text(json.dumps(manifest))
        return folder

    return make
