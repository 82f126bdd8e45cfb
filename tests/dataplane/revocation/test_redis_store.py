"""Each command does what it says on a real Redis, and each fault comes in our own words."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.dataplane.revocation.publisher import KEYS, Publisher, allow, record
from tests.support.loops import on_both_loops
from tests.support.valkey import ValkeyServer, valkey
from wsgate_contract.revocation_log import PodLease, member_of
from wsgate_dataplane.revocation import redis_store
from wsgate_dataplane.revocation.redis_store import RedisStore
from wsgate_dataplane.stores.fault import Cause, RedisFault
from wsgate_dataplane.stores.redis_client import CALL_SECONDS


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ValkeyServer]:
    with valkey(tmp_path) as running:
        yield running


@asynccontextmanager
async def store_of(url: str) -> AsyncIterator[RedisStore]:
    store = RedisStore(url, KEYS, "pod-a")
    try:
        yield store
    finally:
        await store.close()


@on_both_loops
async def test_an_empty_redis_has_no_head_no_entries_and_no_members(server: ValkeyServer) -> None:
    async with store_of(server.url) as store:
        assert await store.head() is None
        assert await store.entries("0-0") == []
        assert await store.revocations() == (set(), set())
        assert await store.inbox() == []
        assert not await store.has_operator()


@on_both_loops
async def test_set_log_and_operator_are_read_as_they_were_written(server: ValkeyServer) -> None:
    alice, bob = record("alice"), record("bob", expires_at=5)
    with server.client() as client:
        operator = Publisher(client)
        operator.reset(alice)
        operator.add(bob)
        operator.live()
    async with store_of(server.url) as store:
        assert await store.revocations() == ({member_of(alice), member_of(bob)}, {operator.epoch})
        head = await store.head()
        entries = await store.entries("0-0")
        assert [entry.change for _, entry in entries] == ["reset", "add"]
        assert head == entries[-1]
        assert await store.entries(entries[0][0]) == entries[1:]
        assert await store.has_operator()


@on_both_loops
async def test_pages_overlap_so_that_a_set_that_shrinks_meanwhile_loses_none(
    server: ValkeyServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_store, "SET_PAGE", 10)
    monkeypatch.setattr(redis_store, "SET_PAGE_OVERLAP", 2)
    records = [record(f"user-{number}", expires_at=number) for number in range(95)]
    with server.client() as client:
        Publisher(client).reset(*records)
    async with store_of(server.url) as store:
        members, epochs = await store.revocations()
    assert members == set(map(member_of, records))
    assert len(epochs) == 1


@on_both_loops
async def test_the_lease_lives_for_fifteen_seconds(server: ValkeyServer) -> None:
    lease = PodLease(log_cursor="1-0", routes_version=3)
    async with store_of(server.url) as store:
        await store.renew(lease)
    with server.client() as client:
        assert PodLease.model_validate_json(str(client.get(KEYS.pod("pod-a")))) == lease
        assert 0 < int(str(client.ttl(KEYS.pod("pod-a")))) <= 15


@on_both_loops
async def test_a_push_wakes_who_waits(server: ValkeyServer) -> None:
    async with store_of(server.url) as store, store_of(server.url) as other:
        # The confirmation of the subscription wakes as well.
        await other.wait_for_wake(5)
        async with asyncio.TaskGroup() as tasks:
            waiting = tasks.create_task(other.wait_for_wake(5))
            began = time.monotonic()
            assert await store.push(["a", "b"]) is None
            await waiting
        assert time.monotonic() - began < 2
        assert await other.inbox() == ["a", "b"]
        began = time.monotonic()
        await other.wait_for_wake(0.1)
        assert time.monotonic() - began >= 0.09


@on_both_loops
async def test_a_push_that_may_not_wake_is_a_push_all_the_same(server: ValkeyServer) -> None:
    with server.client() as client:
        allow(client, "~* &* +rpush +lrange")
    async with store_of(f"redis://pod:s3cret@127.0.0.1:{server.port}") as store:
        mute = await store.push(["a"])
        assert mute is not None
        assert mute.cause is Cause.PERMISSION
        assert await store.inbox() == ["a"]


@asynccontextmanager
async def answering(line: bytes) -> AsyncIterator[str]:
    """A server that answers everything with one line; its URL."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line and await reader.read(1000):
            writer.write(line + b"\r\n")
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as running:
        yield f"redis://127.0.0.1:{running.sockets[0].getsockname()[1]}"


@pytest.mark.parametrize(
    ("line", "cause"),
    [
        (b"-LOADING Redis is loading the dataset in memory", Cause.LOADING),
        (b"-OOM command not allowed when used memory > 'maxmemory'.", Cause.OUT_OF_MEMORY),
        (b"-NOREPLICAS Not enough good replicas to write.", Cause.NO_REPLICAS),
        (b"-READONLY You can't write against a read only replica.", Cause.READ_ONLY),
        (b"-NOAUTH Authentication required.", Cause.AUTHENTICATION),
        (b"-NOPERM this user has no permissions", Cause.PERMISSION),
        (b"-MISCONF Redis is configured to save RDB snapshots", Cause.ANSWER),
        (b"-ERR max number of clients reached", Cause.UNREACHABLE),
        (b"HTTP/1.1 400 Bad Request", Cause.ANSWER),
        (b"", Cause.UNREACHABLE),
    ],
)
@on_both_loops
async def test_whatever_redis_answers_is_a_fault_with_its_cause(line: bytes, cause: Cause) -> None:
    async with answering(line) as url, store_of(url) as store:
        for call in (store.head, store.inbox, store.revocations, store.has_operator):
            with pytest.raises(RedisFault) as caught:
                await call()
            assert caught.value.cause is cause
        with pytest.raises(RedisFault):
            await store.push(["a"])
        with pytest.raises(RedisFault):
            await store.renew(PodLease())


@on_both_loops
async def test_a_redis_that_says_nothing_is_waited_for_a_second(server: ValkeyServer) -> None:
    async with store_of(server.url) as store:
        await store.head()
        server.freeze()
        try:
            for call in (store.head, store.head):
                began = time.monotonic()
                with pytest.raises(RedisFault) as caught:
                    await call()
                assert caught.value.cause is Cause.TIMED_OUT
                assert time.monotonic() - began < 2 * CALL_SECONDS
        finally:
            server.thaw()


@pytest.mark.parametrize("fields", [{"x": "y"}, {"change": "add", "record": b"\xff", "epoch": "", "count": 1}])
@on_both_loops
async def test_an_entry_that_no_operator_writes_is_unreadable(
    server: ValkeyServer, fields: dict[str, Any]
) -> None:
    with server.client() as client:
        client.xadd(KEYS.log, {"digest": "0", **fields})
    async with store_of(server.url) as store:
        with pytest.raises(RedisFault) as caught:
            await store.head()
    assert caught.value.cause is Cause.UNREADABLE
