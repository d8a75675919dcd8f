"""Settings: their sources, their limits, and that each says what it is."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from server.settings import SHIPPED_BUNDLES, Settings


def test_each_has_a_sentence():
    for name, field in Settings.model_fields.items():
        assert (field.description or "").strip().endswith("."), name


def test_a_flag_wins_over_the_environment_and_that_over_the_default(monkeypatch):
    monkeypatch.setenv("QINGMO_PORT", "9000")
    monkeypatch.setenv("QINGMO_DRAIN_SECONDS", "1.5")
    settings = Settings(port=9001)
    assert (settings.port, settings.drain_seconds, settings.host) == (9001, 1.5, "127.0.0.1")


def test_they_cannot_be_changed_and_hide_the_keys():
    settings = Settings(api_keys="secret")
    with pytest.raises(ValidationError):
        settings.port = 1  # type: ignore[misc]
    assert "secret" not in repr(settings)


@pytest.mark.parametrize(
    "bad", [{"port": 65536}, {"processes": 0}, {"timeout_seconds": 0}, {"models": "a b/c"}, {"nothing": 1}]
)
def test_out_of_range_is_refused(bad):
    with pytest.raises(ValidationError):
        Settings(**bad)


def test_models_are_a_list_apart_by_commas():
    assert Settings(models=" topic, ner ,").model_names == ("topic", "ner")
    assert Settings().model_names == ()


def test_the_bundles_that_ship_are_the_default():
    assert Settings().bundles_folder == SHIPPED_BUNDLES
    assert Settings(bundles="x").bundles_folder == Path("x")
