"""The few commands of a real Redis, with the rights that the reference page gives."""

import asyncio
import re
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from redis import exceptions

from tests.support.loops import on_both_loops
from tests.support.valkey import ValkeyServer, valkey
from wsgate_dataplane.identity.stores.redis_backend import RedisBackend
from wsgate_dataplane.identity.stores.seal import VALUE_BYTES
from wsgate_dataplane.identity.stores.shared import Entry

PAGE = Path(__file__).parents[4] / "docs/reference/redis.md"
PREFIX = "jwt_cached_token_"
LATER = int(time.time()) + 3600


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ValkeyServer]:
    with valkey(tmp_path) as running:
        yield running


@asynccontextmanager
async def backend_of(url: str) -> AsyncIterator[RedisBackend]:
    backend = RedisBackend(url)
    await backend.open()
    try:
        yield backend
    finally:
        await backend.close()


@on_both_loops
async def test_what_was_written_is_read_until_its_time(server: ValkeyServer) -> None:
    async with backend_of(server.url) as backend:
        assert await backend.read(["p_a", "p_b"]) == [None, None]
        past = int(time.time()) - 1
        await backend.write([Entry("p_a", b"\x00\xff", LATER), Entry("p_b", b"b", past)])
        assert await backend.read(["p_b", "p_a", "p_a"]) == [None, b"\x00\xff", b"\x00\xff"]
        assert await backend.sweep() is False
    with server.client() as client:
        assert client.keys() == ["p_a"]
        assert client.expiretime("p_a") == LATER


@on_both_loops
async def test_of_a_huge_value_no_more_is_read_than_a_good_one_has_and_a_byte(server: ValkeyServer) -> None:
    with server.client() as client:
        client.set("p_a", "x" * 1_000_000)
    async with backend_of(server.url) as backend:
        assert await backend.read(["p_a"]) == [b"x" * (VALUE_BYTES + 1)]


@on_both_loops
async def test_any_number_of_calls_takes_one_connection(server: ValkeyServer) -> None:
    async with backend_of(server.url) as backend:
        for number in range(50):
            await backend.write([Entry(f"p_{number}", b"x", LATER)])
            await backend.read([f"p_{number}"])
        with server.client() as client:
            ours = [each for each in client.client_list() if each["cmd"] not in ("client|list", "client|setinfo")]
            assert len(ours) == 1


@on_both_loops
async def test_a_user_with_the_rights_of_the_reference_page_can_do_it_and_no_more(server: ValkeyServer) -> None:
    (rights,) = re.findall(r"^user tokens (.*)$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    with server.client() as client:
        client.execute_command("ACL", "SETUSER", "tokens", *rights.replace(">PASSWORD", ">p@ss").split())
    async with backend_of(server.url.replace("redis://", "redis://tokens:p%40ss@")) as backend:
        await backend.write([Entry(f"{PREFIX}a", b"x", LATER)])
        assert await backend.read([f"{PREFIX}a"]) == [b"x"]
        for name in ("other", "{wsgate}:revocations"):
            with pytest.raises(exceptions.NoPermissionError):
                await backend.write([Entry(name, b"x", LATER)])
            with pytest.raises(exceptions.NoPermissionError):
                await backend.read([name])


@on_both_loops
async def test_it_works_again_after_a_call_that_was_cut_short_and_after_a_restart(server: ValkeyServer) -> None:
    async with backend_of(server.url) as backend:
        server.freeze()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await backend.read(["p_a"])
        server.thaw()
        await backend.close()
        await backend.write([Entry("p_b", b"b", LATER)])
        assert await backend.read(["p_a", "p_b"]) == [None, b"b"]
        server.kill()
        with pytest.raises((exceptions.ConnectionError, OSError, RuntimeError)):
            await backend.read(["p_a"])
        server.start()
        await backend.close()
        assert await backend.read(["p_b"]) == [None]


@pytest.mark.parametrize(
    "url",
    ["", "http://redis", "redis://", "redis://redis/a", "redis://redis/0/1", "redis://redis/0?socket_timeout=9"],
)
def test_a_url_that_cannot_be_used_is_refused_at_once(url: str) -> None:
    with pytest.raises(ValueError, match="expected "):
        RedisBackend(url)
