"""The public listener waits for nobody for ever, and turns away whom it has no descriptors for."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from tests.support.loops import eventually, on_both_loops
from tests.support.sockets import Peer
from wsgate_dataplane.handshake import listener
from wsgate_dataplane.handshake.front import Front
from wsgate_dataplane.handshake.listener import Handle, PublicListener

GET = b"GET /healthz HTTP/1.1\r\nHost: gateway.test\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok\n"
SHORT = 0.2
LATE = 5
"""Seconds; far above SHORT, and no shorter than what a busy machine needs."""


class Listening:
    """A running PublicListener whose handler answers ok."""

    def __init__(self, tasks: asyncio.TaskGroup) -> None:
        self.tasks = tasks
        self.heads: list[bytes] = []
        self.port = 0

    async def answer(self, front: Front, head: bytes) -> None:
        self.heads.append(head)
        front.answer(OK)

    async def connect(self) -> Peer:
        peer = Peer(socket.socket())
        await asyncio.get_running_loop().sock_connect(peer.socket, ("127.0.0.1", self.port))
        return peer


@asynccontextmanager
async def listening(handle: Handle | None = None, sessions: int = 0) -> AsyncIterator[Listening]:
    loop = asyncio.get_running_loop()
    async with asyncio.TaskGroup() as tasks:
        found = Listening(tasks)
        public = PublicListener(handle or found.answer, tasks.create_task, loop, lambda: sessions)
        server = await loop.create_server(public, "127.0.0.1", 0)
        found.port = server.sockets[0].getsockname()[1]
        try:
            yield found
        finally:
            server.close()
            public.stop()
            await server.wait_closed()
    await eventually(lambda: not public.connections)


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
        assert found.heads == []


@pytest.mark.usefixtures("_short")
@on_both_loops
async def test_a_connection_that_dribbles_its_head_is_closed() -> None:
    async with listening() as found:
        peer = await found.connect()
        assert await dribble(peer) > 1
        peer.close()
        assert found.heads == []


@on_both_loops
async def test_an_answer_that_is_not_taken_does_not_keep_its_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listener, "ANSWER_SECONDS", SHORT)
    async with listening() as found:
        peer = await found.connect()
        await peer.send(GET)
        # The peer reads the answer but never closes its side.
        assert await end_of(peer) == OK
        assert await dribble(peer) >= 1
        peer.close()


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
async def test_a_second_request_on_a_connection_is_not_answered() -> None:
    async with listening() as found:
        peer = await found.connect()
        await peer.send(GET + GET.replace(b"healthz", b"other"))
        assert await end_of(peer) == OK
        assert found.heads == [GET]
        peer.close()


@pytest.mark.usefixtures("_short")
@on_both_loops
async def test_a_request_that_is_being_answered_has_no_deadline() -> None:
    is_free = asyncio.Event()

    async def wait(front: Front, head: bytes) -> None:
        await is_free.wait()
        front.answer(OK)

    async with listening(wait) as found:
        others = [await found.connect() for _ in range(2)]
        peer = await found.connect()
        await peer.send(GET)
        # Connections that came earlier and later run out meanwhile.
        others.append(await found.connect())
        for each in others:
            assert await end_of(each) == b""
            each.close()
        is_free.set()
        assert await end_of(peer) == OK
        peer.close()


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
    async with listening(sessions=10**9) as found:
        reader, writer = await asyncio.open_connection("127.0.0.1", found.port)
        with contextlib.suppress(ConnectionResetError):
            assert await asyncio.wait_for(reader.read(), 5) == b""
        writer.close()


@pytest.mark.parametrize("how", ["finish", "reset"])
@on_both_loops
async def test_what_is_done_for_a_client_ends_when_it_goes(how: str) -> None:
    begun, ended = 0, 0

    async def wait(front: Front, head: bytes) -> None:
        nonlocal begun, ended
        begun += 1
        try:
            await asyncio.Event().wait()
        finally:
            ended += 1
            assert front.is_gone

    async with listening(wait) as found:
        peers = [await found.connect() for _ in range(20)]
        for peer in peers:
            await peer.send(GET)
            # At once: also a client that is gone before anything was done for it is counted by the handler.
            getattr(peer, how)()
        await eventually(lambda: ended == 20, lambda: f"{begun} begun, {ended} ended")
        for peer in peers:
            peer.close()
