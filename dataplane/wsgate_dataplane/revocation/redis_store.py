"""Every command of the data plane on the revocation log in Redis.

Imported where a Redis is configured, and not before: the package is an extra.
"""

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from wsgate_contract.revocation_log import (
    EPOCH_PREFIX,
    INBOX_RECORDS_MAX,
    LEASE_SECONDS,
    Keys,
    LogEntry,
    LogEntryError,
    PodLease,
)
from wsgate_dataplane.stores.fault import RedisFault
from wsgate_dataplane.stores.redis_client import CALL_SECONDS, Subscription, bounded, fault_of, make_client

SET_PAGE = 2_000
SET_PAGE_OVERLAP = 200
"""Members that leave the set between two pages shift the others down by as many."""
LOG_PAGE = 200
"""Parsing a page takes some 15 ms, in which nothing else runs."""

Positioned = tuple[str, LogEntry]
"""An entry with its id."""


class RedisStore:
    """One gateway's keys as a pod may use them; every method raises RedisFault and is bounded in time."""

    def __init__(self, url: str, keys: Keys, pod: str) -> None:
        """Raises ValueError, without the URL in it, for one that cannot be used; connects at the first call."""
        self._keys = keys
        self._pod_key = keys.pod(pod)
        self._redis = make_client(url)
        self._subscription: Subscription | None = None

    async def head(self) -> Positioned | None:
        """The newest entry of the log; None: there is no log."""
        async with bounded():
            found: Any = await self._redis.xrevrange(self._keys.log, count=1)
            return _entry(*found[0]) if found else None

    async def entries(self, after: str) -> list[Positioned]:
        """What follows an entry, at most LOG_PAGE."""
        async with bounded():
            streams: Any = await self._redis.xread({self._keys.log: after}, count=LOG_PAGE)
            return [_entry(*each) for _, entries in streams for each in entries]

    async def revocations(self) -> tuple[set[str], set[str]]:
        """The members of the set, and its epochs: one, where it is whole. Read in pages, so not at one moment."""
        members: set[str] = set()
        start = 0
        while True:
            async with bounded():
                page: Any = await self._redis.zrange(self._keys.revocations, start, start + SET_PAGE - 1)
            members.update(page)
            if len(page) < SET_PAGE:
                break
            start += SET_PAGE - SET_PAGE_OVERLAP
        epochs = {member for member in members if member.startswith(EPOCH_PREFIX)}
        members -= epochs
        return members, {epoch.removeprefix(EPOCH_PREFIX) for epoch in epochs}

    async def inbox(self) -> list[str]:
        """The oldest INBOX_RECORDS_MAX members of the inbox."""
        async with bounded():
            found: Any = await self._redis.lrange(self._keys.inbox, 0, INBOX_RECORDS_MAX - 1)
            return list(found)

    async def push(self, members: Sequence[str]) -> RedisFault | None:
        """Append to the inbox and wake every pod; answers what hindered the waking."""
        async with bounded():
            async with self._redis.pipeline(transaction=False) as pipe:
                pipe.rpush(self._keys.inbox, *members)
                pipe.publish(self._keys.wake, "inbox")
                pushed, woken = await pipe.execute(raise_on_error=False)
            if isinstance(pushed, Exception):
                raise pushed
        return fault_of(woken) if isinstance(woken, Exception) else None

    async def renew(self, lease: PodLease) -> None:
        """Write the pod's lease."""
        async with bounded():
            await self._redis.set(self._pod_key, lease.model_dump_json(by_alias=True), ex=LEASE_SECONDS)

    async def has_operator(self) -> bool:
        """Whether an operator keeps its key alive."""
        async with bounded():
            return await self._redis.get(self._keys.operator) is not None

    async def wait_for_wake(self, seconds: float) -> None:
        """Return when somebody has changed something, or after that time; one wake-up stands for many."""
        async with bounded(seconds + CALL_SECONDS):
            if self._subscription is None:
                self._subscription = self._redis.pubsub()
                await self._subscription.subscribe(self._keys.wake)
            # The confirmation of a subscription wakes too: messages before it are lost.
            await self._subscription.get_message(timeout=seconds)
            while await self._subscription.get_message(timeout=0):
                pass

    async def unsubscribe(self) -> None:
        """Drop the connection that listens for wake-ups; the next wait makes a new one."""
        subscription, self._subscription = self._subscription, None
        if subscription is not None:
            with suppress(RedisFault):
                async with bounded():
                    await subscription.aclose()  # type: ignore[no-untyped-call]  # the library forgot it

    async def close(self) -> None:
        """Close all connections."""
        await self.unsubscribe()
        with suppress(RedisFault):
            async with bounded():
                await self._redis.aclose()


def _entry(entry_id: str, fields: dict[str, str]) -> Positioned:
    entry = LogEntry.from_fields(fields)
    if not entry.member.isascii():
        raise LogEntryError("not an entry of the revocation log: not ASCII")
    return entry_id, entry
