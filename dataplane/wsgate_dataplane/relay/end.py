"""The connection to one peer of a session, as an asyncio protocol: what it sends goes to the other."""

import asyncio
import math
import os
from collections.abc import Callable
from typing import TYPE_CHECKING

from wsgate_dataplane.frames.metered import Metering
from wsgate_dataplane.frames.scanner import Scanner
from wsgate_dataplane.protocols.mqtt.last_words import LastWords
from wsgate_dataplane.protocols.mqtt.scanner import MQTTScanner
from wsgate_dataplane.relay.engine import Meter, Side
from wsgate_dataplane.relay.shut import shut

if TYPE_CHECKING:
    from wsgate_dataplane.relay.tunnel import Tunnel

CROWDED_READ_BYTES = 8192
CROWDED_MESSAGES = 1000
"""More messages than that in one read of more than these bytes, and the peer waits for a turn of the loop."""
CROWDED_SECONDS = 0.005
"""So it does where following them took longer: frames and packets that are no messages cost time, too."""


class End(asyncio.Protocol):
    """The connection to one peer: what it sends is scanned and written to `other`."""

    __slots__ = (
        "_clock",
        "_feed",
        "_meter",
        "_metering",
        "bytes_forwarded",
        "has_eof",
        "held_until",
        "is_lost",
        "is_shut",
        "last_ping",
        "last_seen",
        "last_words",
        "other",
        "pending_close",
        "scanner",
        "side",
        "stuck_bytes",
        "stuck_since",
        "transport",
        "tunnel",
    )
    other: "End"

    def __init__(
        self,
        tunnel: "Tunnel",
        side: Side,
        transport: asyncio.Transport,
        scanner: Scanner,
        clock: Callable[[], float],
        meter: Meter | None = None,
    ) -> None:
        self.tunnel = tunnel
        self.side = side
        self.transport = transport
        self.scanner = scanner
        self._clock = clock
        self._feed = scanner.feed
        self._meter = meter
        self._metering: Metering | None = None
        if meter is not None:
            self._metering = Metering(scanner, meter)
            self._feed = self._metering.feed
        self.held_until = math.inf
        """When to look again at what the meter holds back, by the clock; infinite: nothing is."""
        self.bytes_forwarded = 0
        self.last_seen = self.last_ping = clock()
        self.has_eof = False
        """The peer has shut its writing side."""
        self.is_lost = False
        """The transport is closed."""
        self.is_shut = False
        """FIN has been sent to the peer: nothing more can be said to it."""
        self.pending_close: bytes | None = None
        """Our Close towards this peer, waiting for a frame boundary."""
        self.last_words: LastWords | None = None
        """To be said before it, waiting for a packet's end too."""
        self.stuck_since: float | None = None
        self.stuck_bytes = 0

    def data_received(self, data: bytes, *, is_watched: bool = False) -> None:
        """The hot path: nothing here may cost more than it must."""
        size = len(data)
        if size > CROWDED_READ_BYTES and not is_watched:
            self._crowded(data)
            return
        # Attributes are read apart from the calls: as `self._feed()` they would be looked up as methods first.
        feed = self._feed
        out = feed(data)
        if out:
            clock = self._clock
            self.last_seen = clock()
            self.bytes_forwarded += size if out is data else len(out)
            self.other.transport.write(out)
        scanner = self.scanner
        if scanner.is_stopped:
            if self._feed is not _drop:
                self.tunnel.scanner_stopped(self)
        elif scanner.is_held and self.is_readable:
            self._hold()

    def _crowded(self, data: bytes) -> None:
        """One large read can hold a hundred thousand tiny frames, and the loop reads on while more is there:
        after such a read this peer waits for a turn, so that others, and their revocations, get theirs.
        """
        before, stopwatch = self.scanner.messages, self.tunnel.engine.stopwatch
        started = stopwatch()
        self.data_received(data, is_watched=True)
        is_crowded = self.scanner.messages - before > CROWDED_MESSAGES or stopwatch() - started > CROWDED_SECONDS
        if is_crowded and self.is_readable:
            self.transport.pause_reading()
            asyncio.get_running_loop().call_soon(self.resume_source)

    @property
    def is_readable(self) -> bool:
        """Whether the transport may be told to read or not to."""
        return self._feed is not _drop and not self.is_lost and not self.transport.is_closing()

    @property
    def is_heard(self) -> bool:
        """Whether its silence is its own, and not the gateway's doing: it is read from."""
        return self.held_until == math.inf and self.other.stuck_since is None

    def _hold(self) -> None:
        """While the allowance is used up nothing is read; the rest of the last read stays with the metering."""
        assert self._meter is not None and self._metering is not None, "only a meter holds something back"
        until = self._meter.wait()
        if until is None:
            self._metering.exceed("the rate limit")
            self.tunnel.scanner_stopped(self)
            return
        self.transport.pause_reading()
        self.held_until = until
        self.tunnel.reschedule()

    def release(self) -> None:
        """Forward what the allowance covers by now, and read on if that is all."""
        self.held_until = math.inf
        # What it sent meanwhile was not read: its silence counts from here.
        self.last_seen = self._clock()
        self.data_received(b"")
        if self.held_until == math.inf:
            self._settle()
            self.resume_source()

    def _settle(self) -> None:
        if self._meter is not None:
            self._meter.settle()

    def finish_frame(self) -> None:
        """Forward no more from this peer than what is missing of the frame that it is in."""
        self._feed = self.scanner.finish_frame

    def finish_packet(self) -> None:
        """The same, up to a frame's end where an MQTT packet ends too."""
        if isinstance(self.scanner, MQTTScanner):
            self._feed = self.scanner.finish_packet

    def mute(self) -> None:
        """Forward nothing more from this peer, but keep reading to see its FIN."""
        if self._feed is _drop:
            return
        self._feed = _drop
        if self._metering is not None:
            self.held_until = math.inf
            self._metering.drop()
            self._settle()
        if not self.is_lost and not self.transport.is_closing():
            self.transport.resume_reading()

    def eof_received(self) -> bool:
        self.has_eof = True
        self.tunnel.end_of_stream(self)
        # TLS has no half-close and warns of a protocol that asks for one.
        return self.transport.can_write_eof()

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_lost = True
        if exc is not None:
            self.tunnel.is_clean = False
        self.other.mute()
        self.tunnel.end_of_stream(self)

    def pause_writing(self) -> None:
        self.stuck_since = self._clock()
        self.stuck_bytes = self.transport.get_write_buffer_size()
        self.other.pause_source()
        self.tunnel.reschedule()

    def resume_writing(self) -> None:
        self.stuck_since = None
        # What it sent meanwhile was not read: its silence counts from here.
        self.other.last_seen = self._clock()
        self.other.resume_source()

    def pause_source(self) -> None:
        """Stop reading from this peer: the other one cannot take more."""
        if self.is_readable:
            self.transport.pause_reading()

    def resume_source(self) -> None:
        """Read from this peer again, unless the other one cannot take more or something of it is held back."""
        # In this order: called a turn late, it may have been let go.
        if self.held_until == math.inf and self.is_readable and self.other.stuck_since is None:
            self.transport.resume_reading()

    def session_over(self) -> None:
        """Both connections are gone."""
        if self._meter is not None:
            self._meter.stop()

    def let_go(self) -> None:
        """Nothing calls this end any more: let go of the others, which hold it, so that all are free at once.

        What is left to the garbage collector has to be searched for.
        """
        self._feed = _drop
        del self.other, self.tunnel

    def shut(self) -> None:
        """Send FIN behind what is buffered; TLS has no half-close, so there it is the whole close."""
        if self.is_lost or self.transport.is_closing():
            return
        self.is_shut = True
        if self.transport.can_write_eof():
            shut(self.transport)
        else:
            self.transport.close()

    def say(self, frame: Callable[[bytes | None], bytes]) -> None:
        """Write a frame of ours to this peer; the caller has made sure of the boundary."""
        if not self.is_lost and not self.transport.is_closing():
            self.transport.write(frame(os.urandom(4) if self.side is Side.UPSTREAM else None))


def _drop(data: bytes) -> bytes:
    return b""
