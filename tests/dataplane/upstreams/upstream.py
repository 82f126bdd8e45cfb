"""A listening upstream that behaves as a test wants, and the ways to dial it."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from tests.support.loops import eventually
from tests.support.sockets import open_fds
from wsgate_dataplane.handshake.request import WebSocketOffer
from wsgate_dataplane.outcomes.refusal import Refused
from wsgate_dataplane.upstreams.dial import Target, Upgraded, dial

OFFER = WebSocketOffer("key", "ICX+Yqv66kxgM0FcWaLWlFLwTAI=", (), ())
ASKED = b"GET /ws HTTP/1.1\r\nHost: upstream.test\r\n\r\n"
EARLY = b"\x82\x05early" + b"\x82\x00"
SHORT = 0.2
"""Seconds, where a test has to wait for it."""

Behaviour = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Upstream:
    """A listening server that reads one head and then behaves as it was told."""

    def __init__(self, behaviour: Behaviour) -> None:
        self._behaviour = behaviour
        self.port = 0
        self.heads: list[bytes] = []
        self.connected = 0
        self.gone = 0
        """Connections whose end was seen."""

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connected += 1
        try:
            self.heads.append(await reader.readuntil(b"\r\n\r\n"))
            await self._behaviour(reader, writer)
            await reader.read()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            self.gone += 1
            writer.transport.abort()

    def url(self, host: str = "127.0.0.1", scheme: str = "ws") -> str:
        return f"{scheme}://{host}:{self.port}/ws"


@asynccontextmanager
async def serving(behaviour: Behaviour, tls: ssl.SSLContext | None = None) -> AsyncIterator[Upstream]:
    """A running upstream; at the end every dialled connection is closed and no descriptor is left."""
    upstream = Upstream(behaviour)
    server = await asyncio.start_server(upstream, "127.0.0.1", 0, ssl=tls)
    upstream.port = server.sockets[0].getsockname()[1]
    before = open_fds()
    try:
        yield upstream
        await eventually(lambda: upstream.gone == upstream.connected, "a connection was left open")
        await eventually(lambda: open_fds() <= before, lambda: f"{open_fds()} descriptors, {before} before")
    finally:
        server.close()
        await server.wait_closed()


def saying(*pieces: bytes, then_close: bool = False) -> Behaviour:
    """Send the pieces, each in a segment of its own."""

    async def say(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0)
        if then_close:
            writer.transport.close()

    return say


async def dialled(
    url: str, tls: ssl.SSLContext | None = None, connect: float = 5, handshake: float = 5, name: str | None = None
) -> Upgraded:
    return await dial(Target.from_url(url, tls, name), ASKED, OFFER, connect, handshake)


async def refusal(
    url: str, tls: ssl.SSLContext | None = None, connect: float = 5, handshake: float = 5
) -> Refused:
    with pytest.raises(Refused) as caught:
        await dialled(url, tls, connect, handshake)
    # A traceback would keep the connection's objects alive.
    return caught.value.with_traceback(None)


async def rest_of(upgraded: Upgraded, size: int) -> bytes:
    """Early bytes and what follows, as the relay reads them after its take-over."""
    received = bytearray(upgraded.early)

    class Reading(asyncio.Protocol):
        def data_received(self, data: bytes) -> None:
            received.extend(data)

    upgraded.transport.set_protocol(Reading())
    upgraded.transport.resume_reading()
    await eventually(lambda: len(received) >= size, lambda: f"{len(received)} of {size} bytes")
    upgraded.transport.abort()
    return bytes(received)
