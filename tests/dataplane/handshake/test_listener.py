"""The public listener waits for nobody for ever and answers what is no request without a traceback."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from tests.support.loops import on_both_loops
from tests.support.sockets import Peer
from wsgate_dataplane.handshake import listener
from wsgate_dataplane.handshake.listener import HEADER_BYTES_MAX, HEADERS_MAX, PublicServer

GET = b"GET /healthz HTTP/1.1\r\nHost: gateway.test\r\n\r\n"
SHORT = 0.2
LATE = 5
"""Seconds; far above SHORT, and no shorter than what a busy machine needs."""


class Listening:
    """A running PublicServer whose handler answers ok."""

    def __init__(self) -> None:
        self.paths: list[str] = []
        self.port = 0

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        self.paths.append(request.path)
        return web.Response(text="ok\n")

    async def connect(self) -> Peer:
        peer = Peer(socket.socket())
        await asyncio.get_running_loop().sock_connect(peer.socket, ("127.0.0.1", self.port))
        return peer


@asynccontextmanager
async def listening() -> AsyncIterator[Listening]:
    found, loop = Listening(), asyncio.get_running_loop()
    public = PublicServer(found.answer, loop, lambda: 0)
    server = await loop.create_server(public, "127.0.0.1", 0)
    found.port = server.sockets[0].getsockname()[1]
    try:
        yield found
    finally:
        server.close()
        await server.wait_closed()
        public.stop_waiting()
        await public.shutdown(1)


async def end_of(peer: Peer) -> bytes:
    """All that is still sent until the connection ends; the test fails where it stays open."""
    async with asyncio.timeout(LATE):
        return await peer.rest()


async def dribble(peer: Peer) -> int:
    """Send a head that never ends, until the connection does; how many bytes went out."""
    count = 0
    async with asyncio.timeout(LATE):
        while True:
            try:
                await peer.send(b"X" if count else b"GET / HTTP/1.1\r\nX-Slow: ")
            except ConnectionError:
                return count
            count += 1
            # The pace of a slow client, not a wait for anything.
            await asyncio.sleep(SHORT / 20)


@pytest.fixture
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listener, "HEAD_SECONDS", SHORT)


@pytest.mark.usefixtures("_short")
@on_both_loops
async def test_a_connection_that_sends_nothing_is_closed() -> None:
    async with listening() as found:
        peer = await found.connect()
        assert await end_of(peer) == b""
        peer.close()
        assert found.paths == []


@pytest.mark.usefixtures("_short")
@on_both_loops
async def test_a_connection_that_dribbles_its_head_is_closed() -> None:
    async with listening() as found:
        peer = await found.connect()
        assert await dribble(peer) > 1
        peer.close()
        assert found.paths == []


@pytest.mark.usefixtures("_short")
@on_both_loops
async def test_a_connection_that_is_kept_and_then_sends_nothing_is_closed() -> None:
    async with listening() as found:
        peer = await found.connect()
        await peer.send(GET)
        assert (await peer.until(b"ok\n")).startswith(b"HTTP/1.1 200")
        assert await end_of(peer) == b""
        peer.close()


@pytest.mark.usefixtures("_short")
@on_both_loops
async def test_a_connection_that_is_kept_and_then_dribbles_its_head_is_closed() -> None:
    async with listening() as found:
        peer = await found.connect()
        await peer.send(GET)
        await peer.until(b"ok\n")
        assert await dribble(peer) > 1
        peer.close()
        assert found.paths == ["/healthz"]


@pytest.mark.usefixtures("_short")
@on_both_loops
async def test_a_client_that_goes_before_its_deadline_is_no_fault() -> None:
    async with listening() as found:
        gone = await found.connect()
        gone.reset()
        waiting = await found.connect()
        assert await end_of(waiting) == b""
        waiting.close()


@on_both_loops
async def test_requests_on_one_connection_are_answered_in_order() -> None:
    async with listening() as found:
        peer = await found.connect()
        await peer.send(GET + GET.replace(b"healthz", b"other"))
        await peer.until(b"ok\n")
        await peer.until(b"ok\n")
        assert found.paths == ["/healthz", "/other"]
        peer.close()


@pytest.mark.usefixtures("_short")
@on_both_loops
async def test_a_request_that_is_being_answered_has_no_deadline() -> None:
    async with listening() as found:
        others = [await found.connect() for _ in range(2)]
        is_free = asyncio.Event()

        async def wait(request: web.BaseRequest) -> web.StreamResponse:
            await is_free.wait()
            return web.Response(text="ok\n")

        public = PublicServer(wait, asyncio.get_running_loop(), lambda: 0)
        server = await asyncio.get_running_loop().create_server(public, "127.0.0.1", 0)
        found.port = server.sockets[0].getsockname()[1]
        peer = await found.connect()
        await peer.send(GET)
        # Connections that came earlier and later run out meanwhile.
        others.append(await found.connect())
        for each in others:
            assert await end_of(each) == b""
            each.close()
        is_free.set()
        assert (await peer.until(b"ok\n")).startswith(b"HTTP/1.1 200")
        peer.close()
        server.close()
        await server.wait_closed()
        public.stop_waiting()
        await public.shutdown(1)


def head_with(count: int) -> bytes:
    """A head with so many headers."""
    further = b"".join(b"X-%d: x\r\n" % number for number in range(count - 1))
    return GET.replace(b"\r\n\r\n", b"\r\n" + further + b"\r\n")


@on_both_loops
async def test_the_most_allowed_headers_are_read() -> None:
    async with listening() as found:
        peer = await found.connect()
        await peer.send(head_with(HEADERS_MAX))
        assert (await peer.until(b"ok\n")).startswith(b"HTTP/1.1 200")
        peer.close()


@pytest.mark.parametrize(
    "sent",
    [
        head_with(HEADERS_MAX + 1),
        GET.replace(b"\r\n\r\n", b"\r\nX-Huge: " + b"x" * (HEADER_BYTES_MAX + 1) + b"\r\n\r\n"),
        b"GET /" + b"x" * 9000 + b" HTTP/1.1\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 a TLS hello\r\n\r\n",
        b"GET /\0 HTTP/1.1\r\n\r\n",
        b"NONSENSE\r\n\r\n",
        GET.replace(b"Host", b"Bad Name"),
        GET.replace(b"\r\n\r\n", b"\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n"),
    ],
    ids=["65 headers", "huge header", "huge line", "TLS", "NUL", "nonsense", "bad name", "smuggling"],
)
@on_both_loops
async def test_what_is_no_request_is_answered_400_without_a_traceback(
    sent: bytes, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    async with listening() as found:
        peer = await found.connect()
        await peer.send(sent)
        head, _, body = (await end_of(peer)).partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.0 400") or head.startswith(b"HTTP/1.1 400"), head
        assert b"Traceback" not in body
        assert b"aiohttp" not in body
        assert found.paths == []
        peer.close()
    assert caplog.records == []
    assert capfd.readouterr() == ("", "")


@pytest.mark.usefixtures("_short")
@on_both_loops
async def test_many_silent_connections_are_all_closed() -> None:
    async with listening() as found:
        peers = [await found.connect() for _ in range(50)]
        async with asyncio.TaskGroup() as tasks:
            ends = [tasks.create_task(end_of(peer)) for peer in peers]
        assert [end.result() for end in ends] == [b""] * len(peers)
        for peer in peers:
            peer.close()


@on_both_loops
async def test_where_descriptors_run_short_a_connection_is_turned_away() -> None:
    async def answer(request: web.BaseRequest) -> web.Response:
        return web.Response()

    loop = asyncio.get_running_loop()
    public = PublicServer(answer, loop, lambda: 10**9)
    server = await loop.create_server(public, "127.0.0.1", 0)
    async with server:
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        with contextlib.suppress(ConnectionResetError):
            assert await asyncio.wait_for(reader.read(), 5) == b""
        writer.close()
    assert not public.connections
