"""The brake: what vanishes in bulk from one listing stays in force for a while.

A restored etcd, a replaced definition or a listing that lies looks like a mass deletion. A deletion that
the watch has reported is meant, and passes at once.
"""

from collections.abc import Mapping, Set
from dataclasses import dataclass, field

HOLD_SECONDS = 300.0
VANISHED_COUNT_MAX = 10
VANISHED_SHARE_MAX = 0.2
"""Both must be exceeded."""


@dataclass(frozen=True)
class Brake:
    """The keys that are held, with the time since when; one brake for each kind of object."""

    held_since: Mapping[str, float] = field(default_factory=dict)

    @property
    def release_at(self) -> float | None:
        """When apply() lets go of the first key; None while nothing is held."""
        return min(self.held_since.values()) + HOLD_SECONDS if self.held_since else None


@dataclass(frozen=True)
class Braked:
    """The brake afterwards, the keys that stay in force without an object, and what to tell people."""

    brake: Brake
    kept: frozenset[str]
    event: str | None = None


def apply(brake: Brake, *, previous: Set[str], listed: Set[str], deleted: Set[str], now: float) -> Braked:
    """Judge one listing; with the latest one again, only the passing of time and of deletions.

    previous: the keys in force before, those held included. deleted: keys whose deletion the watch has
    reported since then. now: seconds of a clock that never goes back. What is in force afterwards is
    listed and kept together.
    """
    still = {key: since for key, since in brake.held_since.items() if key not in listed and key not in deleted}
    held = {key: since for key, since in still.items() if now - since < HOLD_SECONDS}
    vanished = previous - listed - deleted - brake.held_since.keys()
    is_bulk = len(vanished) > VANISHED_COUNT_MAX and len(vanished) > VANISHED_SHARE_MAX * len(previous)
    # What vanishes while others are held belongs to the same event.
    newly = vanished if is_bulk or held else frozenset()
    held |= dict.fromkeys(newly, now)
    return Braked(Brake(held), frozenset(held), _event(len(newly), len(previous), len(still), has_held=bool(held)))


def _event(newly: int, previous: int, still: int, *, has_held: bool) -> str | None:
    if newly:
        return (
            f"{newly} of {previous} objects are missing from a listing without having been deleted one by one; "
            f"they stay in force for {HOLD_SECONDS:.0f} seconds"
        )
    if still and not has_held:
        return f"{still} objects that were missing from a listing have not come back; they are no longer in force"
    return None
