"""Sessions are told to go evenly, soon and in time."""

import itertools
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsgate_dataplane.session.pace import CLOSES_PER_SECOND, pace

NEARLY_ONE = 1 - 2**-53
COUNTS = st.integers(min_value=1, max_value=3000)
SECONDS = st.floats(min_value=0, max_value=86400)
SHARES = st.floats(min_value=0, max_value=1, exclude_max=True)


def cycling(*shares: float) -> Callable[[], float]:
    """A random that gives these again and again."""
    return itertools.cycle(shares).__next__


@given(COUNTS, SECONDS, st.lists(SHARES, min_size=1, max_size=20))
def test_each_session_has_a_delay_ascending_and_none_is_late(
    count: int, within_seconds: float, shares: list[float]
) -> None:
    delays = pace(count, within_seconds, cycling(*shares))
    assert len(delays) == count
    assert delays == sorted(delays)
    assert delays[0] >= 0
    assert delays[-1] <= within_seconds


@given(COUNTS, SECONDS)
def test_rounding_makes_no_session_late(count: int, within_seconds: float) -> None:
    assert max(pace(count, within_seconds, cycling(NEARLY_ONE))) <= within_seconds


@given(COUNTS, SHARES)
def test_with_time_enough_never_more_than_the_rate_go_in_a_second(count: int, share: float) -> None:
    delays = pace(count, 86400, cycling(share))
    # Jitter within slots may bring one more into the window.
    for first, later in zip(delays, delays[CLOSES_PER_SECOND + 1 :], strict=False):
        assert later - first > 1 - 1e-6


@given(COUNTS, SECONDS, SHARES)
def test_each_session_stays_in_its_own_slot(count: int, within_seconds: float, share: float) -> None:
    slot = min(within_seconds, count / CLOSES_PER_SECOND) / count
    for index, delay in enumerate(pace(count, within_seconds, cycling(share))):
        assert index * slot <= delay + 1e-6
        assert delay <= (index + 1) * slot + 1e-6


def test_few_sessions_go_at_once_although_there_is_time() -> None:
    assert max(pace(10, 3600, cycling(0.5))) < 0.06


def test_without_time_all_go_at_once() -> None:
    assert pace(3, 0, cycling(0.5)) == [0, 0, 0]


@pytest.mark.parametrize("within_seconds", [0, 30])
def test_nobody_to_tell_is_no_fault(within_seconds: float) -> None:
    assert pace(0, within_seconds, cycling(0.5)) == []
