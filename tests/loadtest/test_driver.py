import pytest

from loadtest.driver import Driver, prepared
from loadtest.errors import GeneratorFailed, TargetDied
from loadtest.load import Call, Kind, Plan
from loadtest.process import share_cores

CALL = Call("/v1/classify", '{"text": "好"}'.encode())


@pytest.fixture
def driver(tmp_path):
    return Driver(share_cores(1).load, tmp_path)


@pytest.fixture
def plan_of(tmp_path):
    calls = prepared([CALL], tmp_path, "one")

    def make(target, kind, **more):
        given = {"seconds": 0.6, "warmup": 0.1, "server_pids": target.pids, "timeout": 5.0} | more
        return Plan(kind=kind, url=target.url, calls=calls, **given)

    return make


@pytest.mark.parametrize(
    ("kind", "more"),
    [(Kind.LONE, {}), (Kind.CLOSED, {"connections": 8}), (Kind.OPEN, {"rate": 100.0})],
)
def test_a_server_of_known_speed_is_measured_right(small, driver, plan_of, kind, more):
    with small("--delay-ms", "20") as target:
        load = driver.run(plan_of(target, kind, **more), target)
    assert not load.errors
    assert load.latency is not None
    assert 19 <= load.latency.p50 <= load.latency.p95 <= load.latency.p99 <= load.latency.max
    assert (load.server_cpu_seconds is None) is (kind is Kind.OPEN)
    assert load.throughput == pytest.approx(load.answered / load.seconds)
    most = {Kind.LONE: 50, Kind.CLOSED: 400, Kind.OPEN: 150}[kind]
    assert 0 < load.throughput < most * 1.1


def test_an_open_loop_counts_until_its_last_answer_and_says_where_it_was_itself_the_limit(
    small, driver, plan_of
):
    """What was answered after the last arrival is no throughput; connections are not without number."""
    with small("--delay-ms", "1500") as target:
        plan = plan_of(target, Kind.OPEN, rate=800.0, seconds=1.0, warmup=0.0, timeout=20.0)
        load = driver.run(plan, target)
    assert load.answered > 700
    assert load.seconds > 2.4
    assert load.throughput < 400
    assert load.saturated, "more were due at a time than it has connections"


@pytest.mark.parametrize(
    ("kind", "more"),
    [(Kind.LONE, {}), (Kind.OPEN, {"rate": 200.0})],
)
def test_refusals_are_counted_by_code_and_not_timed(small, driver, plan_of, kind, more):
    with small("--fail-every", "2") as target:
        load = driver.run(plan_of(target, kind, **more), target)
    assert [error.code for error in load.errors] == ["500"]
    assert load.failed > 0
    assert load.answered > 0
    assert not load.keeps(1e9)


def test_an_open_loop_hides_no_stall(small, driver, plan_of):
    with small("--stall-at", "40") as target:
        load = driver.run(plan_of(target, Kind.OPEN, rate=200.0, seconds=1.0), target)
    assert load.latency is not None
    assert (
        load.latency.p95 > 100
    )  # 0.3 s of arrivals waited the stall out; in a closed loop one request would


def test_an_answer_that_never_comes_is_an_error_and_no_hang(small, driver, plan_of):
    with small("--mute") as target:
        load = driver.run(plan_of(target, Kind.OPEN, rate=20.0, seconds=0.3, warmup=0.0, timeout=0.5), target)
    assert load.latency is None
    assert [error.code for error in load.errors] == ["TimeoutError"]


def test_a_server_that_dies_ends_the_run_with_a_sentence(small, driver, plan_of):
    sentence = "exit code 7 while it was measured"
    with small("--die-after", "50") as target, pytest.raises(TargetDied, match=sentence):
        driver.run(plan_of(target, Kind.OPEN, rate=500.0, seconds=60.0), target)


def test_a_generator_that_fails_says_why(small, driver, plan_of):
    with small() as target:
        broken = plan_of(target, Kind.LONE, seconds=0.1)
        plan = Plan(kind=broken.kind, url=broken.url, calls="no-such-file", seconds=0.1)
        with pytest.raises(GeneratorFailed, match="no-such-file"):
            driver.run(plan, target)
