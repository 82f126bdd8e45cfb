"""The Engine: the one interface around everything that happens to bytes after the handshake."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from functools import cached_property
from typing import Protocol

from wsgate_dataplane.frames.metered import Allowance
from wsgate_dataplane.frames.scanner import FrameLimits
from wsgate_dataplane.protocols.mqtt.last_words import LastWords
from wsgate_dataplane.relay.keepalive import SocketOptions, keepalive_options
from wsgate_dataplane.values import value

SessionId = int


class Side(Enum):
    """One of the two peers of a session."""

    CLIENT = "client"
    UPSTREAM = "upstream"


class Limit(Enum):
    """What a side exceeded."""

    FRAME = "frame"
    MESSAGE_BYTES = "message bytes"
    CONTROL_FRAMES = "control frames"
    FRAGMENTS = "fragments"
    RATE = "rate"
    TEXT_FRAME = "text frame"
    MQTT_MALFORMED = "malformed packet"
    MQTT_PROTOCOL = "packet out of place"
    IDLE = "idle"
    WRITE = "write"


@dataclass(frozen=True)
class RelayLimits(FrameLimits):
    """Limits of one session; shared by all sessions of a route. Times in seconds."""

    idle_seconds: float = 60
    ping_seconds: float = 30
    write_seconds: float = 10
    grace_seconds: float = 0.5
    """Longest wait for a frame boundary before a Close of ours."""
    close_seconds: float = 1
    """From the decision to close until the connections are cut."""

    @cached_property
    def socket_options(self) -> SocketOptions:
        """What the kernel is told of both connections."""
        told = self.write_seconds + self.grace_seconds + self.close_seconds
        return keepalive_options(self.idle_seconds, told)


@value
class Counters:
    """What went through; bytes on the wire, headers included."""

    bytes_to_upstream: int = 0
    bytes_to_client: int = 0
    messages_to_upstream: int = 0
    messages_to_client: int = 0


@dataclass(frozen=True)
class LimitExceeded:
    """Event: a side broke a limit; nothing more of it is forwarded until the session is closed."""

    limit: Limit
    side: Side
    detail: str


@dataclass(frozen=True)
class SideLost:
    """Event: a side's connection ended without a Close frame; the other side still stands."""

    side: Side


@value
class Closed:
    """Event: both connections of a session are gone."""

    first_close: Side | None
    """The peer whose Close frame passed first; None: none did."""
    close_code: int | None
    """That frame's code."""
    is_clean: bool
    """Both connections ended before the deadline, without a reset."""
    counters: Counters


class Listener(Protocol):
    """Receives the events of one session; called from the loop, must not raise."""

    def relay_opened(self, session: SessionId) -> None:
        """The first event, before any byte of a peer is moved: events may come before Engine.open returns."""

    def limit_exceeded(self, event: LimitExceeded) -> None:
        """Answer with Engine.close or Engine.abort."""

    def side_lost(self, event: SideLost) -> None:
        """Answer with Engine.close to say a last word to the other side; else FIN is passed on."""

    def relay_closed(self, event: Closed) -> None:
        """The session is over; the id is free."""


class Meter(Allowance, Protocol):
    """What the client of one session may send; the relay asks, and reads slower or ends the session.

    Sessions may share what they draw from. No method may raise.
    """

    def wait(self) -> float | None:
        """The allowance is used up: the clock's time at which to ask again; None: the session is to end."""
        ...

    def settle(self) -> None:
        """Nothing waits any more: what was set aside for it is free again."""
        ...

    def stop(self) -> None:
        """The session is over."""
        ...


@value
class Connection:
    """A connected transport and the bytes that were read from it beyond the handshake."""

    transport: asyncio.Transport
    early: bytes = b""


class Engine(Protocol):
    """Moves bytes; the only code that touches transports after the handshake."""

    def open(
        self,
        client: Connection,
        upstream: Connection,
        first: tuple[bytes, bytes],
        limits: RelayLimits,
        listener: Listener,
        *,
        extensions: bool,
        mqtt_level: int | None = None,
        meter: Meter | None = None,
    ) -> SessionId:
        """Write what comes first to the client (its 101) and to the upstream (whole frames), forward both sides'
        early bytes, relay from then on.

        extensions says whether RSV1 may be set (permessage-deflate was negotiated end to end); mqtt_level: of
        the CONNECT that was read, whose session is followed packet by packet; None: it is no MQTT session;
        meter: what the client may send; None: not limited.
        """
        ...

    def close(self, session: SessionId, code: int, words: str, last_words: LastWords | None = None) -> None:
        """Close both sides on a frame boundary; cut what does not reach one within the grace.

        last_words: told to an MQTT client before its Close, where a packet ends within the grace. An id that is
        gone, or closing already, is fine.
        """
        ...

    def abort(self, session: SessionId) -> None:
        """Cut both connections now; an id that is gone is fine."""
        ...

    def set_limits(self, session: SessionId, limits: RelayLimits) -> None:
        """Replace the limits of a live session; an id that is gone is fine."""
        ...

    def stats(self, session: SessionId) -> Counters:
        """What went through so far; zeros for an id that is gone."""
        ...

    def refuse(
        self,
        client: Connection,
        head: bytes,
        close: tuple[int, str],
        seconds: float,
        on_gone: Callable[[], None],
    ) -> None:
        """Answer 101 and at once a Close frame: a refusal that a browser can read; cut after seconds."""
        ...
