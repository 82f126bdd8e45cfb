"""The operator's memory of what entered at pods; a record leaves it by expiry alone."""

import hashlib
import logging
from collections.abc import Iterable

from wsgate_contract.revocation import RevocationRecord
from wsgate_contract.revocation_log import EVENT_PREFIX, member_of
from wsgate_operator.sinks.revocation_log.inbox import InboxBatch
from wsgate_operator.sinks.revocation_log.record import event_fault, is_over

EVENT_BYTES_MAX = 8 * 1024 * 1024
"""All events together, as members; some 40,000. The set must fit into one transaction of a second."""

_log = logging.getLogger("wsgate.operator")


class Events:
    """Additive: whoever holds a pod can neither replace an event, nor shorten it, nor push it out.

    A further record of a known id is kept under an id of its own. What does not fit any more is not taken,
    so that it stays in the inbox, where every pod reads it; dropping older ones would lift revocations.
    """

    def __init__(self, bytes_max: int = EVENT_BYTES_MAX) -> None:
        self._bytes_max = bytes_max
        self._bytes = 0
        self._records: dict[str, RevocationRecord] = {}
        self._member_of_id: dict[str, str] = {}
        self._is_full = False

    @property
    def records(self) -> tuple[RevocationRecord, ...]:
        """In the order in which they came."""
        return tuple(self._records.values())

    @property
    def members(self) -> frozenset[str]:
        """The records as members of the set."""
        return frozenset(self._records)

    @property
    def is_full(self) -> bool:
        """Whether the latest records did not fit; the log says so too."""
        return self._is_full

    def fold(self, batch: InboxBatch, now: float) -> tuple[str, ...]:
        """Take in what pods have sent; answers the texts that are done with, for RevocationLog.publish()."""
        settled = list(batch.refused)
        left = 0
        for entry in batch.entries:
            if is_over(entry.record, now) or self._add(entry.record):
                settled.append(entry.text)
            else:
                left += 1
        self._tell_full(left)
        return tuple(settled)

    def restore(self, records: Iterable[RevocationRecord], now: float) -> int:
        """Take in what a former life left in the ConfigMap or in the set; answers how many did not fit.

        Objects' records, and what is no event that a pod could have sent, are left out.
        """
        events = [record for record in records if event_fault(record) is None and not is_over(record, now)]
        left = sum(not self._add(record) for record in events)
        self._tell_full(left)
        return left

    def expire(self, now: float) -> int:
        """Forget what is over; answers how many."""
        over = [member for member, record in self._records.items() if is_over(record, now)]
        for member in over:
            del self._member_of_id[self._records.pop(member).id]
            self._bytes -= len(member)
        return len(over)

    def _add(self, record: RevocationRecord) -> bool:
        member = member_of(record)
        # A loop, since the derived id may have been taken on purpose.
        while self._member_of_id.get(record.id, member) != member:
            digest = hashlib.sha256(member.encode()).hexdigest()[:32]
            record = record.model_copy(update={"id": f"{EVENT_PREFIX}{digest}"})
            member = member_of(record)
        if member in self._records:
            return True
        if self._bytes + len(member) > self._bytes_max:
            return False
        self._records[member] = record
        self._member_of_id[record.id] = member
        self._bytes += len(member)
        return True

    def _tell_full(self, left: int) -> None:
        if left and not self._is_full:
            detail = "they wait in the inbox; look for a pod that revokes far too much"
            _log.error("events-full", extra={"fields": {"waiting": left, "bytes": self._bytes, "detail": detail}})
        if self._is_full and not left:
            _log.info("events-fit-again", extra={"fields": {"bytes": self._bytes}})
        self._is_full = bool(left)
