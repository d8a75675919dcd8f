"""The tests of everyday text that come with qingmo: which of them a bundle can be asked."""

from __future__ import annotations

from pathlib import Path

from models.data.sets import is_written
from models.errors import MakeError
from models.tasks import TASKS
from server.inference.manifest import Manifest

SPLIT = "test"


def everyday_sets(manifest: Manifest) -> list[str]:
    """Those of the bundle's task whose labels it all knows; MakeError where there is none."""
    library = TASKS[manifest.task].library
    tests = [
        name
        for name, (_, files) in library.known.items()
        if is_written(name) and SPLIT in files and _answerable(manifest, name)
    ]
    if not tests:
        known = ", ".join(label.label for label in manifest.labels)
        raise MakeError(f"No test of everyday text asks for the labels of {manifest.name} ({known}).")
    return tests


def _answerable(manifest: Manifest, name: str) -> bool:
    task = TASKS[manifest.task]
    rows, _ = task.library.read(Path(), name, SPLIT)
    return {label for row in rows for label in task.labels(row)} <= {each.label for each in manifest.labels}
