"""Verified signatures in this process: the least recently used goes first."""

from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, TypeVar

Proof = TypeVar("Proof", bound=Hashable)

ENTRIES_MAX = 10_000
"""Some 5 MiB. Whoever holds no token of a provider can add none."""


class MemoryStore(Generic[Proof]):
    """At most entries_max proofs with the Unix time at which each is forgotten."""

    def __init__(self, entries_max: int = ENTRIES_MAX) -> None:
        self._entries_max = entries_max
        self._entries: OrderedDict[Proof, int] = OrderedDict()

    def __len__(self) -> int:
        return len(self._entries)

    def holds(self, proof: Proof, now: float) -> bool:
        """Whether it is remembered; that makes it the last to go."""
        expires_at = self._entries.get(proof)
        if expires_at is None:
            return False
        if expires_at <= now:
            del self._entries[proof]
            return False
        self._entries.move_to_end(proof)
        return True

    def keep(self, proof: Proof, expires_at: int) -> None:
        """Remember it; the one that was asked for longest ago makes room."""
        self._entries[proof] = expires_at
        self._entries.move_to_end(proof)
        if len(self._entries) > self._entries_max:
            self._entries.popitem(last=False)
