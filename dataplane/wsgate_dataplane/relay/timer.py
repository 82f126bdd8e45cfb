"""One loop timer for the deadlines of many items."""

import asyncio
from collections.abc import Callable, Hashable
from typing import TypeVar

from wsgate_dataplane.session.deadlines import Deadlines

Item = TypeVar("Item", bound=Hashable)


class DeadlineTimer(Deadlines[Item]):
    """Calls on_due(item) at the item's time (loop seconds); it holds at most one loop handle."""

    def __init__(self, loop: asyncio.AbstractEventLoop, on_due: Callable[[Item], None]) -> None:
        super().__init__()
        self._loop = loop
        self._on_due = on_due
        self._handle: asyncio.TimerHandle | None = None
        self._armed_for = float("inf")

    def set(self, item: Item, due: float) -> None:
        """Call on_due(item) at due, instead of any time set before."""
        super().set(item, due)
        if due < self._armed_for:
            self._arm(due)

    def stop(self) -> None:
        """Call nothing any more."""
        if self._handle is not None:
            self._handle.cancel()
        self.clear()
        self._armed_for = float("inf")

    def _arm(self, due: float) -> None:
        if self._handle is not None:
            self._handle.cancel()
        self._armed_for = due
        self._handle = self._loop.call_at(due, self._fire)

    def _fire(self) -> None:
        self._handle, self._armed_for = None, float("inf")
        # A millisecond of slack: loop clocks are coarser than the times handed to them.
        try:
            for item in self.pop_due(self._loop.time() + 0.001):
                self._on_due(item)
        finally:
            # Also when an item raises: the others' deadlines hold.
            due = self.next_due()
            if due is not None and due < self._armed_for:
                self._arm(due)
