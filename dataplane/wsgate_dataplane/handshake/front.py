"""One accepted connection until it becomes a session or has been answered."""

import asyncio
from enum import Enum
from typing import Protocol, cast

from wsgate_dataplane.relay.engine import Connection
from wsgate_dataplane.relay.shut import shut

HEAD_BYTES_MAX = 32_768
"""Request line and headers together."""
EARLY_BYTES_MAX = 65_536
"""What a client may send that nobody has taken yet; then it is not read from."""

_END = b"\r\n\r\n"


class Stage(Enum):
    """Where a connection stands, in this order."""

    HEAD = "head"
    ASKED = "asked"
    SWITCHED = "switched"
    ANSWERED = "answered"
    LEFT = "left"


# Names of their own: to look a member up in its class takes ten times as long.
HEAD, ASKED, SWITCHED, ANSWERED, LEFT = Stage


class Owner(Protocol):
    """Who is told of a connection."""

    def accepted(self, front: "Front") -> None:
        """A connection is there."""

    def arrived(self, front: "Front", head: bytes) -> None:
        """The head is complete, blank line included; without one it is no head or longer than is read."""

    def answered(self, front: "Front") -> None:
        """The answer is on its way; the client may take it for a while."""

    def left(self, front: "Front") -> None:
        """The connection has become a session's."""

    def gone(self, front: "Front") -> None:
        """The connection is closed; nobody is left to answer."""


class Front(asyncio.Protocol):
    """Reads one request's head; what follows belongs to the session. There is no second request."""

    __slots__ = (
        "_early",
        "_owner",
        "_received",
        "_stage",
        "_stands_for",
        "_transport",
        "_waiter",
        "is_forwarding",
    )

    def __init__(self, owner: Owner) -> None:
        self._owner = owner
        self._stage = HEAD
        self._received = self._early = b""
        self._waiter: asyncio.Future[None] | None = None
        self._stands_for: str | None = None
        self.is_forwarding = True
        """Whether its headers may say whom it stands for."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # Not by isinstance: uvloop's transports do not inherit from asyncio's.
        self._transport = cast("asyncio.Transport", transport)
        self._owner.accepted(self)

    def data_received(self, data: bytes) -> None:
        if self._stage is HEAD:
            self._read_head(data)
        elif self._stage in (ASKED, SWITCHED):
            self._early += data
            if len(self._early) > EARLY_BYTES_MAX:
                self._transport.pause_reading()
            self.wake()

    def _read_head(self, data: bytes) -> None:
        received = self._received + data if self._received else data
        end = received.find(_END, max(len(self._received) - len(_END), 0))
        # No method begins otherwise: a TLS hello, say, is answered at once.
        if end < 0 and len(received) <= HEAD_BYTES_MAX and b"A" <= received[:1] <= b"Z":
            self._received = received
            return
        self._received = b""
        self._stage = ASKED
        cut = end + len(_END) if end >= 0 else HEAD_BYTES_MAX
        self._early = received[cut:]
        self._owner.arrived(self, received[:cut])

    def connection_lost(self, exc: Exception | None) -> None:
        if self._stage is not LEFT:
            self._stage = LEFT
            self._owner.gone(self)

    def stand_for(self, address: str | None) -> None:
        """Count as a connection of that address: the one at the other end is a proxy that said so.

        None: the proxy names nobody. It is its own connection then, and what stands in its X-Forwarded-For may be
        the words of a client behind it.
        """
        self._stands_for = address
        self.is_forwarding = address is not None

    @property
    def peer(self) -> str:
        """The address at the other end, or that it stands for; empty where it is gone."""
        if self._stands_for is not None:
            return self._stands_for
        found = self._transport.get_extra_info("peername")
        return str(found[0]) if found else ""

    @property
    def is_gone(self) -> bool:
        """Whether the connection is closed, or has become a session's."""
        return self._stage is LEFT

    @property
    def is_closing(self) -> bool:
        """Whether nothing can be said any more."""
        return self._stage is LEFT or self._transport.is_closing()

    @property
    def has_switched(self) -> bool:
        """Whether the client has its 101, so that it understands frames only."""
        return self._stage is SWITCHED

    def switch(self, head: bytes) -> None:
        """Write the 101 before there is a session: the client's first message is to be read here."""
        self._stage = SWITCHED
        self.say(head)

    def say(self, data: bytes) -> None:
        """Write to a client that is still there."""
        if not self.is_closing:
            self._transport.write(data)

    async def received(self) -> bytes:
        """Take what the client has sent, waiting for it; nothing where wake() was called first.

        Of a client that goes nobody hears here: its owner is told.
        """
        if not self._early:
            self._waiter = asyncio.get_running_loop().create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        taken, self._early = self._early, b""
        if not self.is_closing:
            self._transport.resume_reading()
        return taken

    def wake(self) -> None:
        """Let received() return."""
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def answer(self, response: bytes) -> None:
        """Write a whole answer and end: what follows a refused handshake is not HTTP."""
        if self.is_closing:
            return
        self._stage = ANSWERED
        self._early = b""
        self._transport.write(response)
        # Half a close, and reading on until the client's: a reset could overtake the answer.
        shut(self._transport)
        self._transport.resume_reading()
        self._owner.answered(self)

    def leave(self, taken: bytes = b"") -> Connection | None:
        """Give the connection away, with what came early; None where the client is gone.

        taken: what received() gave and is the session's all the same. Nothing may be awaited between this and
        Engine.open: what arrives meanwhile would be lost.
        """
        if self.is_closing:
            return None
        self._stage = LEFT
        self._owner.left(self)
        return Connection(self._transport, taken + self._early)

    def abort(self) -> None:
        """Drop the connection."""
        self._transport.abort()
