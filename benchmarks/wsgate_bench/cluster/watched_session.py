"""A client's session that costs nearly nothing and notes when and how it ends."""

import asyncio
import time
from dataclasses import dataclass
from typing import cast

from ..client_session import SessionFailed
from ..frames import BINARY, CLOSE, masked, unmasked

HEAD_END = b"\r\n\r\n"


@dataclass(frozen=True)
class Ending:
    """The end of the TCP connection, by time.monotonic(); code: of the peer's Close, None without one."""

    at: float
    code: int | None


class WatchedSession(asyncio.Protocol):
    """Opens, may echo a message, answers a Close as a browser does."""

    def __init__(self, request: bytes) -> None:
        loop = asyncio.get_running_loop()
        self._request = request
        self._received = b""
        self._expected = HEAD_END
        self._code: int | None = None
        self._reached: asyncio.Future[None] = loop.create_future()
        self.ended: asyncio.Future[Ending] = loop.create_future()
        """The end of the connection, whoever brings it about."""

    @classmethod
    async def open(cls, port: int, request: bytes) -> "WatchedSession":
        """Connect to loopback and wait for the 101; raises SessionFailed."""
        loop = asyncio.get_running_loop()
        _, session = await loop.create_connection(lambda: cls(request), "127.0.0.1", port)
        await session._reached
        if not session._received.startswith(b"HTTP/1.1 101 "):
            raise SessionFailed(session._received[:400].decode("latin-1"))
        return session

    async def echo(self, message: bytes) -> None:
        """Send a message and wait for the same one; raises SessionFailed."""
        if self.ended.done():
            raise SessionFailed(f"closed: {self.ended.result()}")
        self._received, self._expected = b"", unmasked(BINARY, message)
        self._reached = asyncio.get_running_loop().create_future()
        self._transport.write(masked(BINARY, message))
        await self._reached

    def close(self) -> None:
        """At once, without a Close."""
        self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are no instances of asyncio's classes.
        self._transport = cast(asyncio.WriteTransport, transport)
        self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        if self._reached.done():
            # Nothing but a Close is due: upstream and gateway send no Ping while it is open.
            self._received, self._code = data, _code_of(data)
            if self._code is not None:
                self._transport.write(masked(CLOSE, self._code.to_bytes(2, "big")))
            return
        self._received += data
        if self._received.endswith(self._expected):
            self._reached.set_result(None)

    def eof_received(self) -> None:
        """Returning nothing closes our side too."""
        self._end()

    def connection_lost(self, exc: Exception | None) -> None:
        self._end()

    def _end(self) -> None:
        if not self.ended.done():
            self.ended.set_result(Ending(time.monotonic(), self._code))
        if not self._reached.done():
            self._reached.set_exception(SessionFailed("closed before the answer"))


def _code_of(data: bytes) -> int | None:
    """Of a whole Close frame at the beginning."""
    return int.from_bytes(data[2:4], "big") if data[:1] == bytes((CLOSE,)) and len(data) >= 4 else None
