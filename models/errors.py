"""Why a model cannot be made: one class, whose message is a sentence for the person at the terminal."""

from __future__ import annotations


class MakeError(Exception):
    """A file, a recipe or a data row is not what it must be; finished stages stay as they are."""
