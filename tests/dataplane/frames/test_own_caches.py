"""A copy does what the function does, by a code object of its own."""

import pytest

from wsgate_dataplane.frames.own_caches import with_own_caches


class Counter:
    """Counts."""

    def __init__(self) -> None:
        self.count = 0

    def add(self, amount: int = 1, *, times: int = 1) -> int:
        """More of it."""
        self.count += amount * times
        return self.count


def test_a_copy_does_the_same_and_shares_no_code() -> None:
    copy = with_own_caches(Counter.add)
    counter = Counter()
    assert (copy(counter), copy(counter, 5), copy(counter, 5, times=2)) == (1, 6, 16)
    assert copy.__doc__ == Counter.add.__doc__
    assert copy.__code__ is not Counter.add.__code__


def test_what_is_no_plain_function_is_not_copied() -> None:
    with pytest.raises(AssertionError, match="code object"):
        with_own_caches(len)
