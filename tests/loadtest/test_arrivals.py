import itertools
import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtest.arrivals import poisson


@given(st.floats(0.5, 2000), st.floats(0.1, 5), st.integers(0, 100))
def test_arrivals_are_sorted_inside_the_time_and_the_same_for_a_seed(rate, seconds, seed):
    times = poisson(rate, seconds, seed)
    assert times == sorted(times)
    assert all(0 < time < seconds for time in times)
    assert times == poisson(rate, seconds, seed)


def test_gaps_are_exponential_at_the_given_rate():
    times = poisson(1000, 50, 7)
    gaps = [later - earlier for earlier, later in itertools.pairwise(times)]
    assert len(times) == pytest.approx(50_000, rel=0.02)
    assert statistics.fmean(gaps) == pytest.approx(1e-3, rel=0.02)
    assert statistics.stdev(gaps) == pytest.approx(1e-3, rel=0.03)


@pytest.mark.parametrize(("rate", "seconds"), [(0, 1), (1, 0), (-1, 1)])
def test_no_rate_and_no_time_are_refused(rate, seconds):
    with pytest.raises(ValueError, match="must be positive"):
        poisson(rate, seconds, 0)
