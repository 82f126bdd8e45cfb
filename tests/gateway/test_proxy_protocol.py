"""Behind a proxy that speaks the PROXY protocol, the gateway knows its clients and takes nobody else's word."""

import asyncio
from pathlib import Path

import pytest

from tests.support.loops import on_both_loops
from tests.support.world import World, eventually

LOOPBACK = "127.0.0.0/8"
CLIENT = b"PROXY TCP4 192.0.2.7 198.51.100.1 51234 443\r\n"

LOCAL = b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0"


def handshake(world: World, *lines: str, token: str = "") -> bytes:
    """A request for /echo."""
    head = [
        "GET /echo HTTP/1.1",
        "Host: gateway.test",
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
        f"Authorization: Bearer {token or world.token()}",
        *lines,
    ]
    return "\r\n".join([*head, "", ""]).encode()


async def answer(world: World, said: bytes, *, cut: int = 0) -> bytes:
    """The first line that a raw connection is answered; empty where it is closed. cut: bytes of each piece."""
    reader, writer = await asyncio.open_connection("127.0.0.1", world.plane.public_port)
    try:
        for at in range(0, len(said), cut or len(said)):
            writer.write(said[at : at + (cut or len(said))])
            await writer.drain()
        async with asyncio.timeout(10):
            return await reader.readline()
    except ConnectionError:
        return b""
    finally:
        writer.close()


@pytest.mark.parametrize("cut", [0, 5])
@on_both_loops
async def test_a_session_is_the_clients_that_the_header_names(tmp_path: Path, cut: int) -> None:
    world = World(tmp_path, WSGATE_PROXY_PROTOCOL="Require", WSGATE_TRUSTED_PROXIES=LOOPBACK)
    world.route(upstream=await world.upstream())
    async with world.running():
        assert (await answer(world, CLIENT + handshake(world), cut=cut)).startswith(b"HTTP/1.1 101")
        (ended,) = await world.ended()
    assert ended["address"] == "192.0.2.7"
    assert world.requests[0].headers["X-Forwarded-For"] == "192.0.2.7"


@on_both_loops
async def test_forwarded_for_goes_on_where_the_header_names_a_trusted_proxy(tmp_path: Path) -> None:
    world = World(tmp_path, WSGATE_PROXY_PROTOCOL="Require", WSGATE_TRUSTED_PROXIES=f"{LOOPBACK},192.0.2.7")
    world.route(upstream=await world.upstream())
    claim = "X-Forwarded-For: 203.0.113.9"
    stranger = CLIENT.replace(b"192.0.2.7", b"192.0.2.8")
    async with world.running():
        assert (await answer(world, CLIENT + handshake(world, claim))).startswith(b"HTTP/1.1 101")
        assert (await answer(world, stranger + handshake(world, claim))).startswith(b"HTTP/1.1 101")
        await world.ended(2)
    assert [each.headers["X-Forwarded-For"] for each in world.requests] == ["203.0.113.9", "192.0.2.8"]


@pytest.mark.parametrize("header", [b"PROXY UNKNOWN\r\n", LOCAL], ids=["UNKNOWN", "LOCAL"])
@on_both_loops
async def test_where_the_header_names_nobody_no_other_header_does(tmp_path: Path, header: bytes) -> None:
    world = World(tmp_path, WSGATE_PROXY_PROTOCOL="Require", WSGATE_TRUSTED_PROXIES=LOOPBACK)
    world.route(upstream=await world.upstream())
    async with world.running():
        said = header + handshake(world, "X-Forwarded-For: 203.0.113.9", "X-Forwarded-Proto: https")
        assert (await answer(world, said)).startswith(b"HTTP/1.1 101")
        (ended,) = await world.ended()
    assert ended["address"] == "127.0.0.1"
    assert world.requests[0].headers["X-Forwarded-Proto"] == "http"


@on_both_loops
async def test_the_failure_limit_counts_the_client_and_not_the_proxy(tmp_path: Path) -> None:
    world = World(
        tmp_path,
        WSGATE_PROXY_PROTOCOL="Require",
        WSGATE_TRUSTED_PROXIES=LOOPBACK,
        WSGATE_FAILURES_PER_MINUTE="2",
    )
    world.route(upstream=await world.upstream())
    async with world.running():
        for status in (b"401", b"401", b"429"):
            assert status in await answer(world, CLIENT + handshake(world, token="bad"))
        other = CLIENT.replace(b"192.0.2.7", b"192.0.2.8")
        assert (await answer(world, other + handshake(world))).startswith(b"HTTP/1.1 101")


@on_both_loops
async def test_a_client_that_passes_the_proxy_by_is_closed_and_told_in_the_log(tmp_path: Path) -> None:
    world = World(tmp_path, WSGATE_PROXY_PROTOCOL="Require", WSGATE_TRUSTED_PROXIES=LOOPBACK)
    world.route(upstream=await world.upstream())
    async with world.running():
        assert await answer(world, handshake(world)) == b""
        await eventually(lambda: bool(world.logged("PROXY protocol header refused")), "the log tells it")
        assert (await world.metrics())['wsgate_proxy_headers_refused_total{cause="malformed"}'] == 1
    assert world.requests == []


@on_both_loops
async def test_a_header_that_nobody_asked_for_is_no_request(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.route(upstream=await world.upstream())
    async with world.running():
        assert (await answer(world, CLIENT + handshake(world))).startswith(b"HTTP/1.1 400")
