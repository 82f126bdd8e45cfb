"""The few statements on a real PostgreSQL, with tables made, rows swept and other pods at the same work."""

import asyncio
import re
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import pytest

from tests.support.loops import on_both_loops
from tests.support.postgres import PostgresServer, postgres
from wsgate_dataplane.identity.stores import postgres_backend
from wsgate_dataplane.identity.stores.postgres_backend import TABLE, PostgresBackend
from wsgate_dataplane.identity.stores.seal import VALUE_BYTES
from wsgate_dataplane.identity.stores.shared import Entry, StoreFault

PAGE = (Path(__file__).parents[4] / "docs/howto/choose-a-token-cache.md").read_text(encoding="utf-8")
LATER = int(time.time()) + 3600
PAST = int(time.time()) - 10


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    with postgres() as running:
        yield running


@asynccontextmanager
async def connected(server: PostgresServer) -> AsyncIterator[asyncpg.Connection]:
    """The superuser, for arranging and looking."""
    connection = await asyncpg.connect(server.dsn)
    try:
        yield connection
    finally:
        await connection.close()


@asynccontextmanager
async def backend_of(server: PostgresServer, role: str = "postgres") -> AsyncIterator[PostgresBackend]:
    backend = PostgresBackend(server.dsn_of(role))
    try:
        await backend.open()
        yield backend
    finally:
        await backend.close()


@asynccontextmanager
async def emptied(server: PostgresServer) -> AsyncIterator[asyncpg.Connection]:
    """Without the table."""
    async with connected(server) as connection:
        await connection.execute(f"DROP TABLE IF EXISTS {TABLE}")
        yield connection


@on_both_loops
async def test_the_table_is_made_and_what_was_written_is_read(server: PostgresServer) -> None:
    async with emptied(server) as connection, backend_of(server) as backend:
        assert await backend.read(["a", "b"]) == [None, None]
        await backend.write([Entry("b", b"", LATER), Entry("a", b"\x00\xff", LATER)])
        assert await backend.read(["b", "c", "a", "a"]) == [b"", None, b"\x00\xff", b"\x00\xff"]
        await backend.write([Entry("a", b"new", LATER + 1)])
        assert await backend.read(["a"]) == [b"new"]
        stored = await connection.fetchval(f"SELECT extract(epoch FROM expires_at) FROM {TABLE} WHERE name = 'a'")
        assert stored == LATER + 1


@on_both_loops
async def test_pods_that_begin_at_once_make_one_table(server: PostgresServer) -> None:
    async with emptied(server):
        backends = [PostgresBackend(server.dsn) for _ in range(8)]
        await asyncio.gather(*(backend.open() for backend in backends))
        await asyncio.gather(*(backend.write([Entry("a", b"x", LATER)]) for backend in backends))
        for backend in backends:
            assert await backend.read(["a"]) == [b"x"]
            await backend.close()


@on_both_loops
async def test_pods_that_write_the_same_rows_do_not_wait_for_each_other_in_a_ring(server: PostgresServer) -> None:
    names = [str(number) for number in range(200)]
    async with emptied(server), backend_of(server) as first, backend_of(server) as second:
        for _ in range(10):
            await asyncio.gather(
                first.write([Entry(name, b"1", LATER) for name in names]),
                second.write([Entry(name, b"2", LATER) for name in reversed(names)]),
            )
        assert set(await first.read(names)) <= {b"1", b"2"}


@on_both_loops
async def test_expired_rows_are_swept_some_at_a_time_and_the_others_stay(
    server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres_backend, "SWEEP_ROWS", 10)
    monkeypatch.setattr(postgres_backend, "_SWEEP", postgres_backend._SWEEP.replace("LIMIT 1000", "LIMIT 10"))
    async with emptied(server) as connection, backend_of(server) as backend:
        await backend.write([Entry(f"old-{number}", b"x", PAST) for number in range(25)])
        await backend.write([Entry("new", b"x", LATER)])
        assert [await backend.sweep() for _ in range(4)] == [True, True, False, False]
        assert [row["name"] for row in await connection.fetch(f"SELECT name FROM {TABLE}")] == ["new"]


@on_both_loops
async def test_two_pods_that_sweep_at_once_take_different_rows(server: PostgresServer) -> None:
    async with emptied(server) as connection, backend_of(server) as first, backend_of(server) as second:
        await first.write([Entry(str(number), b"x", PAST) for number in range(300)])
        await asyncio.gather(first.sweep(), second.sweep())
        assert await connection.fetchval(f"SELECT count(*) FROM {TABLE}") == 0


@on_both_loops
async def test_of_a_huge_value_no_more_is_read_than_a_good_one_has_and_a_byte(server: PostgresServer) -> None:
    async with emptied(server) as connection, backend_of(server) as backend:
        await connection.execute(f"INSERT INTO {TABLE} VALUES ('a', $1, now())", b"x" * 1_000_000)
        assert await backend.read(["a"]) == [b"x" * (VALUE_BYTES + 1)]


@on_both_loops
async def test_a_role_that_may_only_use_the_table_of_the_page_needs_no_right_to_create_it(
    server: PostgresServer,
) -> None:
    (statements,) = re.findall(r"```sql\n(.*?)```", PAGE, re.DOTALL)
    async with emptied(server) as connection:
        await connection.execute("DROP ROLE IF EXISTS pods")
        await connection.execute("CREATE ROLE pods LOGIN")
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            async with backend_of(server, "pods"):
                pass
        await connection.execute(statements)
        await connection.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {TABLE} TO pods")
        async with backend_of(server, "pods") as backend:
            await backend.write([Entry("a", b"x", LATER), Entry("b", b"x", PAST)])
            await backend.sweep()
            assert await backend.read(["a", "b"]) == [b"x", None]
        await connection.execute("DROP OWNED BY pods; DROP ROLE pods")


@on_both_loops
async def test_a_call_that_was_cut_short_leaves_neither_a_task_nor_a_connection(server: PostgresServer) -> None:
    async with emptied(server) as connection, backend_of(server) as backend:
        server.freeze()
        try:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.05):
                    await backend.read(["a"])
            async with asyncio.timeout(0.5):
                await backend.close()
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.05):
                    await backend.open()
        finally:
            server.thaw()
        await backend.close()
        await backend.open()
        assert await backend.read(["a"]) == [None]
        ours = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'wsgate'"
        deadline = time.monotonic() + 5
        while await connection.fetchval(ours) != 1:
            assert time.monotonic() < deadline, "the connections that were given up are still there"
            await asyncio.sleep(0.01)


@on_both_loops
async def test_after_a_crash_of_the_server_the_table_is_there_and_empty(server: PostgresServer) -> None:
    async with emptied(server), backend_of(server) as backend:
        await backend.write([Entry("a", b"x", LATER)])
        server.kill()
        with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError, OSError)):
            await backend.read(["a"])
        await backend.close()
        server.start()
        await backend.open()
        assert await backend.read(["a"]) == [None]


@on_both_loops
async def test_a_connection_that_is_not_open_is_a_fault() -> None:
    with pytest.raises(StoreFault, match="not connected"):
        await PostgresBackend("postgres://127.0.0.1/db").read(["a"])


@pytest.mark.parametrize(
    "dsn", ["", "host=db user=x password=s3cret", "mysql://u:s3cret@db/x", "postgres://u:s3cret@db:port/x"]
)
def test_a_dsn_that_cannot_be_used_is_refused_at_once_without_showing_it(dsn: str) -> None:
    with pytest.raises(ValueError, match="expected postgres://") as caught:
        PostgresBackend(dsn)
    assert "s3cret" not in str(caught.value)
