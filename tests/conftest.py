"""What holds for every test."""

from __future__ import annotations

from hypothesis import settings

# Speed is measured elsewhere; on a busy machine a deadline fails a test that is right.
settings.register_profile("qingmo", deadline=None)
settings.load_profile("qingmo")
