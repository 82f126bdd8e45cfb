"""The Engine: the one interface around everything that happens to bytes after the handshake."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Protocol


class Side(Enum):
    """Who did it."""

    CLIENT = "client"
    UPSTREAM = "upstream"
    GATEWAY = "gateway"


class Limit(Enum):
    """What a side exceeded."""

    FRAME = "frame"
    MESSAGE_BYTES = "message bytes"
    CONTROL_FRAMES = "control frames"
    FRAGMENTS = "fragments"
    IDLE = "idle"
    WRITE = "write"


class Ending(Enum):
    """Why a session's connections are gone."""

    CLOSED = "closed"
    """A Close frame was the last frame of the side that ended it."""
    LOST = "lost"
    """The side's connection broke without a Close frame."""
    COMMANDED = "commanded"
    """The gateway closed or aborted it."""


@dataclass(frozen=True)
class RelayLimits:
    """Limits of one session; shared by all sessions of a route. Times in seconds, sizes in wire bytes."""

    max_message_bytes: int = 1048576
    max_fragments: int = 1000
    max_control_frames_per_second: int = 200
    idle_seconds: float = 60
    ping_seconds: float = 30
    write_seconds: float = 10
    grace_seconds: float = 0.5
    """Longest wait for a frame boundary before a Close of ours."""
    close_seconds: float = 1
    """From the decision to close until the connections are cut."""


@dataclass(frozen=True)
class Counters:
    """What went through; bytes on the wire, headers included."""

    bytes_to_upstream: int
    bytes_to_client: int
    messages_to_upstream: int
    messages_to_client: int


@dataclass(frozen=True)
class Closed:
    """Event: both connections of a session are gone."""

    ending: Ending
    side: Side
    close_code: int | None
    """The code of the Close frame that ended it (a peer's or ours), where there was one."""
    is_clean: bool
    """Both sides ended by Close frames and FIN, not by RST or deadline."""
    counters: Counters


@dataclass(frozen=True)
class LimitExceeded:
    """Event: a side broke a limit; nothing more of it is forwarded until the session is closed."""

    limit: Limit
    side: Side
    detail: str


class Listener(Protocol):
    """Receives the events of one session; called from the loop, must not raise."""

    def relay_closed(self, event: Closed) -> None:
        """The session is over; the id is free."""

    def limit_exceeded(self, event: LimitExceeded) -> None:
        """A side broke a limit; answer with Engine.close or Engine.abort."""


@dataclass(frozen=True)
class Connection:
    """A connected transport and the bytes that were read from it beyond the handshake."""

    transport: asyncio.Transport
    early: bytes = b""


SessionId = int


class Engine(Protocol):
    """Moves bytes; the only code that touches transports after the handshake."""

    def open(
        self,
        client: Connection,
        upstream: Connection,
        head: bytes,
        limits: RelayLimits,
        listener: Listener,
        *,
        extensions: bool,
    ) -> SessionId:
        """Write head (the 101) to the client, forward both sides' early bytes, relay from then on.

        extensions says whether RSV1 may be set (permessage-deflate was negotiated end to end).
        """
        ...

    def close(self, session: SessionId, code: int, words: str) -> None:
        """Close both sides on a frame boundary; aborts what does not reach one within the grace."""
        ...

    def abort(self, session: SessionId) -> None:
        """Cut both connections now (RST where unsent data is pending)."""
        ...

    def set_limits(self, session: SessionId, limits: RelayLimits) -> None:
        """Replace the limits of a live session."""
        ...

    def stats(self, session: SessionId) -> Counters:
        """What went through so far."""
        ...

    def refuse(
        self, client: Connection, head: bytes, code: int, words: str, on_gone: Callable[[], None]
    ) -> None:
        """Answer 101 and at once a Close frame: a refusal that a browser can read."""
        ...
