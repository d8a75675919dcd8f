"""Every bundle that a recipe goes on from can be had again from the history."""

import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BASES = {
    path.stem: tomllib.loads(path.read_text("utf-8"))["base"] for path in ROOT.glob("models/recipes/*.toml")
}
HELD = {recipe: base for recipe, base in BASES.items() if base.startswith("zoo/")}


def git(*arguments: str) -> str:
    return subprocess.run(
        ["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60
    ).stdout.strip()


@pytest.fixture(scope="module", autouse=True)
def history():
    if not (ROOT / ".git").exists() or git("rev-parse", "--is-shallow-repository") == "true":
        pytest.skip("the history is not here")


@pytest.mark.parametrize("recipe", sorted(HELD))
def test_a_base_that_has_shipped_is_held_by_its_version_and_found(recipe):
    place, _, version = HELD[recipe].partition("@")
    manifest = f"models/{place}/bundle.json"
    assert version, "what ships under this name may change"
    assert git("log", "--format=%h", f'-S"version": "{version}', "--", manifest)
