import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtest.load import Kind
from loadtest.results import Comparison, Engine, Side, Turn
from loadtest.summary import checks, claims, goodput, interval, losses
from loadtest.turns import fewest
from tests.kit.load_kit import load


def side(name, engine=None, random=False):
    return Side(
        name=name,
        bundle=name,
        version="ab" * 32,
        form="int8",
        parameters=10,
        disk_bytes=10,
        random_weights=random,
        command="",
        idle_share=0.001,
        engine=engine,
    )


def comparison(mine, theirs, engine=None):
    turns = []
    for number, (one, other) in enumerate(zip(mine, theirs, strict=True), 1):
        for name, throughput in (("student", one), ("BERT-base", other)):
            lone = load(Kind.LONE, throughput, p50=1000 / throughput)
            turns.append(
                Turn(
                    round=number, side=name, lone=lone, closed=load(throughput=throughput), resident_mb=100.0
                )
            )
    return Comparison(
        name="student",
        task="classify",
        heading="same",
        texts=1,
        mean_chars=1.0,
        source="here",
        sides=(side("student", engine), side("BERT-base", random=True)),
        turns=tuple(turns),
    )


@given(st.lists(st.floats(0.1, 1e6), min_size=1, max_size=12))
def test_an_interval_holds_its_median(values):
    found = interval(values)
    assert found.least <= found.median <= found.most
    assert found.low <= found.median <= found.high


@pytest.mark.parametrize("rounds", [2, 3, 5, 12])
def test_an_interval_holds_the_truth_as_often_as_it_says(rounds):
    """Two equal servers, rounds of noise: a bootstrap over so few would miss it in half of all cases."""
    draw = np.random.default_rng(7)
    found = [interval(list(draw.lognormal(0.0, 0.2, rounds))) for _ in range(2000)]
    held = np.mean([one.low <= 1 <= one.high for one in found])
    assert 0.935 < held < 0.97


def test_of_one_round_nothing_is_known_and_a_zero_has_no_logarithm():
    assert (interval([4.0]).low, interval([4.0]).high) == pytest.approx((4.0, 4.0))
    assert (interval([0.0, 4.0]).low, interval([0.0, 4.0]).high) == (0.0, 4.0)


def test_no_rounds_no_interval():
    assert interval([]) is None


def test_ratios_are_taken_within_a_round():
    """A machine that slows to a third in the second round does not blur the ratio."""
    found = claims(comparison([1000, 333, 1000], [100, 33.3, 100]), 50)
    assert [claim.what for claim in found] == ["throughput", "lone latency"]
    for claim in found:
        assert claim.ratio.least == pytest.approx(10)
        assert claim.ratio.most == pytest.approx(10)
        assert claim.holds


@pytest.mark.parametrize(
    ("mine", "theirs"),
    [
        ([100, 100, 100], [101, 99, 102]),  # no difference
        ([100, 100, 100], [200, 200, 200]),  # slower
        ([1000], [10]),  # one round proves nothing
    ],
)
def test_a_claim_that_the_interval_does_not_carry_is_not_made(mine, theirs):
    assert not claims(comparison(mine, theirs), 50)[0].holds


def test_where_the_first_side_loses_is_said_in_words():
    found = comparison([100, 100, 100], [200, 210, 220])
    assert [claim.lost for claim in claims(found, 50)] == [True, True]
    sides = (msgspec.structs.replace(found.sides[0], idle_share=0.02), found.sides[1])
    said = losses(msgspec.structs.replace(found, sides=sides), 50)
    assert said == [
        "BERT-base is better in throughput: student has 0.48 of it",
        "BERT-base is better in lone latency: student has 0.48 of it",
        "idle, BERT-base 0.10 % of a core, and student 2.00 %",
    ]
    assert losses(comparison([200, 200], [100, 100]), 50) == []


def test_a_round_without_goodput_counts_as_one():
    found = comparison([100, 100], [100, 100])
    kept, missed = load(Kind.OPEN, 100, p99=10, rate=100), load(Kind.OPEN, 100, p99=90, rate=100)
    opened = {("student", 1): kept, ("student", 2): missed, ("BERT-base", 1): kept, ("BERT-base", 2): kept}
    turns = tuple(
        msgspec.structs.replace(turn, opened=(opened[turn.side, turn.round],)) for turn in found.turns
    )
    goodputs = claims(msgspec.structs.replace(found, turns=turns), 50)[-1]
    assert goodputs.ratio.n == 2
    assert goodputs.ratio.least == 0


def test_a_saturated_generator_backs_no_claim():
    found = comparison([1000, 1000], [10, 10])
    turns = tuple(
        msgspec.structs.replace(turn, closed=load(throughput=1000, saturated=True))
        if turn.side == "student"
        else turn
        for turn in found.turns
    )
    assert claims(msgspec.structs.replace(found, turns=turns), 50) == []


def test_limits_are_judged_against_the_engine():
    engine = Engine(lone_ms=0.9, cpu_ms=0.6, texts_a_second=1000)
    found = {check.what: check for check in checks(comparison([1000, 1000], [10, 10], engine))}
    cpu = found["server CPU a request above the engine's a text"]
    assert cpu.value == pytest.approx(1.0 - 0.6)
    assert not cpu.met
    lone = found["lone p50 above the engine's time"]
    assert lone.value == pytest.approx(0.1)
    assert lone.met
    assert found["resident memory after load"].met
    assert found["idle CPU, share of a core"].value == pytest.approx(0.1)


def test_goodput_is_the_highest_rate_that_keeps_the_bound():
    opened = (
        load(Kind.OPEN, 100, p99=10, rate=100),
        load(Kind.OPEN, 200, p99=49, rate=200),
        load(Kind.OPEN, 250, p99=20, rate=250, saturated=True),
        load(Kind.OPEN, 300, p99=51, rate=300),
    )
    turn = Turn(round=1, side="student", lone=load(), closed=load(), opened=opened)
    assert goodput(50)(turn) == 200
    assert goodput(5)(turn) == 0
    assert goodput(50)(Turn(round=1, side="student", lone=load(), closed=load())) is None


def test_the_fewest_connections_that_saturate():
    assert fewest({4: 50.0, 16: 98.0, 64: 100.0}) == 16
    assert fewest({4: 0.0, 16: 0.0}) == 4
