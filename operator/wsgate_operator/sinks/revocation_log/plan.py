"""What must be written so that the set becomes what is wanted, as a function of what stands in Redis."""

from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from enum import StrEnum

from wsgate_contract.revocation_log import EPOCH_PREFIX, Change, LogEntry, SetDigest
from wsgate_operator.sinks.revocation_log.record import is_live_event

CHANGES_MAX = 500
"""Changes in one transaction; more are written in several, each of them consistent."""


@dataclass(frozen=True)
class Found:
    """What stands in Redis, unjudged."""

    members: Sequence[str]
    """All of the sorted set."""
    cursor: str | None
    """Id of the log's newest entry."""
    entry: LogEntry | None
    """The newest entry; None where it is no entry of ours."""
    is_foreign: bool = False
    """Whether one of the keys holds another type."""


@dataclass(frozen=True)
class State:
    """A set and a log that agree."""

    epoch: str
    members: frozenset[str]
    digest: SetDigest
    cursor: str


class Damage(StrEnum):
    """Why set and log cannot be built upon."""

    EMPTY = "there is none"
    FOREIGN = "a key holds something else"
    NO_LOG = "the log is gone"
    NO_SET = "the set is gone"
    EPOCH = "the set does not have the log's epoch"
    MISMATCH = "the set is not what the log says"
    ROLLED_BACK = "acknowledged changes are gone"


@dataclass(frozen=True)
class Write:
    """One transaction: the entries to append, and what stands after them."""

    entries: tuple[LogEntry, ...]
    after: State
    """Its cursor is the one before the entries: the server gives them their ids."""
    is_last: bool = True
    """Whether the set is then as desired."""
    damage: Damage | None = None
    """Why everything is written anew; None: only the entries are."""


def judge(found: Found, last_cursor: str | None) -> State | Damage:
    """Whether set and log agree; last_cursor is the newest entry that was seen before, whoever wrote it."""
    if found.is_foreign:
        return Damage.FOREIGN
    if found.cursor is None:
        return Damage.NO_LOG if found.members else Damage.EMPTY
    if not found.members:
        return Damage.NO_SET
    if found.entry is None:
        return Damage.FOREIGN
    epochs = [member for member in found.members if member.startswith(EPOCH_PREFIX)]
    if epochs != [EPOCH_PREFIX + found.entry.epoch]:
        return Damage.EPOCH
    members = frozenset(found.members) - {epochs[0]}
    # Members are ASCII; what is not has no digest.
    if not all(member.isascii() for member in members) or SetDigest.of(members) != found.entry.digest:
        return Damage.MISMATCH
    # A newer entry is another operator's; an older one means that a failover or a backup took some away.
    if last_cursor is not None and order_of(found.cursor) < order_of(last_cursor):
        return Damage.ROLLED_BACK
    return State(found.entry.epoch, members, found.entry.digest, found.cursor)


def order_of(cursor: str) -> tuple[int, int]:
    """A stream entry's id as numbers, so that ids compare by age."""
    milliseconds, _, number = cursor.partition("-")
    return int(milliseconds), int(number)


def live_events(members: Iterable[str], now: float) -> frozenset[str]:
    """The members that entered at a pod and are not over; they stay, whether the caller knows of them or not."""
    return frozenset(member for member in members if is_live_event(member, now))


def next_write(state: State, desired: AbstractSet[str], now: float) -> Write:
    """The first CHANGES_MAX changes, additions before removals, so that a changed record is never missing."""
    surplus = state.members - desired
    wanted: list[tuple[Change, str]] = [("add", member) for member in sorted(desired - state.members)]
    wanted += [("remove", member) for member in sorted(surplus - live_events(surplus, now))]
    digest, members = state.digest, set(state.members)
    entries: list[LogEntry] = []
    for change, member in wanted[:CHANGES_MAX]:
        if change == "add":
            digest = digest.added(member)
            members.add(member)
        else:
            digest = digest.removed(member)
            members.remove(member)
        entries.append(LogEntry(change, state.epoch, digest, member))
    after = State(state.epoch, frozenset(members), digest, state.cursor)
    return Write(tuple(entries), after, is_last=len(wanted) <= CHANGES_MAX)


def rewrite(found: Found, damage: Damage, desired: AbstractSet[str], now: float, epoch: str) -> Write:
    """Everything anew; of what is still there the events in force are kept."""
    members = frozenset(desired) | live_events(found.members, now)
    digest = SetDigest.of(members)
    return Write((LogEntry("reset", epoch, digest),), State(epoch, members, digest, ""), damage=damage)
