"""Both raw peers of a relayed session, on loopback sockets, with the relay between them."""

import asyncio
import os
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import cast

from websockets.frames import Frame, Opcode

from tests.support.loops import eventually, turns
from wsgate_dataplane.handshake.front import Front
from wsgate_dataplane.handshake.listener import PublicListener
from wsgate_dataplane.protocols.mqtt.last_words import LastWords
from wsgate_dataplane.relay.asyncio_engine import AsyncioEngine
from wsgate_dataplane.relay.engine import (
    Closed,
    Connection,
    LimitExceeded,
    Meter,
    RelayLimits,
    SessionId,
    Side,
    SideLost,
)

REQUEST = (
    b"GET /chat HTTP/1.1\r\nHost: gateway\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
)
HEAD = (
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Accept: ICX+Yqv66kxgM0FcWaLWlFLwTAI=\r\n\r\n"
)
LIMITS = RelayLimits(grace_seconds=0.15, close_seconds=0.5)
"""Short where a test has to wait for it."""

Event = LimitExceeded | SideLost | Closed


def frame(opcode: Opcode, payload: bytes = b"", *, fin: bool = True, mask: bool) -> bytes:
    """One frame; mask is for what a client sends."""
    return Frame(opcode, payload, fin).serialize(mask=mask)


def open_fds() -> int:
    """How many descriptors this process holds."""
    return len(os.listdir("/proc/self/fd"))


@dataclass(frozen=True)
class Received:
    """A frame as it arrived, unmasked."""

    opcode: int
    payload: bytes
    is_masked: bool
    is_final: bool

    @property
    def close(self) -> tuple[int, str]:
        """Code and words of a Close frame."""
        assert self.opcode == Opcode.CLOSE, self
        return int.from_bytes(self.payload[:2], "big"), self.payload[2:].decode()


class Peer:
    """A non-blocking socket that does exactly what a test says, and reads only when asked to."""

    def __init__(self, connection: socket.socket) -> None:
        connection.settimeout(0)
        self.socket = connection
        self._loop = asyncio.get_running_loop()
        self._buffer = bytearray()

    async def send(self, data: bytes) -> None:
        await self._loop.sock_sendall(self.socket, data)

    async def _read_more(self) -> bool:
        data = await self._loop.sock_recv(self.socket, 1 << 18)
        self._buffer += data
        return bool(data)

    async def exactly(self, size: int) -> bytes:
        """The next bytes; EOFError where they end before."""
        while len(self._buffer) < size:
            if not await self._read_more():
                raise EOFError(f"{len(self._buffer)} of {size} bytes: {bytes(self._buffer[:80])!r}")
        taken = bytes(self._buffer[:size])
        del self._buffer[:size]
        return taken

    async def until(self, mark: bytes) -> bytes:
        """Everything up to and with the mark."""
        while mark not in self._buffer:
            if not await self._read_more():
                raise EOFError(bytes(self._buffer))
        return await self.exactly(self._buffer.index(mark) + len(mark))

    async def rest(self) -> bytes:
        """Everything until FIN; ConnectionResetError where the peer is cut."""
        while await self._read_more():
            pass
        return await self.exactly(len(self._buffer))

    async def is_cut(self) -> bool:
        """Read to the end: True where that is a reset, False where it is a FIN."""
        try:
            await self.rest()
        except ConnectionError:
            return True
        return False

    async def frame(self) -> Received:
        first, second = await self.exactly(2)
        length, is_masked = second & 0x7F, second >= 0x80
        if length > 125:
            length = int.from_bytes(await self.exactly(2 if length == 126 else 8), "big")
        mask = await self.exactly(4) if is_masked else bytes(4)
        payload = await self.exactly(length)
        long_mask = (mask * (length // 4 + 1))[:length]
        plain = int.from_bytes(payload, "big") ^ int.from_bytes(long_mask, "big")
        return Received(first & 0x0F, plain.to_bytes(length, "big"), is_masked, first >= 0x80)

    def shrink(self) -> None:
        """Make the kernel buffer little of what is sent to this peer."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)

    def finish(self) -> None:
        """Send FIN; reading goes on."""
        self.socket.shutdown(socket.SHUT_WR)

    def reset(self) -> None:
        """Send RST."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def close(self) -> None:
        self.socket.close()


Reaction = Callable[["Recorder", Event], None]


def close_on_limit(recorder: "Recorder", event: Event) -> None:
    """The least that a listener must do."""
    if isinstance(event, LimitExceeded):
        recorder.engine.close(recorder.id, 1008, "limit")


class Recorder:
    """Listens to one session and keeps what it hears."""

    def __init__(self, engine: AsyncioEngine, react: Reaction) -> None:
        self.engine = engine
        self._react = react
        self.id: SessionId = 0
        self.events: list[Event] = []

    def relay_opened(self, session: SessionId) -> None:
        assert not self.id and not self.events
        self.id = session

    def _heard(self, event: Event) -> None:
        assert self.id and self.closed is None, f"{event} in {self.events}"
        self.events.append(event)
        self._react(self, event)

    def limit_exceeded(self, event: LimitExceeded) -> None:
        self._heard(event)

    def side_lost(self, event: SideLost) -> None:
        self._heard(event)

    def relay_closed(self, event: Closed) -> None:
        self._heard(event)

    @property
    def closed(self) -> Closed | None:
        """The last event, once it has come."""
        return self.events[-1] if self.events and isinstance(self.events[-1], Closed) else None

    @property
    def exceeded(self) -> LimitExceeded:
        """The one LimitExceeded event."""
        (event,) = (event for event in self.events if isinstance(event, LimitExceeded))
        return event

    async def over(self) -> Closed:
        """Wait for the end of the session."""
        await eventually(lambda: self.closed is not None, lambda: f"not over: {self.events}")
        assert self.closed is not None
        return self.closed


@dataclass(frozen=True)
class Opened:
    """One session: its peers, which a test plays, and its events."""

    client: Peer
    upstream: Peer
    events: Recorder
    engine: AsyncioEngine

    @property
    def id(self) -> SessionId:
        return self.events.id

    def close(self, code: int = 1008, words: str = "revoked", last_words: LastWords | None = None) -> None:
        self.engine.close(self.id, code, words, last_words)

    def drop(self) -> None:
        """Close the peers' own descriptors."""
        self.client.close()
        self.upstream.close()

    async def end(self) -> Closed:
        """Both peers go; wait for the end."""
        self.drop()
        return await self.events.over()


def flood(session: Opened, side: Side, data: bytes) -> Callable[[], int]:
    """Put data into the gateway until it takes no more; the result gives what it took so far."""
    peer = session.client if side is Side.CLIENT else session.upstream
    taken = 0

    def push() -> int:
        nonlocal taken
        try:
            while taken < len(data):
                taken += peer.socket.send(data[taken : taken + 65536])
        except BlockingIOError:
            pass
        return taken

    return push


async def stall(session: Opened, side: Side, data: bytes) -> int:
    """Flood until nothing moves any more; the number of bytes that were taken."""
    push = flood(session, side, data)
    quiet = last = 0
    while quiet < 25:
        await asyncio.sleep(0.002)
        quiet = quiet + 1 if push() == last else 0
        last = push()
    assert last < len(data)
    return last


class _Answer(asyncio.Protocol):
    """Reads an upstream's head, then stops reading."""

    def __init__(self) -> None:
        self.early: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        _, blank, early = self._buffer.partition(b"\r\n\r\n")
        if blank:
            self.transport.pause_reading()
            self.early.set_result(early)


async def connect(address: tuple[str, int], tls: ssl.SSLContext | None = None) -> Connection:
    """What a dial leaves to the relay: an answered connection that is not read from."""
    loop = asyncio.get_running_loop()
    transport, answer = await loop.create_connection(_Answer, *address, ssl=tls)
    transport.write(REQUEST)
    return Connection(transport, await answer.early)


class Relay:
    """A listener whose handler dials the upstream and opens a session."""

    def __init__(self) -> None:
        self.engine = AsyncioEngine(asyncio.get_running_loop())
        self.limits = LIMITS
        self.extensions = False
        self.mqtt_level: int | None = None
        self.greeting = b""
        """What the upstream is sent first."""
        self.meter: Callable[[], Meter] | None = None
        """Makes the meter of each session."""
        self.react: Reaction = close_on_limit
        self.new_recorder: Callable[[AsyncioEngine, Reaction], Recorder] = Recorder
        self.upstream_address: tuple[str, int] = ("", 0)
        self.upstream_tls: ssl.SSLContext | None = None
        self.before_leaving: asyncio.Event | None = None
        """A handler that has dialled waits for it."""
        self.dialled = 0
        self.lost = 0
        """Clients that were gone before they could have a session."""
        self.recorders: list[Recorder] = []
        self._peers: list[Peer] = []
        self.handle: Callable[[Front], Awaitable[None]] = self._open
        self._tasks: set[asyncio.Task[None]] = set()
        self.server = PublicListener(self._handle, self._spawn, asyncio.get_running_loop(), lambda: 0)
        self._listening = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self._listening.settimeout(0)
        self._sockets: asyncio.Server | None = None

    async def start(self) -> None:
        self.upstream_address = self._listening.getsockname()
        self._sockets = await asyncio.get_running_loop().create_server(self.server, "127.0.0.1", 0, backlog=1024)

    def forget(self) -> None:
        """Keep nothing of the sessions that were opened so far."""
        self.recorders.clear()
        self._peers.clear()

    async def stop(self) -> None:
        self.engine.stop()
        self._listening.close()
        for peer in self._peers:
            peer.close()
        assert self._sockets is not None
        self._sockets.close()
        await self._sockets.wait_closed()
        self.server.stop()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @property
    def address(self) -> tuple[str, int]:
        """Where clients connect."""
        assert self._sockets is not None
        address: tuple[str, int] = self._sockets.sockets[0].getsockname()
        return address

    def limit(self, **limits: float) -> None:
        """Set some limits of the sessions that are opened from now on."""
        self.limits = replace(self.limits, **limits)  # type: ignore[arg-type]  # sizes are ints, times floats

    def _spawn(self, handling: Coroutine[None, None, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(handling)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _handle(self, front: Front, head: bytes) -> None:
        await self.handle(front)

    async def _open(self, front: Front) -> None:
        upstream = await connect(self.upstream_address, self.upstream_tls)
        self.dialled += 1
        try:
            if self.before_leaving is not None:
                await self.before_leaving.wait()
        except asyncio.CancelledError:
            self.lost += 1
            upstream.transport.abort()
            raise
        client = front.leave()
        assert client is not None, "nothing was awaited since it was there"
        meter = self.meter() if self.meter is not None else None
        recorder = self.new_recorder(self.engine, self.react)
        self.recorders.append(recorder)
        self.engine.open(
            client,
            upstream,
            (HEAD, self.greeting),
            self.limits,
            recorder,
            extensions=self.extensions,
            mqtt_level=self.mqtt_level,
            meter=meter,
        )

    async def client(self) -> Peer:
        """A connected client that has said nothing yet."""
        return self._keep(Peer(await self._dial()))

    def _keep(self, peer: Peer) -> Peer:
        self._peers.append(peer)
        return peer

    async def _dial(self) -> socket.socket:
        connection = socket.socket()
        connection.settimeout(0)
        await asyncio.get_running_loop().sock_connect(connection, self.address)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection

    async def accept(self) -> Peer:
        """The upstream's end of the next dial, its request read and not answered."""
        connection, _ = await asyncio.get_running_loop().sock_accept(self._listening)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        peer = self._keep(Peer(connection))
        assert await peer.until(b"\r\n\r\n") == REQUEST
        return peer

    async def open(
        self, client_says: Sequence[bytes] = (REQUEST,), upstream_says: Sequence[bytes] = (HEAD,)
    ) -> Opened:
        """Open one session; each side's first bytes, head included, are sent in these pieces."""
        known = len(self.recorders)
        client = await self.client()
        await _send_apart(client, client_says)
        upstream = await self.accept()
        await _send_apart(upstream, upstream_says)
        assert await client.exactly(len(HEAD)) == HEAD
        await eventually(lambda: len(self.recorders) > known)
        return Opened(client, upstream, self.recorders[known], self.engine)


async def _send_apart(peer: Peer, pieces: Sequence[bytes]) -> None:
    for piece in pieces:
        await peer.send(piece)
        # Loopback delivers at once: the other end reads the piece before the next one is sent.
        await turns(2)


@asynccontextmanager
async def relaying() -> AsyncIterator[Relay]:
    """A running Relay; at the end it holds no session, no aiohttp connection and no deadline."""
    relay = Relay()
    await relay.start()
    try:
        yield relay
    finally:
        await relay.stop()
