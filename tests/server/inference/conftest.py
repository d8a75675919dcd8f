"""Engines and lines that are closed at the end of their test."""

from __future__ import annotations

import pytest

from server.inference.admission import LineLimits
from server.inference.bundle import load_bundles
from server.inference.engine import Engine, Limits
from server.inference.line import Line
from server.inference.values import Task
from tests.kit import bundle_kit as kit
from tests.kit.engine_kit import LIMITS
from tests.kit.line_kit import WIDE, Adder, Counts


@pytest.fixture
def make_engine(tmp_path):
    engines = []

    def make(*graphs, limits: Limits = LIMITS, probe: Counts | None = None, threads: int = 2) -> Engine:
        """One bundle for each graph (or one a task, if none), named m0, m1, ..."""
        kinds = graphs or tuple((task, kit.gather_graph(task)) for task in Task)
        folders = [
            kit.write_bundle(tmp_path / f"m{number}", task, graph=graph, golden=())
            for number, (task, graph) in enumerate(kinds)
        ]
        engine = Engine(load_bundles(folders), threads=threads, limits=limits, probe=probe or Counts())
        engines.append(engine)
        engine.start()
        return engine

    yield make
    for engine in engines:
        engine.close()


@pytest.fixture
def make_line():
    lines = []

    def make(adder: Adder, threads: int = 1, probe: Counts | None = None, limits: LineLimits = WIDE) -> Line:
        line = Line({"adder": adder}, threads=threads, limits=limits, probe=probe or Counts())
        line.start()
        lines.append(line)
        return line

    yield make
    for line in lines:
        line.close()
