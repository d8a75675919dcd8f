"""Why a measurement ended early, each as one sentence for the person who ran it."""

from __future__ import annotations


class LoadtestError(Exception):
    """A measurement that cannot go on; the message is one clear sentence."""


class BadWorkload(LoadtestError):
    """The texts to send cannot be read."""


class StartFailed(LoadtestError):
    """A server or a tool did not start, or did not become ready in time."""


class TargetDied(LoadtestError):
    """The server ended while it was being measured."""


class GeneratorFailed(LoadtestError):
    """The process that makes the load ended without a result."""


class NotWritten(LoadtestError):
    """A result could not be written: disk full, or no permission."""


class Disagreement(LoadtestError):
    """Two servers that should do the same work answer differently."""
