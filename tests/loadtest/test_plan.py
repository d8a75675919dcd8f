import json
from collections import Counter

import pytest

from loadtest.bundles import find_bundles, together
from loadtest.plan import ALL_TASKS, Entry, planned
from loadtest.settings import CONTEST_TIMINGS, TIMINGS, Effort, Settings
from loadtest.workload import Workload


@pytest.fixture
def plans(bundle, tmp_path):
    def make(*tasks, **fields):
        students = find_bundles([bundle(f"my-{task}", task=task) for task in tasks])
        given = {"bundles": (), "out": tmp_path, "timing": TIMINGS[Effort.QUICK], "command": ""}
        return list(planned(Settings(**given | fields), students, []))

    return make


def test_workloads_are_of_tasks_of_one_text(plans):
    found = plans("classify", "pair", workloads=(Workload.TITLES, Workload.LONG))
    assert [plan.name for plan in found] == ["my-classify", "my-classify, long", "my-pair"]
    assert all(plan.references for plan in found)


def test_all_tasks_are_asked_alike_whichever_side_answers(plans, bundle):
    plan = plans("classify", "qa", all_tasks=True)[-1]
    assert plan.name == ALL_TASKS
    calls = plan.calls(plan.first, 3)
    assert Counter(call.path for call in calls) == {"/v1/classify": 500, "/v1/qa": 500}
    other = Entry("BERT", tuple(find_bundles([bundle("big-c"), bundle("big-q", task="qa")])))
    theirs = plan.calls(other, 3)
    assert [call.path for call in theirs] == [call.path for call in calls]
    ours, big = json.loads(calls[0].body), json.loads(theirs[0].body)
    assert {ours.pop("model"), big.pop("model")} & {"my-classify", "my-qa"}
    assert ours == big


def test_bundles_of_several_folders_are_served_from_one(bundle, tmp_path):
    found = find_bundles([bundle("one"), bundle("two")])
    folder = together(found, tmp_path / "all")
    assert sorted(one.name for one in find_bundles([folder])) == ["one", "two"]


@pytest.mark.parametrize("effort", Effort)
@pytest.mark.parametrize("sides", [2, 6, 10])
def test_a_comparison_fits_its_budget(effort, sides):
    timing = TIMINGS[effort].fitted(sides)
    assert timing.rounds >= 2
    one_bundle = effort is Effort.QUICK and sides > 2
    assert one_bundle or timing.seconds(sides) <= TIMINGS[effort].budget_seconds


def test_the_record_of_five_bundles_keeps_every_kind_of_load_and_three_rounds():
    """Five bundles, each against two forms of BERT-base: inside 50 minutes, with room for slow sides."""
    timing = TIMINGS[Effort.THOROUGH].fitted(15)
    assert timing.seconds(15) <= 45 * 60
    assert timing.rounds >= 3
    assert len(timing.rates) >= 3
    assert timing.search_steps >= 2
    assert len(timing.connections) >= 3
    assert min(timing.lone_seconds, timing.open_seconds, timing.closed_seconds / 2) >= 3


def test_one_bundle_for_the_record_is_measured_longer():
    few, many = (TIMINGS[Effort.THOROUGH].fitted(sides) for sides in (3, 15))
    assert few.rounds > many.rounds
    assert few.closed_seconds > many.closed_seconds


def test_who_says_how_often_gets_it():
    timing = TIMINGS[Effort.QUICK].changed(9, (8,)).fitted(20)
    assert (timing.rounds, timing.connections) == (9, (8,))
    assert CONTEST_TIMINGS[Effort.THOROUGH].fitted(50) == CONTEST_TIMINGS[Effort.THOROUGH]
