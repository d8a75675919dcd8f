import asyncio
from collections import Counter

import pytest

from loadtest.soak import Soak, Soaked, Storm

TEXTS = ["今天天气很好", "明天有雨"]


def soaked(target, **more):
    done = []
    soak = Soak(Storm(**{"requests": 300} | more), target, TEXTS, done.append)
    return asyncio.run(soak.run()), done


def test_every_request_has_one_fate_and_memory_is_watched(small):
    with small("--delay-ms", "1") as target:
        found, done = soaked(target, hostile=0.0)
    assert sum(found.fates.values()) == found.asked >= 300
    assert found.fates == {"plain 200": found.asked}
    assert found.held
    assert len(found.allocated_mb) > 20
    assert done[-1] == 100


def test_cancelled_requests_are_cancelled(small):
    with small("--delay-ms", "50") as target:
        found, _ = soaked(target, hostile=1.0)
    assert found.fates["cancelled cancelled"] > 50
    assert "malformed 200" in found.fates  # this server takes anything, and the soak says so
    assert not found.held


def test_a_500_is_wrong(small):
    with small("--fail-every", "50") as target:
        found, _ = soaked(target, hostile=0.0)
    assert any("plain: 500" in wrong for wrong in found.wrong)


def test_an_answer_that_comes_twice_is_wrong(small):
    with small("--twice") as target:
        found, _ = soaked(target, hostile=0.0)
    assert any("more than once" in wrong for wrong in found.wrong)


@pytest.mark.parametrize(("end", "held"), [(104.0, True), (106.0, False)])
def test_growth_counts_after_the_first_fifth(end, held):
    found = Soaked(allocated_mb=[50.0, 90.0, *[100.0] * 7, end], fates=Counter({"plain 200": 9}))
    assert found.growth == pytest.approx(end / 100)
    assert found.held is held


def test_a_server_that_refuses_all_or_says_nothing_does_not_pass(small):
    refusing = Soaked(fates=Counter({"plain 503": 500}))
    assert refusing.problem == "No request was answered with a 200."
    with small("--empty") as target:
        found, _ = soaked(target, hostile=0.0)
    assert found.fates == {"plain 200 without labels": found.asked}
    assert not found.held


def test_a_server_that_dies_ends_the_soak(small):
    with small("--die-after", "50") as target:
        found, _ = soaked(target, hostile=0.0, requests=100_000)
    assert any("not taken" in wrong or "lost" in wrong for wrong in found.wrong)
    assert found.asked < 1000


def test_a_soak_can_last_for_a_time(small):
    with small() as target:
        found, _ = soaked(target, hostile=0.0, seconds=0.5, requests=0)
    assert 0.4 < found.seconds < 5
    assert found.asked > 10
