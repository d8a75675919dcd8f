"""Files of at most 250 lines, functions of at most 40."""

import ast
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FILES = subprocess.run(
    ["git", "ls-files", "*.py", "*.js", "*.css", "*.html"],
    cwd=ROOT,
    check=True,
    capture_output=True,
    text=True,
).stdout.split()
FILES = [name for name in FILES if not name.startswith("docs/results/")]  # measured, not written
MODULES = [name for name in FILES if name.endswith(".py")]


@pytest.mark.parametrize("name", FILES)
def test_no_file_is_over_250_lines(name):
    assert len((ROOT / name).read_text("utf-8").splitlines()) <= 250


@pytest.mark.parametrize("name", MODULES)
def test_no_function_is_over_40_lines(name):
    tree = ast.parse((ROOT / name).read_text("utf-8"))
    functions = [n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)]
    assert [f.name for f in functions if f.end_lineno - f.lineno + 1 > 40] == []
