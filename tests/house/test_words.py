"""Words that must not stand in what is committed: paths of one machine, things left undone, mocks."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FORBIDDEN = {
    "a path of one machine": re.compile(r"(?<![\w.])/(?:work|root|home|farm)/"),
    "something left undone": re.compile(r"\b(?:TODO|FIXME|XXX|HACK|NotImplementedError)\b"),
    "a mock": re.compile(r"\b(?:MagicMock|mock\.patch|unittest\.mock)\b"),
}


def listed():
    out = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True).stdout
    names = out.decode().split("\0")[:-1]
    return [n for n in names if n != "tests/house/test_words.py" and (ROOT / n).is_file()]


@pytest.mark.parametrize("kind", FORBIDDEN)
def test_what_is_committed_holds_no(kind):
    found = []
    for name in listed():
        content = (ROOT / name).read_bytes()
        if b"\0" not in content and FORBIDDEN[kind].search(content.decode("utf-8", "replace")):
            found.append(name)
    assert found == []
