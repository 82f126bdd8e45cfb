"""The local view of what is revoked."""

from collections.abc import Iterable, Iterator

from wsgate_contract.revocation import RevocationRecord
from wsgate_dataplane.revocation.matching import Identity, is_in_force, matches

Key = tuple[str, str]


class RevocationView:
    """All records, by the matcher that narrows them most."""

    def __init__(self) -> None:
        self._records: dict[str, RevocationRecord] = {}
        self._by_key: dict[Key, list[RevocationRecord]] = {}
        self._unkeyed: list[RevocationRecord] = []
        self.confirmed_at: float | None = None
        """When a channel last confirmed the view, in Unix seconds; None: never loaded."""

    def __len__(self) -> int:
        return len(self._records)

    def replace(self, records: Iterable[RevocationRecord]) -> tuple[RevocationRecord, ...]:
        """Take over the whole set; returns the records that are new or changed."""
        fresh = {record.id: record for record in records}
        added = tuple(record for id_, record in fresh.items() if self._records.get(id_) != record)
        self._records = fresh
        self._by_key, self._unkeyed = {}, []
        for record in fresh.values():
            key = next(_keys_of_record(record), None)
            if key is None:
                self._unkeyed.append(record)
            else:
                self._by_key.setdefault(key, []).append(record)
        return added

    def revoked_by(self, identity: Identity, now: float) -> RevocationRecord | None:
        """A record in force at now (Unix seconds) that touches the identity."""
        for key in _keys_of_identity(identity):
            for record in self._by_key.get(key, ()):
                if is_in_force(record, now) and matches(record, identity):
                    return record
        for record in self._unkeyed:
            if is_in_force(record, now) and matches(record, identity):
                return record
        return None

    def is_stale(self, now: float, stale_seconds: float) -> bool:
        """Whether no channel has confirmed for too long."""
        return self.confirmed_at is None or now - self.confirmed_at > stale_seconds


def _keys_of_record(record: RevocationRecord) -> Iterator[Key]:
    asked = (
        ("token", record.token_sha256),
        ("jti", record.jti),
        ("sid", record.session_id),
        ("subject", record.subject),
    )
    return ((kind, value) for kind, value in asked if value is not None)


def _keys_of_identity(identity: Identity) -> Iterator[Key]:
    found = (
        ("token", identity.token_sha256),
        ("jti", identity.jti),
        ("sid", identity.session_id),
        ("subject", identity.subject),
    )
    return ((kind, value) for kind, value in found if value is not None)
