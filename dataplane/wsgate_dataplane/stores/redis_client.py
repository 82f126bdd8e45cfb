"""The one place of the data plane that knows redis-py: a client, and its faults in our words.

Imported where a Redis is configured, and not before: the package is an extra.
"""

import asyncio
import re
import socket
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

from redis import exceptions
from redis.asyncio import Redis
from redis.asyncio.client import PubSub
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from wsgate_contract.redis_url import FORM, TLS_OPTIONS, RedisURL
from wsgate_contract.revocation_log import LogEntryError
from wsgate_dataplane.stores.fault import REVOCATION_SETTING, Cause, RedisFault

CALL_SECONDS = 1.0
"""Longest wait for an answer, and for the connection where there is none yet."""
CONNECTIONS_MAX = 8
KEEPALIVE = {
    option: value
    for name, value in (("TCP_KEEPIDLE", 5), ("TCP_KEEPINTVL", 2), ("TCP_KEEPCNT", 3))
    if (option := getattr(socket, name, None)) is not None
}
"""In seconds and probes: a connection that only listens for wake-ups would never notice that the link is cut."""

Client = Redis
Subscription = PubSub


def make_client(url: str) -> Client:
    """A client of one server; raises ValueError, without the URL in it, for one that cannot be used.

    It connects at the first call.
    """
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


@asynccontextmanager
async def bounded(seconds: float = CALL_SECONDS, setting: str = REVOCATION_SETTING) -> AsyncIterator[None]:
    """What takes longer or goes wrong is a RedisFault; a connection that was cut short is not used again.

    setting: which one names the Redis.
    """
    try:
        async with asyncio.timeout(seconds):
            yield
    except Exception as error:  # noqa: BLE001  # redis-py raises its own, the system's, the loop's and plain ones
        # None: the original's text may hold records.
        raise fault_of(error, setting) from None


def fault_of(error: Exception, setting: str = REVOCATION_SETTING) -> RedisFault:
    """What went wrong, in our words."""
    if isinstance(error, LogEntryError):
        return RedisFault(Cause.UNREADABLE, "an entry of the log", setting)
    tls = next((cause for cause in _causes(error) if isinstance(cause, ssl.SSLError)), None)
    if tls is not None:
        return RedisFault(Cause.TLS, str(getattr(tls, "verify_message", None) or tls.reason or ""), setting)
    for kind, cause in _CAUSES:
        if isinstance(error, kind):
            return RedisFault(cause, "", setting)
    # RuntimeError: uvloop's way to say that the peer has closed the connection.
    if isinstance(error, exceptions.ConnectionError | OSError | RuntimeError):
        return RedisFault(Cause.UNREACHABLE, str(error)[:200], setting)
    code = re.match(r"[A-Z]{2,20}\b", str(error)) if isinstance(error, exceptions.ResponseError) else None
    word = code[0] if code else type(error).__name__
    return RedisFault(_CODES.get(word, Cause.ANSWER), "" if word in _CODES else word, setting)


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
