"""A writer, a reader that knows only the contract, and the server between them."""

import logging
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from typing import Any, cast

import redis
from redis.asyncio import Redis

from tests.support.valkey import ValkeyServer
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
from wsgate_operator.sinks.revocation_log.connect import connect
from wsgate_operator.sinks.revocation_log.log import RevocationLog

KEYS = Keys("wsgate")
NOW = 1_900_000_000.0


def record(name: str, **fields: Any) -> RevocationRecord:
    """An object's record; its subject is its name."""
    return RevocationRecord(**{"id": f"team/{name}", "subject": name, **fields})


def event(name: str, expires_at: int = int(NOW) + 3600, **fields: Any) -> RevocationRecord:
    """A record that entered at a pod."""
    return record(name, **{"id": f"event:{name}", "expires_at": expires_at, **fields})


def members(*names: str) -> frozenset[str]:
    """Objects' records as members."""
    return frozenset(member_of(record(name)) for name in names)


class Writer:
    """An operator's log with a clock that the test moves."""

    def __init__(self, client: "Redis") -> None:
        self.now = NOW
        self.client = client
        self.log = RevocationLog(client, KEYS, lambda: self.now)


@asynccontextmanager
async def writing(server: ValkeyServer, url: str = "") -> AsyncIterator[Writer]:
    """A fresh operator, as after a restart."""
    async with connect(url or server.url) as client:
        yield Writer(client)


class Reader:
    """Reads as a pod does: cursor, set, then entries; blocking, since it only looks."""

    def __init__(self, server: ValkeyServer, cursor: str = "", known: frozenset[str] = frozenset()) -> None:
        self._server = server
        self.cursor = cursor
        self.members = known

    def load(self) -> None:
        """Cursor first, then the set, which may be newer."""
        self.cursor, _ = head(self._server)
        self.members = live_set(self._server)

    def follow(self) -> int:
        """Apply what came since; answers the number of entries."""
        with self._server.client() as client:
            entries = client.xrange(KEYS.log, f"({self.cursor}" if self.cursor else "-")
        for cursor, fields in cast("list[tuple[str, dict[str, str]]]", entries):
            entry = LogEntry.from_fields(fields)
            self.cursor = cursor
            if entry.change == "reset":
                self.members = live_set(self._server)
            elif entry.change == "add":
                self.members |= {entry.member}
            else:
                self.members -= {entry.member}
        return len(cast("list[Any]", entries))


def head(server: ValkeyServer) -> tuple[str, LogEntry]:
    """The newest entry with its id."""
    with server.client() as client:
        ((cursor, fields),) = cast("list[tuple[str, dict[str, str]]]", client.xrevrange(KEYS.log, count=1))
    return cursor, LogEntry.from_fields(fields)


def scores(server: ValkeyServer) -> Mapping[str, float]:
    """The whole sorted set."""
    with server.client() as client:
        return dict(cast("list[tuple[str, float]]", client.zrange(KEYS.revocations, 0, -1, withscores=True)))


def live_set(server: ValkeyServer) -> frozenset[str]:
    """The set without its epoch."""
    return frozenset(member for member in scores(server) if not member.startswith(EPOCH_PREFIX))


def assert_sound(server: ValkeyServer, wanted: frozenset[str]) -> None:
    """Set, scores, epoch and newest entry say the same, and it is what is wanted."""
    _, entry = head(server)
    assert scores(server) == {
        f"{EPOCH_PREFIX}{entry.epoch}": float("inf"),
        **{member: score_of(record_of_member(member)) for member in wanted},
    }
    assert entry.digest == SetDigest.of(wanted)


def push(server: ValkeyServer, *texts: str | bytes) -> None:
    """What a pod may do."""
    with server.client() as client:
        client.rpush(KEYS.inbox, *texts)


def waiting(server: ValkeyServer) -> list[str]:
    """What stands in the inbox."""
    with server.client() as client:
        return cast("list[str]", client.lrange(KEYS.inbox, 0, -1))


def ask(server: ValkeyServer, *command: str) -> Any:
    """Any command, as an administrator."""
    with server.client() as client:
        return client.execute_command(*command)


def admin(server: ValkeyServer, password: str) -> redis.Redis:
    """The administrator of a server with a password."""
    return redis.Redis(port=server.port, password=password, decode_responses=True)


@contextmanager
def logged() -> Iterator[list[logging.LogRecord]]:
    """The operator's log lines; on the logger itself, since a configured one does not propagate to caplog."""
    lines: list[logging.LogRecord] = []
    handler = _Keeping(lines)
    logger = logging.getLogger("wsgate.operator")
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    try:
        yield lines
    finally:
        logger.setLevel(level)
        logger.removeHandler(handler)


class _Keeping(logging.Handler):
    def __init__(self, lines: list[logging.LogRecord]) -> None:
        super().__init__()
        self._lines = lines

    def emit(self, record: logging.LogRecord) -> None:
        self._lines.append(record)
