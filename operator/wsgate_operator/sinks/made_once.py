"""What is costly to make of a value is made once, for as long as the value stays the very same object."""

from collections.abc import Callable, Iterable
from typing import Generic, TypeVar

Source = TypeVar("Source")
Made = TypeVar("Made")


class MadeOnce(Generic[Source, Made]):
    """Remembers what was made at the latest call; translate hands out unchanged routes and records again."""

    def __init__(self, make: Callable[[Source], Made]) -> None:
        self._make = make
        self._known: dict[str, tuple[Source, Made]] = {}

    def of(self, values: Iterable[tuple[str, Source]]) -> list[tuple[str, Made]]:
        """Key and what is made of its value, in the order given; of other keys nothing is remembered."""
        before, self._known, found = self._known, {}, []
        for key, value in values:
            known = before.get(key)
            if known is None or known[0] is not value:
                known = value, self._make(value)
            self._known[key] = known
            found.append((key, known[1]))
        return found
