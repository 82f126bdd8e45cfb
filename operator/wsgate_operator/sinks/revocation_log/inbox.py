"""What pods have sent: read, checked, not yet removed."""

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from wsgate_contract.revocation import RevocationRecord
from wsgate_contract.revocation_log import INBOX_RECORDS_MAX, Keys, LogEntryError
from wsgate_operator.sinks.revocation_log.connect import CALL_SECONDS, bounded
from wsgate_operator.sinks.revocation_log.record import event_of_member

if TYPE_CHECKING:
    from redis.asyncio import Redis

BATCH_MAX = 500
"""Entries read at once; the next pass reads the others. Removing them searches the list, while Redis waits."""

_log = logging.getLogger("wsgate.operator")


@dataclass(frozen=True)
class InboxEntry:
    """A record, and the text under which it stands in the inbox."""

    text: str
    record: RevocationRecord


@dataclass(frozen=True)
class InboxBatch:
    """The oldest entries."""

    entries: tuple[InboxEntry, ...] = ()
    refused: tuple[str, ...] = ()
    """Texts that are no record of a pod; they are removed without effect."""
    why_refused: str = ""
    """What is wrong with the first of them."""
    length: int = 0
    """Of the whole inbox."""


def check(texts: Iterable[str], length: int) -> InboxBatch:
    """Sort what stands in the inbox into records and rubbish."""
    entries: list[InboxEntry] = []
    refused: list[str] = []
    why = ""
    for text in texts:
        try:
            entries.append(InboxEntry(text, event_of_member(text)))
        except LogEntryError as error:
            why = why or str(error)
            refused.append(text)
    return InboxBatch(tuple(entries), tuple(refused), why, length)


class Inbox:
    """Reads; RevocationLog.publish() removes what was settled, together with the log entries."""

    def __init__(self, client: "Redis", keys: Keys) -> None:
        self._client = client
        self._keys = keys
        self._is_refusing = False
        self._is_overfull = False

    async def read(self) -> InboxBatch:
        """The oldest entries; raises RevocationLogError."""
        async with bounded(2 * CALL_SECONDS), self._client.pipeline() as pipe:
            pipe.lrange(self._keys.inbox, 0, BATCH_MAX - 1)
            pipe.llen(self._keys.inbox)
            texts, length = await pipe.execute()
        batch = check(texts, length)
        self._tell(batch)
        return batch

    def _tell(self, batch: InboxBatch) -> None:
        """Log a fault when it begins."""
        if batch.refused and not self._is_refusing:
            fields = {"refused": len(batch.refused), "detail": batch.why_refused}
            _log.warning("inbox-entries-refused", extra={"fields": fields})
        is_overfull = batch.length > INBOX_RECORDS_MAX
        if is_overfull and not self._is_overfull:
            detail = f"pods read only the first {INBOX_RECORDS_MAX}; look for a pod that revokes far too much"
            _log.error("inbox-overfull", extra={"fields": {"length": batch.length, "detail": detail}})
        self._is_refusing, self._is_overfull = bool(batch.refused), is_overfull
