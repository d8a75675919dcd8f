"""Which bundles are served, and which of a task answers where a request names none."""

import pytest

from server.settings import Settings
from server.startup import chosen_bundles
from tests.kit.bundle_kit import write_bundle


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("several")
    for name in ("about", "topic", "zebra"):
        write_bundle(folder / name)
    return folder


@pytest.mark.parametrize(
    ("asked", "served"),
    [("", ["topic", "about", "zebra"]), ("zebra,topic", ["zebra", "topic"]), ("about", ["about"])],
)
def test_topic_comes_first_unless_the_models_are_named(folder, asked, served):
    assert [path.name for path in chosen_bundles(Settings(bundles=folder, models=asked))] == served
