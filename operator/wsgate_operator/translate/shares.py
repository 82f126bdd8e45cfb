"""Fair shares of a room that is too small: who takes less than an equal share loses nothing."""

from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Sequence
from typing import TypeVar

Item = TypeVar("Item")


def in_turn(
    items: Sequence[Item], size: Callable[[Item], int], namespace_of: Callable[[Item], str | None]
) -> list[Item]:
    """By what the item's namespace takes up to and with it; first, and in their order, those of none.

    Whatever number of the first ones is kept, the shares differ by less than one item (max-min fairness).
    """
    taken = Counter[str]()
    turns: list[tuple[int, Item]] = []
    for item in items:
        namespace = namespace_of(item)
        if namespace is not None:
            taken[namespace] += size(item)
        turns.append((0 if namespace is None else taken[namespace], item))
    return [item for _, item in sorted(turns, key=lambda turn: turn[0])]


def count_that_fits(items: Sequence[Item], stored_bytes: Callable[[Sequence[Item]], int], bytes_max: int) -> int:
    """How many of the first items fit; they are measured once where all do, else about log2(n) times more."""
    if stored_bytes(items) <= bytes_max:
        return len(items)
    counts = range(len(items))
    return max(bisect_right(counts, bytes_max, key=lambda count: stored_bytes(items[:count])) - 1, 0)
