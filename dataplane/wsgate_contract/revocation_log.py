"""The revocation log in Redis: its keys, what stands under them, and the digest that proves nothing is missing."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, Self

from pydantic import Field, ValidationError

from wsgate_contract.model import Value
from wsgate_contract.revocation import RevocationRecord

EPOCH_PREFIX = "epoch:"
"""Begins the one member of the sorted set that is no record: it names the life of the set."""
EVENT_PREFIX = "event:"
"""Begins the id of a record that entered at a pod; objects' ids are namespace/name, where no colon can be."""
LEASE_SECONDS = 15
"""How long a pod's and the operator's key live without a renewal."""
RENEW_SECONDS = 5
LOG_ENTRIES_MAX = 10_000
"""The stream keeps about as many; a reader that fell behind reloads the set."""
INBOX_RECORDS_MAX = 10_000
CURSOR_PATTERN = r"^[0-9]{0,20}(-[0-9]{1,20})?$"
"""Of a stream's ids, which are two numbers of 64 bits."""

Change = Literal["add", "remove", "reset"]


class LogEntryError(ValueError):
    """What stands in Redis is not what an operator writes."""


@dataclass(frozen=True)
class Keys:
    """Names in Redis, all of one hash tag, so that a MULTI works on a cluster."""

    gateway: str

    @property
    def revocations(self) -> str:
        """Sorted set of members, by expiry; the epoch's score is +inf. Written by the operator."""
        return f"{{{self.gateway}}}:revocations"

    @property
    def log(self) -> str:
        """Stream of LogEntry. Written by the operator."""
        return f"{{{self.gateway}}}:revocation-log"

    @property
    def inbox(self) -> str:
        """List of members that entered at pods, which only append; folded and trimmed by the operator."""
        return f"{{{self.gateway}}}:inbox"

    @property
    def wake(self) -> str:
        """Pub/sub channel: look at the log and the inbox now. The message has no meaning."""
        return f"{{{self.gateway}}}:wake"

    @property
    def operator(self) -> str:
        """Present while an operator lives."""
        return f"{{{self.gateway}}}:operator"

    def pod(self, name: str) -> str:
        """A pod's PodLease."""
        return f"{{{self.gateway}}}:pod:{name}"


def member_of(record: RevocationRecord) -> str:
    """The one text of a record: canonical JSON, so that equal records are equal members."""
    return json.dumps(record.to_document(), sort_keys=True, separators=(",", ":"), ensure_ascii=True)


def record_of_member(member: str) -> RevocationRecord:
    """The record of a member; raises LogEntryError."""
    try:
        return RevocationRecord.model_validate_json(member)
    except ValidationError as error:
        raise LogEntryError(f"not a revocation record: {error.errors(include_url=False)[0]['msg']}") from error


def score_of(record: RevocationRecord) -> float:
    """The member's score: its expiry in Unix seconds, +inf for ever."""
    return float("inf") if record.expires_at is None else float(record.expires_at)


@dataclass(frozen=True)
class SetDigest:
    """Count and digest of a set of members, whatever their order; each change costs one hash.

    The digest is the sum of the members' SHA-256, modulo 2^256. It detects loss, not forgery: who can write
    the log could also write the digest.
    """

    count: int = 0
    total: int = 0

    @classmethod
    def of(cls, members: Iterable[str]) -> Self:
        """Of a whole set; the epoch's member does not belong to it."""
        numbers = [_number_of(member) for member in members]
        return cls(len(numbers), sum(numbers) % _MODULUS)

    def added(self, member: str) -> "SetDigest":
        """After a member that was not in the set."""
        return SetDigest(self.count + 1, (self.total + _number_of(member)) % _MODULUS)

    def removed(self, member: str) -> "SetDigest":
        """After the loss of a member that was in the set."""
        return SetDigest(self.count - 1, (self.total - _number_of(member)) % _MODULUS)

    @property
    def text(self) -> str:
        """64 hex digits."""
        return f"{self.total:064x}"


@dataclass(frozen=True)
class LogEntry:
    """One entry of the stream: a change, and the state of the set after it.

    A changed record is an `add` of the new member, then a `remove` of the old one, so that no reader sees it
    missing. `reset`: the set was written anew; read it whole.
    """

    change: Change
    epoch: str
    digest: SetDigest
    member: str = ""
    """Empty for reset."""

    def to_fields(self) -> dict[str, str]:
        """The fields of the stream's entry."""
        return {
            "change": self.change,
            "record": self.member,
            "epoch": self.epoch,
            "count": str(self.digest.count),
            "digest": self.digest.text,
        }

    @classmethod
    def from_fields(cls, fields: Mapping[str, str]) -> Self:
        """Raises LogEntryError."""
        try:
            change = _CHANGES[fields["change"]]
            digest = SetDigest(int(fields["count"]), int(fields["digest"], 16))
            return cls(change, fields["epoch"], digest, fields.get("record", ""))
        except (KeyError, ValueError) as error:
            raise LogEntryError(f"not an entry of the revocation log: {error!r}") from error


class PodLease(Value):
    """What a pod says under its key each time that it renews it: lease and acknowledgement in one write."""

    log_cursor: str = Field(
        default="", pattern=CURSOR_PATTERN, description="Id of the last log entry that it has applied."
    )
    routes_version: int = Field(default=0, description="Version of the routes that it serves.")


_MODULUS = 1 << 256
_CHANGES: Mapping[str, Change] = {"add": "add", "remove": "remove", "reset": "reset"}


def _number_of(member: str) -> int:
    return int.from_bytes(hashlib.sha256(member.encode()).digest())
