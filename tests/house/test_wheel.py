"""The wheel holds all that serving needs, and nothing that only the repository needs."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def names(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=120)
    return zipfile.ZipFile(next(folder.glob("*.whl"))).namelist()


@pytest.mark.parametrize("folder", ["server", "models", "loadtest"])
def test_everything_in_the_packages_is_in_the_wheel(names, folder):
    out = subprocess.run(
        ["git", "ls-files", folder], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout
    assert set(out.split()) <= set(names)


def test_nothing_else_is(names):
    tops = {name.split("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"server", "models", "loadtest"}
    assert not [name for name in names if name.endswith(".pyc")]


def test_the_licence_and_the_notice_travel_along(names):
    assert {Path(name).name for name in names if "/licenses/" in name} == {"LICENSE", "NOTICE"}
