"""Things by a key that few of them share."""

from collections.abc import Hashable, Iterable
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Item = TypeVar("Item")


class Index(Generic[Key, Item]):
    """A multi-map that costs one dictionary slot for a key with one item; items are never sets."""

    def __init__(self) -> None:
        self._items: dict[Key, Item | set[Item]] = {}

    def __len__(self) -> int:
        return len(self._items)

    def add(self, key: Key, item: Item) -> None:
        """One more under the key."""
        found = self._items.setdefault(key, item)
        if found is item:
            return
        if isinstance(found, set):
            found.add(item)
        else:
            self._items[key] = {found, item}

    def discard(self, key: Key, item: Item) -> None:
        """Take the item out; unknown ones are fine."""
        found = self._items.pop(key, None)
        if found is item or found is None:
            return
        if isinstance(found, set):
            found.discard(item)
            if not found:
                return
        elif found == item:
            return
        # What is left goes back.
        self._items[key] = found

    def get(self, key: Key) -> Iterable[Item]:
        """The items under the key."""
        found = self._items.get(key)
        if found is None:
            return ()
        return tuple(found) if isinstance(found, set) else (found,)
