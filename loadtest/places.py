"""Where things lie on this machine, and how to name them in a report that is read on another."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from loadtest.process import ROOT


def work_folder() -> Path:
    """Where what was built is kept: QINGMO_WORK, else the user's cache folder."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return Path(os.environ.get("QINGMO_WORK") or cache / "qingmo" / "work")


def portable(command: str) -> str:
    """A command without this machine's folders: of the checkout, of what was built, of the user."""
    names = (
        (sys.executable, "python"),
        (f"{ROOT}/", ""),
        (str(ROOT), "."),
        (str(work_folder()), "$QINGMO_WORK"),
        (str(Path.home()), "~"),
    )
    for folder, name in names:
        command = command.replace(folder, name)
    return command
