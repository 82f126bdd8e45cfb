"""One connection of the load client, as cheap as Python allows: prebuilt frames, replies counted by bytes."""

import asyncio
from enum import Enum
from typing import cast

from .frames import BINARY, CLOSE, NORMAL_CLOSURE, masked, unmasked

READ_BUFFER_BYTES = 1_048_576
HEAD_BYTES_MAX = 16_384


class SessionFailed(Exception):
    """The peer refused, closed too early or answered something else than the echo."""


class Phase(Enum):
    """HANDSHAKE → IDLE; from IDLE to ECHO or LOAD and back; LEAVING at last."""

    HANDSHAKE = "handshake"
    IDLE = "idle"
    ECHO = "echo"
    LOAD = "load"
    LEAVING = "leaving"


class Exchange:
    """What every session of one load sends and expects back."""

    def __init__(self, payload: bytes, window: int) -> None:
        frame = masked(BINARY, payload)
        self.reply = unmasked(BINARY, payload)
        self.reply_bytes = len(self.reply)
        self.window = window
        self.bursts = [frame * count for count in range(window + 1)]
        self.close = masked(CLOSE, NORMAL_CLOSURE)
        # Shared by all sessions: a read is consumed before the next one begins.
        self.read_buffer = bytearray(READ_BUFFER_BYTES)
        self.is_sending = False


class Session(asyncio.BufferedProtocol):
    """One connection; its futures tell what was reached and fail when the connection is lost before."""

    def __init__(self, exchange: Exchange, request: bytes) -> None:
        self._exchange = exchange
        self._request = request
        self._phase = Phase.HANDSHAKE
        self._collected = b""
        loop = asyncio.get_running_loop()
        self.reached: asyncio.Future[None] = loop.create_future()
        """The present phase's end."""
        self.gone: asyncio.Future[None] = loop.create_future()
        self.sent = 0
        self.received_bytes = 0
        self._answered = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are no instances of asyncio's classes.
        self._transport = cast(asyncio.WriteTransport, transport)
        self._transport.write(self._request)

    def get_buffer(self, sizehint: int) -> bytearray:
        return self._exchange.read_buffer

    def buffer_updated(self, nbytes: int) -> None:
        if self._phase is Phase.LOAD:
            self._count(nbytes)
        elif self._phase in (Phase.HANDSHAKE, Phase.ECHO):
            self._collected += self._exchange.read_buffer[:nbytes]
            self._compare()

    def eof_received(self) -> None:
        """Returning nothing closes our side too."""

    def connection_lost(self, exc: Exception | None) -> None:
        self.gone.set_result(None)
        if not self.reached.done():
            self.reached.set_exception(SessionFailed(f"connection lost in phase {self._phase.value}: {exc}"))

    async def echo(self) -> None:
        """Send one message and wait for exactly the same one."""
        self._enter(Phase.ECHO)
        self._transport.write(self._exchange.bursts[1])
        await self.reached

    def begin_load(self) -> asyncio.Future[None]:
        """Keep `window` messages in flight while the exchange is sending; done when all have come back."""
        self._enter(Phase.LOAD)
        self.sent = self._exchange.window
        self._transport.write(self._exchange.bursts[self.sent])
        return self.reached

    async def leave(self) -> None:
        """Close as a browser does and wait until the peer has hung up."""
        self._enter(Phase.LEAVING)
        self.reached.set_result(None)
        self._transport.write(self._exchange.close)
        await self.gone

    def _enter(self, phase: Phase) -> None:
        if self.gone.done():
            raise SessionFailed(f"connection lost before phase {phase.value}")
        self._phase = phase
        self._collected = b""
        self.reached = asyncio.get_running_loop().create_future()

    def _reach(self) -> None:
        self._phase = Phase.IDLE
        self.reached.set_result(None)

    def _fail(self, words: str) -> None:
        if not self.reached.done():
            self.reached.set_exception(SessionFailed(words))
        self._transport.abort()

    def _count(self, nbytes: int) -> None:
        exchange = self._exchange
        self.received_bytes += nbytes
        answered = self.received_bytes // exchange.reply_bytes
        fresh = answered - self._answered
        if not fresh:
            return
        self._answered = answered
        if exchange.is_sending:
            self.sent += fresh
            self._transport.write(exchange.bursts[fresh])
        elif answered == self.sent:
            self._reach()

    def _compare(self) -> None:
        if self._phase is Phase.HANDSHAKE:
            if b"\r\n\r\n" in self._collected[:HEAD_BYTES_MAX]:
                if self._collected.startswith(b"HTTP/1.1 101 "):
                    self._reach()
                else:
                    self._fail(self._collected[:400].decode("latin-1"))
        elif len(self._collected) >= self._exchange.reply_bytes:
            if self._collected == self._exchange.reply:
                self._reach()
            else:
                self._fail(f"not the echo: {self._collected[:40]!r}…")
