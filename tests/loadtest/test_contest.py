import dataclasses
import shlex
import sys
from pathlib import Path

import pytest

from loadtest.agreement import Best, best_labels, require_same
from loadtest.contest import OWN, Contest, standing
from loadtest.errors import Disagreement, StartFailed
from loadtest.load import Call
from loadtest.peer import PEERS, SCRIPTS, Knobs, Peer
from loadtest.process import share_cores
from loadtest.report import write
from loadtest.results import PEERS as KIND
from loadtest.results import read
from loadtest.settings import Settings, Timing
from loadtest.target import Serving, Target
from loadtest.workload import Workload
from tests.kit.load_kit import load
from tests.kit.serve_kit import bundles_of_all_tasks

SMALL = Path(__file__).parent / "small_server.py"
KNOBS = (Knobs(40, 1.0), Knobs(1, 1.0))
TIMING = Timing(1, 0.2, 0.3, 0.0, 0.0, 0.1, 0.1, (4,), (), 0)


def small_peer(name="other", knobs=()):
    return Peer(name, str(SMALL), "small==1", knobs, ready_path="/health/ready")


@pytest.fixture
def contest(bundle, command, tmp_path):
    def make(peers, python_of=lambda peer: Path(sys.executable), tune_seconds=0.0, **fields):
        timing = dataclasses.replace(TIMING, tune_seconds=tune_seconds)
        given = {
            "bundles": (bundle("narrow"),),
            "out": tmp_path / "peers.json",
            "timing": timing,
            "command": "qingmo-loadtest peers",
            "serve": command(),
            "bound_ms": 20.0,
        }
        return Contest(Settings(**given | fields), peers, tmp_path, lambda step: None, python_of)

    return make


def test_servers_take_turns_with_their_best_settings_and_are_reported(contest, tmp_path):
    result = contest([small_peer(knobs=KNOBS)], tune_seconds=0.3).run()
    assert result.complete
    assert result.kind == KIND
    assert result == read(tmp_path / "peers.json")
    comparison = result.comparisons[0]
    assert comparison.name == Workload.TITLES.value
    assert [side.name for side in comparison.sides] == [OWN, "other"]
    assert comparison.sides[1].form == str(KNOBS[1])  # the small server waits a millisecond a text of a batch
    assert [turn.side for turn in comparison.turns] == [OWN, "other"]
    text, html = (path.read_text("utf-8") for path in write(result, tmp_path / "peers.json"))
    assert "other" in text
    assert "started, asked and stopped before the next" in " ".join(html.split())


def test_a_server_that_answers_differently_ends_the_run(contest, command):
    with pytest.raises(Disagreement, match="other does not do the same work"):
        contest([small_peer()], serve=command("--label", "sports")).run()


def test_a_peer_that_cannot_be_installed_is_noted_and_left_out(contest):
    def refuse(peer):
        raise StartFailed(f"{peer.name} could not be installed: no network.")

    result = contest([small_peer()], refuse).run()
    assert result.complete
    assert "other could not be installed: no network." in result.notes
    assert [side.name for side in result.comparisons[0].sides] == [OWN]


def test_a_peer_that_does_not_start_is_noted_and_left_out(contest, tmp_path):
    broken = tmp_path / "broken.py"
    broken.write_text("raise SystemExit('no such model')")
    peers = [dataclasses.replace(small_peer("broken"), script=str(broken)), small_peer()]
    result = contest(peers).run()
    assert result.complete
    assert "broken ended with exit code 1 before it was ready: no such model" in result.notes
    assert [side.name for side in result.comparisons[0].sides] == [OWN, "other"]


def test_a_contest_ends_where_qingmo_does_not_start(contest, command):
    with pytest.raises(StartFailed, match="this bundle is broken"):
        contest([small_peer()], serve=command("--refuse")).run()


def test_scores_that_differ_are_not_the_same_work():
    require_same("other", ["a"], [Best("x", 0.5)], [Best("x", 0.505)])
    for other in (Best("x", 0.52), Best("y", 0.5)):
        with pytest.raises(Disagreement):
            require_same("other", ["a"], [Best("x", 0.5)], [other])


@pytest.mark.parametrize("peer", PEERS, ids=lambda peer: peer.name)
def test_every_peer_has_a_program_of_at_most_60_lines(peer):
    assert len((SCRIPTS / peer.script).read_text("utf-8").splitlines()) <= 60
    assert "==" in peer.requirement
    assert peer.calls(["好"])[0].path == peer.path


def test_the_work_of_the_peers_is_that_of_the_server(tmp_path):
    """The simplest peer runs in any environment that has FastAPI: labels and scores as qingmo gives them."""
    bundles = bundles_of_all_tasks(tmp_path)
    name = next(folder.name for folder in bundles.iterdir() if "classify" in folder.name)
    texts = ["今天天气很好", "中国队赢了比赛", "字" * 300]
    fastapi, cores = PEERS[0], share_cores(1).server
    command = shlex.join([sys.executable, str(SCRIPTS / fastapi.script)])
    with Target(Serving(command, bundles, name, 1, cores, ready_path="/ready"), tmp_path / "log") as target:
        theirs = best_labels(target, fastapi.calls(texts))
    served = shlex.join([sys.executable, "-m", "server.cli"])
    with Target(Serving(served, bundles, name, 1, cores), tmp_path / "own") as target:
        calls = [Call("/v1/classify", call.body) for call in fastapi.calls(texts)]
        require_same("FastAPI", texts, best_labels(target, calls), theirs)


def test_settings_that_keep_the_bound_come_before_faster_ones():
    loads = [load(p99=30, throughput=500), load(p99=15, throughput=300), load(p99=19, throughput=400)]
    assert max(loads, key=lambda one: standing(one, 20)) is loads[2]
    assert max(loads[:1], key=lambda one: standing(one, 20)) is loads[0]
