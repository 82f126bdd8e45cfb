"""What a record must be like that entered at a pod, and when a record is over."""

import re

from wsgate_contract.revocation import RevocationRecord
from wsgate_contract.revocation_log import EVENT_PREFIX, LogEntryError, record_of_member

MEMBER_BYTES_MAX = 16 * 1024
EXPIRY_GRACE_SECONDS = 60
"""An expired record stays that much longer, since the clocks of pods may be behind."""
TIME_MAX = 253_402_300_799
"""The last second of the year 9999: beyond it neither a score nor a date can say the time."""

# No object has such an id, and no terminal or log is harmed by it.
_EVENT_ID = re.compile(rf"{EVENT_PREFIX}[0-9A-Za-z._-]{{1,128}}")


def is_over(record: RevocationRecord, now: float) -> bool:
    """Whether it need not be kept any more; now in Unix seconds."""
    return record.expires_at is not None and record.expires_at + EXPIRY_GRACE_SECONDS <= now


def event_of_member(text: str) -> RevocationRecord:
    """The record that a pod has sent; raises LogEntryError with what is wrong, without quoting it."""
    if len(text) > MEMBER_BYTES_MAX:
        raise LogEntryError(f"longer than {MEMBER_BYTES_MAX} bytes")
    if not text.isascii():
        raise LogEntryError("not ASCII")
    record = record_of_member(text)
    if fault := event_fault(record):
        raise LogEntryError(fault)
    return record


def event_fault(record: RevocationRecord) -> str | None:
    """Why a record is none that a pod may send, or None."""
    if not _EVENT_ID.fullmatch(record.id):
        return f"its id is not {EVENT_PREFIX} with letters, digits, '.', '_' or '-'"
    if record.expires_at is None:
        return "it has no expiry"
    times = (record.expires_at, record.issued_before)
    if any(time is not None and not 0 <= time <= TIME_MAX for time in times):
        return "a time is out of range"
    return None


def is_live_event(member: str, now: float) -> bool:
    """Whether a member of the set is an event that is not over."""
    try:
        return not is_over(event_of_member(member), now)
    except LogEntryError:
        return False
