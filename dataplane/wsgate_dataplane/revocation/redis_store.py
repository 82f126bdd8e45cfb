"""The one place that knows redis-py: every command of the data plane, and its faults in our words.

Imported where a Redis is configured, and not before: the package is an extra.
"""

import asyncio
import re
import socket
import ssl
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

from redis import exceptions
from redis.asyncio import Redis
from redis.asyncio.client import PubSub
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from wsgate_contract.redis_url import FORM, TLS_OPTIONS, RedisURL
from wsgate_contract.revocation_log import (
    EPOCH_PREFIX,
    INBOX_RECORDS_MAX,
    LEASE_SECONDS,
    Keys,
    LogEntry,
    LogEntryError,
    PodLease,
)
from wsgate_dataplane.revocation.fault import Cause, RedisFault

CALL_SECONDS = 1.0
"""Longest wait for an answer, and for the connection where there is none yet."""
CONNECTIONS_MAX = 8
KEEPALIVE = {
    option: value
    for name, value in (("TCP_KEEPIDLE", 5), ("TCP_KEEPINTVL", 2), ("TCP_KEEPCNT", 3))
    if (option := getattr(socket, name, None)) is not None
}
"""In seconds and probes: a connection that only listens for wake-ups would never notice that the link is cut."""
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
        self._redis = _client(url)
        self._subscription: PubSub | None = None

    async def head(self) -> Positioned | None:
        """The newest entry of the log; None: there is no log."""
        async with _bounded():
            found: Any = await self._redis.xrevrange(self._keys.log, count=1)
            return _entry(*found[0]) if found else None

    async def entries(self, after: str) -> list[Positioned]:
        """What follows an entry, at most LOG_PAGE."""
        async with _bounded():
            streams: Any = await self._redis.xread({self._keys.log: after}, count=LOG_PAGE)
            return [_entry(*each) for _, entries in streams for each in entries]

    async def revocations(self) -> tuple[set[str], set[str]]:
        """The members of the set, and its epochs: one, where it is whole. Read in pages, so not at one moment."""
        members: set[str] = set()
        start = 0
        while True:
            async with _bounded():
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
        async with _bounded():
            found: Any = await self._redis.lrange(self._keys.inbox, 0, INBOX_RECORDS_MAX - 1)
            return list(found)

    async def push(self, members: Sequence[str]) -> RedisFault | None:
        """Append to the inbox and wake every pod; answers what hindered the waking."""
        async with _bounded():
            async with self._redis.pipeline(transaction=False) as pipe:
                pipe.rpush(self._keys.inbox, *members)
                pipe.publish(self._keys.wake, "inbox")
                pushed, woken = await pipe.execute(raise_on_error=False)
            if isinstance(pushed, Exception):
                raise pushed
        return _fault_of(woken) if isinstance(woken, Exception) else None

    async def renew(self, lease: PodLease) -> None:
        """Write the pod's lease."""
        async with _bounded():
            await self._redis.set(self._pod_key, lease.model_dump_json(by_alias=True), ex=LEASE_SECONDS)

    async def has_operator(self) -> bool:
        """Whether an operator keeps its key alive."""
        async with _bounded():
            return await self._redis.get(self._keys.operator) is not None

    async def wait_for_wake(self, seconds: float) -> None:
        """Return when somebody has changed something, or after that time; one wake-up stands for many."""
        async with _bounded(seconds + CALL_SECONDS):
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
                async with _bounded():
                    await subscription.aclose()  # type: ignore[no-untyped-call]  # the library forgot it

    async def close(self) -> None:
        """Close all connections."""
        await self.unsubscribe()
        with suppress(RedisFault):
            async with _bounded():
                await self._redis.aclose()


def _client(url: str) -> Redis:
    _check(url)
    return Redis.from_url(
        url,
        # The library would try four times, and turn one second into fifteen.
        retry=Retry(NoBackoff(), 0),
        socket_connect_timeout=CALL_SECONDS,
        # Bounded here instead: the library would use asyncio.wait_for, which in Python 3.11 may swallow a
        # cancellation (CPython issue 81839), and the task would not end.
        socket_timeout=None,
        socket_keepalive=True,
        socket_keepalive_options=KEEPALIVE,
        max_connections=CONNECTIONS_MAX,
        # RESP2 and no driver_info: connecting takes no command but AUTH and SELECT, so no further right.
        protocol=2,
        driver_info=None,
        decode_responses=True,
        # Whoever may write could write any bytes; reading them must not fail.
        encoding_errors="surrogateescape",
    )


def _check(url: str) -> None:
    parsed = RedisURL.parse(url)
    if parsed is None or not re.fullmatch(r"(/\d*)?", parsed.path):
        raise ValueError(f"expected {FORM}")
    if unknown := parsed.unknown_options():
        allowed = ", ".join(sorted(TLS_OPTIONS))
        raise ValueError(f"expected no option but {allowed} of rediss://, found {unknown}")


def _entry(entry_id: str, fields: dict[str, str]) -> Positioned:
    entry = LogEntry.from_fields(fields)
    if not entry.member.isascii():
        raise LogEntryError("not an entry of the revocation log: not ASCII")
    return entry_id, entry


@asynccontextmanager
async def _bounded(seconds: float = CALL_SECONDS) -> AsyncIterator[None]:
    """What takes longer or goes wrong is a RedisFault; a connection that was cut short is not used again."""
    try:
        async with asyncio.timeout(seconds):
            yield
    except Exception as error:  # noqa: BLE001  # redis-py raises its own, the system's, the loop's and plain ones
        # None: the original's text may hold records.
        raise _fault_of(error) from None


def _fault_of(error: Exception) -> RedisFault:
    if isinstance(error, LogEntryError):
        return RedisFault(Cause.UNREADABLE, "an entry of the log")
    tls = next((cause for cause in _causes(error) if isinstance(cause, ssl.SSLError)), None)
    if tls is not None:
        return RedisFault(Cause.TLS, str(getattr(tls, "verify_message", None) or tls.reason or ""))
    for kind, cause in _CAUSES:
        if isinstance(error, kind):
            return RedisFault(cause)
    # RuntimeError: uvloop's way to say that the peer has closed the connection.
    if isinstance(error, exceptions.ConnectionError | OSError | RuntimeError):
        return RedisFault(Cause.UNREACHABLE, str(error)[:200])
    code = re.match(r"[A-Z]{2,20}\b", str(error)) if isinstance(error, exceptions.ResponseError) else None
    word = code[0] if code else type(error).__name__
    return RedisFault(_CODES.get(word, Cause.ANSWER), "" if word in _CODES else word)


_CAUSES = (
    (exceptions.AuthenticationError, Cause.AUTHENTICATION),
    (exceptions.BusyLoadingError, Cause.LOADING),
    (exceptions.NoPermissionError, Cause.PERMISSION),
    (exceptions.ReadOnlyError, Cause.READ_ONLY),
    (exceptions.OutOfMemoryError, Cause.OUT_OF_MEMORY),
    (exceptions.TimeoutError, Cause.TIMED_OUT),
    (TimeoutError, Cause.TIMED_OUT),
)
_CODES = {"NOREPLICAS": Cause.NO_REPLICAS}


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
