"""Windows cover every token, overlap as asked, and share out every token once."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from server.inference.values import Window
from server.inference.windows import owned, ranges

sizes = st.tuples(st.integers(0, 300), st.integers(1, 50), st.integers(0, 60))


@given(sizes)
def test_windows_cover_all_and_overlap_as_asked(size):
    count, room, overlap = size
    found = ranges(count, room, overlap)
    assert found[0][0] == 0
    assert found[-1][1] == count
    assert all(stop - start <= room for start, stop in found)
    for left, right in pairwise(found):
        assert left[1] - right[0] == min(overlap, room // 2)
        assert left[1] < right[1]
    assert (count <= room) == (len(found) == 1)


@given(sizes)
def test_every_token_is_decided_once_by_the_window_with_most_context(size):
    windows = [Window(start, stop, 1) for start, stop in ranges(*size)]
    shares = owned(windows)
    assert [token for start, stop in shares for token in range(start, stop)] == list(range(size[0]))
    last = size[0]

    def context(window: Window, token: int) -> int:
        before = last if window.start == 0 else token - window.start
        after = last if window.stop == last else window.stop - 1 - token
        return min(before, after)

    for window, (start, stop) in zip(windows, shares, strict=True):
        for token in range(start, stop):
            rivals = [other for other in windows if other.start <= token < other.stop]
            assert window in rivals
            assert context(window, token) == max(context(other, token) for other in rivals)
