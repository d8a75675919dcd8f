"""Which bundles are served, which one answers where a request names none, and how many connections fit."""

import resource

import pytest

from server.files import SPARE, room_for
from server.inference.bundle import load_bundles
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


def test_a_name_that_two_bundles_have_is_not_chosen_from(folder, tmp_path):
    for place in ("one", "other"):
        write_bundle(tmp_path / place / "topic").rename(tmp_path / place / "new")
        (tmp_path / place / "new").rename(tmp_path / f"topic-{place}")
    for asked in ("", "topic"):
        chosen = chosen_bundles(Settings(bundles=tmp_path, models=asked))
        assert [path.name for path in chosen] == ["topic-one", "topic-other"], (
            "the engine says that they clash"
        )
        assert [bundle.manifest.name for bundle in load_bundles(chosen)] == ["topic", "topic"]


@pytest.fixture
def few_files():
    """A process that may have few files open, but could have more."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, before[1]))
    yield before[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_the_limit_of_open_files_is_raised_as_far_as_connections_need(few_files):
    assert room_for(100) == 100
    assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] == 256
    assert room_for(400) == 400
    assert resource.getrlimit(resource.RLIMIT_NOFILE) == (400 + SPARE, few_files)
    if few_files != resource.RLIM_INFINITY:
        assert room_for(few_files) == few_files - SPARE
