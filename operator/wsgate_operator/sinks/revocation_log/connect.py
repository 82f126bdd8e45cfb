"""The one place that knows redis-py: makes the client, and turns its exceptions into ours."""

import asyncio
import re
import socket
import ssl
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from wsgate_contract.redis_url import FORM, TLS_OPTIONS, RedisURL
from wsgate_operator.sinks.revocation_log.fault import Reason, RevocationLogError

if TYPE_CHECKING:
    from redis.asyncio import Redis

CALL_SECONDS = 1.0
"""Longest wait for a connection, and for each answer."""

KEEPALIVE = {
    option: value
    for name, value in (("TCP_KEEPIDLE", 5), ("TCP_KEEPINTVL", 2), ("TCP_KEEPCNT", 3))
    if (option := getattr(socket, name, None)) is not None
}
"""In seconds and probes: what a dead link holds is given up soon."""

OPTIONS = frozenset({"db"})
"""What may follow ? in the URL, beside what TLS needs."""


def connect(url: str) -> "Redis":
    """A client of redis[s]://[user:password@]host[:port][/db][?option=value]; it connects at the first call.

    Raises ValueError, without the URL in it, for one that cannot be used. The caller awaits aclose().
    """
    # Here and not above: without a URL the package redis need not be installed.
    from redis.asyncio import Redis
    from redis.asyncio.retry import Retry
    from redis.backoff import NoBackoff

    _check(url)
    return Redis.from_url(
        url,
        # The library would try four times, and turn one second into fifteen.
        retry=Retry(NoBackoff(), 0),
        socket_connect_timeout=CALL_SECONDS,
        socket_timeout=CALL_SECONDS,
        socket_keepalive=True,
        socket_keepalive_options=KEEPALIVE,
        # RESP2 and no driver_info: connecting takes no command but AUTH and SELECT, so no further right.
        protocol=2,
        driver_info=None,
        decode_responses=True,
        # Whoever may write could write any bytes; reading them must not fail.
        encoding_errors="surrogateescape",
    )


def _check(url: str) -> None:
    parsed = RedisURL.parse(url)
    if parsed is None:
        raise ValueError(f"the Redis URL must be {FORM}")
    if unknown := parsed.unknown_options(OPTIONS):
        allowed = ", ".join(sorted(OPTIONS | TLS_OPTIONS if parsed.is_encrypted else OPTIONS))
        raise ValueError(f"the Redis URL has options that are not allowed: {unknown}; use {allowed}")


@asynccontextmanager
async def bounded(seconds: float) -> AsyncIterator[None]:
    """Whatever goes wrong with Redis within, or takes longer, is raised as RevocationLogError."""
    try:
        async with asyncio.timeout(seconds):
            yield
    except RevocationLogError:
        raise
    except Exception as error:
        translated = _translate(error)
        if translated is None:
            raise
        # None: the original's text may hold records.
        raise translated from None
    finally:
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            # redis-py loses a cancellation that meets an answer: asyncio.wait_for() does before Python 3.12.
            raise asyncio.CancelledError


def _translate(error: Exception) -> RevocationLogError | None:
    """None for what has nothing to do with Redis."""
    from redis import exceptions

    # redis-py calls a lost connection a conflict while it watches keys; the cause is in the context.
    causes = tuple(_causes(error))
    if any(isinstance(cause, ssl.SSLError) for cause in causes):
        return RevocationLogError(Reason.TLS, _tls_detail(causes))
    if isinstance(error, exceptions.WatchError):
        lost = [
            cause for cause in causes if isinstance(cause, exceptions.ConnectionError | exceptions.TimeoutError)
        ]
        if not lost:
            return RevocationLogError(Reason.CONTENDED)
        error = lost[0]
    for kind, reason in (
        (exceptions.AuthenticationError, Reason.AUTHENTICATION),
        (exceptions.BusyLoadingError, Reason.LOADING),
        (exceptions.NoPermissionError, Reason.PERMISSION),
        (exceptions.ReadOnlyError, Reason.READ_ONLY),
        (exceptions.OutOfMemoryError, Reason.OUT_OF_MEMORY),
        (exceptions.MasterDownError, Reason.MASTER_DOWN),
        (exceptions.TimeoutError, Reason.TIMED_OUT),
        (TimeoutError, Reason.TIMED_OUT),
    ):
        if isinstance(error, kind):
            return RevocationLogError(reason, _permission(error) if reason is Reason.PERMISSION else "")
    if isinstance(error, exceptions.ConnectionError | OSError) or _is_closed_transport(error):
        return RevocationLogError(Reason.UNREACHABLE, str(error)[:DETAIL_LENGTH])
    if isinstance(error, exceptions.RedisError):
        return _of_code(error)
    return None


DETAIL_LENGTH = 200


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _tls_detail(causes: tuple[BaseException, ...]) -> str:
    found = next(cause for cause in causes if isinstance(cause, ssl.SSLError))
    if isinstance(found, ssl.SSLCertVerificationError):
        return found.verify_message
    return found.reason or ""


def _is_closed_transport(error: Exception) -> bool:
    # uvloop's way to say that the peer has closed the connection.
    return isinstance(error, RuntimeError) and "closed" in str(error)


_PERMISSION = re.compile(r"'[a-z|_-]{1,40}' command|access (a|one of the) (key|channel)s?")


def _permission(error: Exception) -> str:
    found = _PERMISSION.search(_own_words(error))
    return "" if found is None else found[0]


_CODES: Mapping[str, Reason] = {
    "NOREPLICAS": Reason.NO_REPLICAS,
    "WRONGTYPE": Reason.FOREIGN,
    "MISCONF": Reason.DISK,
}
_CODE = re.compile(r"\W*([A-Z]{3,20})\b")


def _of_code(error: Exception) -> RevocationLogError:
    """By the first word of the answer; what follows may quote arguments."""
    found = _CODE.match(_own_words(error))
    code = type(error).__name__ if found is None else found[1]
    reason = _CODES.get(code, Reason.UNEXPECTED)
    return RevocationLogError(reason, code if reason is Reason.UNEXPECTED else "")


def _own_words(error: Exception) -> str:
    """Without the command that redis-py puts before an answer within a transaction."""
    return str(error).rpartition("of pipeline caused error: ")[2]
