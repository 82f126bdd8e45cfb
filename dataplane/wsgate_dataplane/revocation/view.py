"""The local view of what is revoked: the union of what the channels say."""

from collections.abc import Iterable, Iterator, Set
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, get_args

from wsgate_contract.revocation import RevocationRecord
from wsgate_contract.revocation_log import LogEntryError, member_of, record_of_member
from wsgate_dataplane.revocation.claim_index import ClaimIndex
from wsgate_dataplane.revocation.matching import Identity, claims_of, is_in_force, matches
from wsgate_dataplane.session.index import Index

Channel = Literal["redis", "inbox", "file"]
CHANNELS: tuple[Channel, ...] = get_args(Channel)

READ_MAX = 8192
"""Members that are kept as records for a while: a tenant may revoke one subject thousands of times."""


@dataclass(frozen=True)
class ChannelState:
    """What one channel says."""

    name: Channel
    records: int
    confirmed_at: float | None
    """Unix seconds; None: never."""


class RevocationView:
    """Records by the matcher that narrows them most; one is revoked for as long as any channel holds it.

    They are kept as members (member_of), which take a third of the memory of records: there may be 100,000.
    Two records of one id both count.
    """

    def __init__(self) -> None:
        self._channels: dict[str, int] = {}
        """Of each member, as bits."""
        self._index = Index[int, str]()
        """Members by the hash of scope and matcher: a collision finds too many, and matches() tells."""
        self._by_claim: dict[str | None, ClaimIndex[str]] = {}
        """By namespace, members that only a claim narrows."""
        self._records: dict[str, RevocationRecord] = {}
        """Of those members: a session may have many, which would take long to read."""
        self._unindexed: dict[str | None, dict[str, RevocationRecord]] = {}
        """By namespace, those that no index can find."""
        self._counts = dict.fromkeys(CHANNELS, 0)
        self._confirmed_at: dict[Channel, float | None] = dict.fromkeys(CHANNELS)
        self.confirmed_at: float | None = None
        """When a channel last confirmed, in Unix seconds; None: none ever did."""

    def __len__(self) -> int:
        return len(self._channels)

    def holds(self, channel: Channel, member: str) -> bool:
        """Whether that channel says so."""
        return bool(self._channels.get(member, 0) & _BITS[channel])

    def add(self, channel: Channel, member: str) -> RevocationRecord | None:
        """A channel says so; answers the record if no channel did before. Raises LogEntryError."""
        bits, bit = self._channels.get(member, 0), _BITS[channel]
        if bits & bit:
            return None
        record = None
        if not bits:
            if not member.isascii():
                raise LogEntryError("not a revocation record: not ASCII")
            record = record_of_member(member)
            self._enter(member, record)
        self._channels[member] = bits | bit
        self._counts[channel] += 1
        return record

    def discard(self, channel: Channel, member: str) -> None:
        """A channel does not say so any more; unknown members are fine."""
        bits, bit = self._channels.get(member, 0), _BITS[channel]
        if not bits & bit:
            return
        self._counts[channel] -= 1
        if bits == bit:
            del self._channels[member]
            self._leave(member, record_of_member(member))
        else:
            self._channels[member] = bits & ~bit

    def retain(self, channel: Channel, members: Set[str]) -> None:
        """A channel says nothing but these."""
        bit = _BITS[channel]
        gone = [member for member, bits in self._channels.items() if bits & bit and member not in members]
        for member in gone:
            self.discard(channel, member)

    def replace_members(self, channel: Channel, members: Set[str]) -> tuple[RevocationRecord, ...]:
        """A channel says exactly this; answers the records that no channel held. Raises LogEntryError."""
        added = tuple(record for member in members if (record := self.add(channel, member)) is not None)
        self.retain(channel, members)
        return added

    def replace(self, records: Iterable[RevocationRecord]) -> tuple[RevocationRecord, ...]:
        """The file says exactly this; answers the records that no channel held."""
        return self.replace_members("file", frozenset(map(member_of, records)))

    def revoked_by(self, identity: Identity, now: float) -> RevocationRecord | None:
        """A record in force at now (Unix seconds) that touches the identity."""
        if not self._channels:
            # Nothing at all is revoked most of the time, and every handshake asks twice.
            return None
        for record in self._candidates(identity):
            if is_in_force(record, now) and matches(record, identity):
                return record
        return None

    def records(self) -> Iterator[tuple[RevocationRecord, tuple[Channel, ...]]]:
        """Each with the channels that hold it; it shows the moment of the call."""
        held = tuple(self._channels.items())
        return (
            (record_of_member(member), tuple(each for each in CHANNELS if bits & _BITS[each]))
            for member, bits in held
        )

    def confirm(self, channel: Channel, at: float | None) -> None:
        """What the channel says was complete at that moment (Unix seconds); None: nobody knows."""
        self._confirmed_at[channel] = at
        self.confirmed_at = max((at for at in self._confirmed_at.values() if at is not None), default=None)

    def channels(self) -> tuple[ChannelState, ...]:
        """All of them, also those that are not in use."""
        return tuple(ChannelState(name, self._counts[name], self._confirmed_at[name]) for name in CHANNELS)

    def is_stale(self, now: float, stale_seconds: float) -> bool:
        """Whether no channel has confirmed for too long."""
        confirmed_at = self.confirmed_at
        return confirmed_at is None or now - confirmed_at > stale_seconds

    def _candidates(self, identity: Identity) -> Iterator[RevocationRecord]:
        # Apart by namespace, so that no tenant's records cost another's handshakes anything.
        for namespace in (None, identity.namespace):
            for matcher in _matchers(identity):
                yield from map(_record, self._index.get(_key(namespace, matcher)))
            if by_claim := self._by_claim.get(namespace):
                yield from map(self._records.__getitem__, by_claim.find(claims_of(identity.payload)))
            yield from self._unindexed.get(namespace, {}).values()

    def _enter(self, member: str, record: RevocationRecord) -> None:
        matcher, namespace = next(_matchers(record), None), record.namespace
        if matcher is not None:
            self._index.add(_key(namespace, matcher), member)
        elif record.claim is not None:
            self._by_claim.setdefault(namespace, ClaimIndex()).add(record.claim, member)
            self._records[member] = record
        else:
            self._unindexed.setdefault(namespace, {})[member] = record

    def _leave(self, member: str, record: RevocationRecord) -> None:
        matcher, namespace = next(_matchers(record), None), record.namespace
        if matcher is not None:
            self._index.discard(_key(namespace, matcher), member)
        elif record.claim is not None:
            del self._records[member]
            self._by_claim[namespace].discard(record.claim, member)
            if not self._by_claim[namespace]:
                del self._by_claim[namespace]
        else:
            del self._unindexed[namespace][member]


_record = lru_cache(maxsize=READ_MAX)(record_of_member)
_BITS: dict[Channel, int] = {channel: 1 << index for index, channel in enumerate(CHANNELS)}


def _key(namespace: str | None, matcher: tuple[str, str]) -> int:
    return hash((namespace, *matcher))


def _matchers(of: RevocationRecord | Identity) -> Iterator[tuple[str, str]]:
    """What is given of what an index can find, the narrowest first."""
    given = (
        ("token", of.token_sha256),
        ("jti", of.jti),
        ("sid", of.session_id),
        ("subject", of.subject),
    )
    return ((kind, value) for kind, value in given if value is not None)
