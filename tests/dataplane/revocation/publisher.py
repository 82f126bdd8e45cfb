"""A stand-in for the operator: writes the revocation log as the contract says."""

import re
import uuid
from collections.abc import Iterable
from typing import Any

import redis

from wsgate_contract.revocation import RevocationRecord
from wsgate_contract.revocation_log import (
    EPOCH_PREFIX,
    Keys,
    LogEntry,
    SetDigest,
    member_of,
    record_of_member,
    score_of,
)

GATEWAY = "wsgate"
KEYS = Keys(GATEWAY)
ACL = (
    "resetchannels &{wsgate}:wake %R~{wsgate}:* -@all +zrange +xread +xrevrange +lrange +get +ping +hello"
    " +subscribe +unsubscribe +publish (~{wsgate}:inbox -@all +rpush) (~{wsgate}:pod:* -@all +set)"
)
"""What a pod's user may do."""


def allow(client: redis.Redis, rules: str = ACL) -> None:
    """Make the user pod, with the password s3cret."""
    words = re.findall(r"\([^)]*\)|\S+", rules)
    command: Any = client.execute_command  # acl_setuser knows no selectors
    command("ACL", "SETUSER", "pod", "reset", "on", ">s3cret", *words)


def record(subject: str, id_: str = "", **fields: Any) -> RevocationRecord:
    """Of an object, unless the id says otherwise."""
    return RevocationRecord(id=id_ or f"shop/{subject}", subject=subject, **fields)


def event(subject: str, expires_at: int = 4_000_000_000) -> RevocationRecord:
    """As it enters at a pod."""
    return record(subject, f"event:{uuid.uuid4()}", expires_at=expires_at)


class Publisher:
    """What an operator keeps in mind, and its transactions."""

    def __init__(self, client: redis.Redis) -> None:
        self.client = client
        self.epoch = ""
        self.members: set[str] = set()

    def reset(self, *records: RevocationRecord) -> None:
        """Write everything anew, under a new epoch."""
        self.epoch = str(uuid.uuid4())
        self.members = {member_of(each) for each in records}
        scores = {member: score_of(record_of_member(member)) for member in self.members}
        with self.client.pipeline() as pipe:
            pipe.delete(KEYS.revocations)
            pipe.zadd(KEYS.revocations, {f"{EPOCH_PREFIX}{self.epoch}": float("inf"), **scores})
            self._log(pipe, "reset", "")
            pipe.execute()

    def republish(self) -> None:
        """As after a loss: the same records, a new epoch."""
        self.reset(*map(record_of_member, self.members))

    def add(self, *records: RevocationRecord, fold: int = 0) -> None:
        """One entry for each; fold: how many of the inbox are done with."""
        with self.client.pipeline() as pipe:
            for each in records:
                member = member_of(each)
                self.members.add(member)
                pipe.zadd(KEYS.revocations, {member: score_of(each)})
                self._log(pipe, "add", member)
            if fold:
                pipe.ltrim(KEYS.inbox, fold, -1)
            pipe.execute()

    def remove(self, *records: RevocationRecord) -> None:
        """One entry for each."""
        with self.client.pipeline() as pipe:
            for member in map(member_of, records):
                self.members.discard(member)
                pipe.zrem(KEYS.revocations, member)
                self._log(pipe, "remove", member)
            pipe.execute()

    def log_only(self, change: str, member: str) -> None:
        """An entry whose change the set does not show."""
        with self.client.pipeline() as pipe:
            self._log(pipe, change, member)
            pipe.execute()

    def live(self) -> None:
        """Keep the operator's key."""
        self.client.set(KEYS.operator, "1")

    def _log(self, pipe: Any, change: Any, member: str) -> None:
        entry = LogEntry(change, self.epoch, SetDigest.of(self.members), member)
        pipe.xadd(KEYS.log, entry.to_fields())
        pipe.publish(KEYS.wake, change)


def members_of(records: Iterable[RevocationRecord]) -> set[str]:
    """As they stand in Redis."""
    return set(map(member_of, records))
