"""When requests are due in an open loop; knows nothing of what is sent."""

from __future__ import annotations

import numpy as np


def poisson(rate: float, seconds: float, seed: int) -> list[float]:
    """Arrival times in seconds from the start, sorted, all below `seconds`.

    A Poisson process of `rate` arrivals a second: independent users who do not wait for each other, so the
    gaps are exponential. The schedule is fixed beforehand: a slow server cannot thin it out, which is what
    a closed loop lets it do (coordinated omission; G. Tene, "How NOT to Measure Latency", 2013).

    Raises:
        ValueError: `rate` or `seconds` is not positive.
    """
    if rate <= 0 or seconds <= 0:
        raise ValueError(f"rate and seconds must be positive, not {rate} and {seconds}")
    draw = np.random.default_rng(seed)
    expected = rate * seconds
    gaps = draw.exponential(1.0 / rate, size=int(expected + 6.0 * expected**0.5) + 8)
    times = np.cumsum(gaps)
    while times[-1] < seconds:
        times = np.concatenate([times, times[-1] + np.cumsum(draw.exponential(1.0 / rate, size=64))])
    return [float(time) for time in times[times < seconds]]
