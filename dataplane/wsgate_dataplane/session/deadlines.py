"""Deadlines of many things in one heap, so that one timer serves all."""

import heapq
from collections.abc import Hashable, Iterator
from typing import Generic, TypeVar

Item = TypeVar("Item", bound=Hashable)

STALE_ENTRIES_MIN = 64
"""Below this many replaced entries the heap is not rebuilt."""


class Deadlines(Generic[Item]):
    """At most one due time per item; the caller brings the clock (any monotonic seconds).

    A replaced or discarded entry stays in the heap until it surfaces or until such entries outnumber
    the live ones: both operations stay logarithmic, and memory follows the live items.
    """

    def __init__(self) -> None:
        self._due: dict[Item, tuple[float, int, Item]] = {}
        """The entry in the heap that holds; all others there are stale."""
        self._heap: list[tuple[float, int, Item]] = []
        self._sequence = 0

    def __len__(self) -> int:
        return len(self._due)

    def set(self, item: Item, due: float) -> None:
        """Make item due at that time, instead of any time set before; equal times keep their order."""
        self._sequence += 1
        entry = self._due[item] = (due, self._sequence, item)
        heapq.heappush(self._heap, entry)
        if len(self._heap) > 2 * len(self._due) + STALE_ENTRIES_MIN:
            self._compact()

    def discard(self, item: Item) -> None:
        """Forget the item; unknown items are fine."""
        if self._due.pop(item, None) is not None and len(self._heap) > 2 * len(self._due) + STALE_ENTRIES_MIN:
            self._compact()

    def clear(self) -> None:
        """Forget all items."""
        self._due.clear()
        self._heap.clear()

    def next_due(self) -> float | None:
        """When the earliest item is due; None when there is none."""
        while self._heap and self._is_stale(self._heap[0]):
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    def pop_due(self, now: float) -> Iterator[Item]:
        """Take out what is due, earliest first; items set meanwhile for later are left alone."""
        while (due := self.next_due()) is not None and due <= now:
            item = heapq.heappop(self._heap)[2]
            del self._due[item]
            yield item

    def _is_stale(self, entry: tuple[float, int, Item]) -> bool:
        return self._due.get(entry[2]) is not entry

    def _compact(self) -> None:
        self._heap = list(self._due.values())
        heapq.heapify(self._heap)
