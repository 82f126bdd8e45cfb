"""Deadlines of many things in one heap, so that one timer serves all."""

import heapq
from collections.abc import Iterator
from typing import Generic, TypeVar

Item = TypeVar("Item")


class Deadlines(Generic[Item]):
    """Items with a due time each; the caller brings the clock (any monotonic seconds).

    There is no cancel: an item that is no longer interesting is ignored by its owner when it comes
    due. That keeps one tuple per item and no index.
    """

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Item]] = []
        self._sequence = 0

    def __len__(self) -> int:
        return len(self._heap)

    def add(self, due: float, item: Item) -> None:
        """Make item due at that time; equal times keep their order."""
        self._sequence += 1
        heapq.heappush(self._heap, (due, self._sequence, item))

    def next_due(self) -> float | None:
        """When the earliest item is due; None when there is none."""
        return self._heap[0][0] if self._heap else None

    def pop_due(self, now: float) -> Iterator[Item]:
        """Take out what is due, earliest first."""
        while self._heap and self._heap[0][0] <= now:
            yield heapq.heappop(self._heap)[2]
