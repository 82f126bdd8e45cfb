"""One session: its two ends, its state, its deadlines.

Life of a tunnel; every state but OPEN has a deadline after which both connections are cut:

    OPEN ──close()──► CLOSING ──both peers' FIN──► GONE
      │                                              ▲
      └─a peer's FIN, or Close frames both ways─► ENDING

CLOSING: our Close goes to each side at the first frame boundary of what that side was sent, what the
other sends afterwards is dropped. ENDING: the peers end it themselves, the gateway passes FIN on.
"""

import os
from enum import Enum
from typing import TYPE_CHECKING

from wsgate_dataplane.frames.build import as_last_fragment, close_frame, ping_frame
from wsgate_dataplane.frames.scanner import Scanner
from wsgate_dataplane.protocols.mqtt.last_words import LastWords
from wsgate_dataplane.protocols.mqtt.metered import MeteredMQTTScanner
from wsgate_dataplane.protocols.mqtt.scanner import MQTTScanner
from wsgate_dataplane.relay.cut import cut
from wsgate_dataplane.relay.end import End
from wsgate_dataplane.relay.engine import (
    Closed,
    Connection,
    Counters,
    Limit,
    LimitExceeded,
    Listener,
    Meter,
    RelayLimits,
    Side,
    SideLost,
)
from wsgate_dataplane.relay.keepalive import keep_alive

if TYPE_CHECKING:
    from wsgate_dataplane.relay.asyncio_engine import AsyncioEngine

WRITE_BUFFER_HIGH_BYTES = 262_144
WRITE_BUFFER_LOW_BYTES = 65_536
"""Reading from one side stops while the other's write buffer is above HIGH, until it is below LOW."""

CLOCK_SLACK_SECONDS = 0.002
"""A timer may fire that much early: loop clocks are coarser than the times handed to them."""


class State(Enum):
    """See the module's docstring."""

    __hash__ = object.__hash__  # Enum's own is a Python function

    OPEN = "open"
    CLOSING = "closing"
    ENDING = "ending"
    GONE = "gone"


# Names of their own: to look a member up in its class takes ten times as long.
OPEN, CLOSING, ENDING, GONE = State
CLIENT, UPSTREAM = Side

TRANSITIONS: dict[State, frozenset[State]] = {
    OPEN: frozenset({CLOSING, ENDING, GONE}),
    CLOSING: frozenset({GONE}),
    ENDING: frozenset({CLOSING, GONE}),
    GONE: frozenset(),
}


class Tunnel:
    """Both ends of one session and its state."""

    __slots__ = (
        "client",
        "cut_at",
        "engine",
        "first_close",
        "grace_until",
        "id",
        "is_clean",
        "limits",
        "listener",
        "state",
        "upstream",
    )

    def __init__(
        self,
        engine: "AsyncioEngine",
        id_: int,
        ends: tuple[Connection, Connection],
        limits: RelayLimits,
        listener: Listener,
        mqtt_level: int | None,
        meter: Meter | None,
        *,
        extensions: bool,
    ) -> None:
        self.engine = engine
        self.id = id_
        self.limits = limits
        self.listener = listener
        self.state = OPEN
        self.is_clean = True
        self.first_close: End | None = None
        self.cut_at = 0.0
        self.grace_until = 0.0
        transports = (ends[0].transport, ends[1].transport)
        for transport in transports:
            transport.set_write_buffer_limits(WRITE_BUFFER_HIGH_BYTES, WRITE_BUFFER_LOW_BYTES)
        if limits.socket_options != engine.accepted_options:
            keep_alive(transports[0], limits.socket_options)
        keep_alive(transports[1], limits.socket_options)
        clock = engine.clock
        up: Scanner
        down: Scanner
        if mqtt_level is None:
            up = Scanner(limits, clock, masked=True, extensions=extensions)
            down = Scanner(limits, clock, masked=False, extensions=extensions)
        else:
            kind = MQTTScanner if meter is None else MeteredMQTTScanner
            up = kind(limits, clock, masked=True, level=mqtt_level)
            down = MQTTScanner(limits, clock, masked=False, level=mqtt_level)
        self.client = End(self, CLIENT, transports[0], up, clock, meter)
        self.upstream = End(self, UPSTREAM, transports[1], down, clock)
        self.client.other, self.upstream.other = self.upstream, self.client

    def start(self, first: tuple[bytes, bytes], early: tuple[bytes, bytes]) -> None:
        """What each side is told first, then what both sides sent before it was written."""
        self.client.transport.set_protocol(self.client)
        self.upstream.transport.set_protocol(self.upstream)
        # Before the first event: the listener may answer with a Close.
        for end, said in ((self.client, first[0]), (self.upstream, first[1])):
            if said:
                end.transport.write(said)
        self.listener.relay_opened(self.id)
        self.reschedule()
        for end, data in ((self.upstream, early[1]), (self.client, early[0])):
            if data:
                end.data_received(data)
            end.resume_source()

    def _become(self, state: State) -> None:
        assert state in TRANSITIONS[self.state], f"{self.state} to {state}"
        self.state = state

    def scanner_stopped(self, end: End) -> None:
        """A limit was broken, a Close frame passed, or the boundary that our Close waits for may be there."""
        if self.state is CLOSING:
            self._say_close(end.other)
            return
        end.mute()
        if end.scanner.violation is not None:
            violation = end.scanner.violation
            self.listener.limit_exceeded(LimitExceeded(Limit[violation.rule.name], end.side, violation.detail))
            return
        if self.first_close is None:
            self.first_close = end
        if end.other.scanner.close_code is not None and self.state is OPEN:
            # Both Close frames have passed; the server of each connection shuts first (RFC 6455 7.1.1).
            self._end()
            self.client.shut()

    def end_of_stream(self, end: End) -> None:
        """A peer's FIN, or its connection is gone."""
        if self.state is OPEN and self.first_close is None:
            end.mute()
            self.listener.side_lost(SideLost(end.side))
        if self.state is OPEN:
            self._end()
        if self.state is ENDING and not end.other.has_eof:
            # Where both have shut already, closing is all that is left.
            end.other.shut()
        self._finish()

    def _finish(self) -> None:
        """Close each connection that has nothing more to say or to hear; GONE when both are lost."""
        ends = (self.client, self.upstream)
        if ends[0].is_lost and ends[1].is_lost:
            if self.state is not GONE:
                self._gone()
            for end in ends:
                end.let_go()
            return
        for end in ends:
            if end.has_eof and not end.is_lost and (end.other.has_eof or end.other.is_lost):
                end.transport.close()

    def close(self, code: int, words: str, last_words: LastWords | None = None) -> None:
        """Close both sides on a frame boundary each; last_words, for the client, need a packet's end too."""
        if self.state is CLOSING or self.state is GONE:
            return
        self._become(CLOSING)
        now = self.engine.clock()
        self.cut_at = now + self.limits.close_seconds
        self.grace_until = now + min(self.limits.grace_seconds, self.limits.close_seconds)
        for end in (self.client, self.upstream):
            if end.other.scanner.close_code is not None or end.is_shut or end.is_lost:
                # The other peer's own Close has passed to this one already, or it hears no more.
                end.shut()
                continue
            mask = os.urandom(4) if end.side is UPSTREAM else None
            end.pending_close = close_frame(code, words, mask)
            end.other.finish_frame()
            if end is self.client and last_words is not None:
                end.last_words = last_words
                end.other.finish_packet()
            self._say_close(end)
        self.reschedule()
        self._finish()

    def _say_close(self, end: End) -> None:
        frame, scanner = end.pending_close, end.other.scanner
        if frame is None or not scanner.is_at_boundary:
            return
        if end.last_words is not None:
            assert isinstance(scanner, MQTTScanner), "only an MQTT session has last words"
            if not scanner.is_at_packet_boundary:
                return
            if not scanner.is_over:
                said = end.last_words.after_connack if scanner.has_begun else end.last_words.before_connack
                frame = (as_last_fragment(said) if scanner.is_inside_message else said) + frame
        if scanner.close_code is not None:
            # The other peer's own Close came first after all.
            frame = b""
        end.pending_close = end.last_words = None
        end.other.mute()
        if frame and not end.is_lost and not end.transport.is_closing():
            end.transport.write(frame)
        end.shut()

    def _end(self) -> None:
        self._become(ENDING)
        self.cut_at = self.engine.clock() + self.limits.close_seconds
        self.reschedule()

    def abort(self) -> None:
        """Cut both connections now."""
        if self.state is GONE:
            return
        self.is_clean = False
        for end in (self.client, self.upstream):
            if not end.is_lost:
                cut(end.transport)
            end.mute()
        self._gone()

    def _gone(self) -> None:
        self._become(GONE)
        self.engine.forget(self)
        self.client.session_over()
        side, code = None, None
        if self.first_close is not None:
            side, code = self.first_close.side, self.first_close.scanner.close_code
        self.listener.relay_closed(Closed(side, code, self.is_clean, self.counters()))

    def counters(self) -> Counters:
        """What went through so far."""
        return Counters(
            self.client.bytes_forwarded,
            self.upstream.bytes_forwarded,
            self.client.scanner.messages,
            self.upstream.scanner.messages,
        )

    def set_limits(self, limits: RelayLimits) -> None:
        """Replace the limits."""
        self.limits = limits
        for end in (self.client, self.upstream):
            if not end.is_lost:
                keep_alive(end.transport, limits.socket_options)
            end.scanner.set_limits(limits)
        self.reschedule()

    def reschedule(self) -> None:
        """Ask the engine's one timer for the next moment at which something is due."""
        if self.state is GONE:
            return
        if self.state is CLOSING and (self.client.pending_close or self.upstream.pending_close):
            due = self.grace_until
        elif self.state is not OPEN:
            due = self.cut_at
        else:
            due = self.client.held_until
            for end in (self.client, self.upstream):
                if end.is_heard:
                    ping = max(end.last_seen, end.last_ping) + self.limits.ping_seconds
                    due = min(due, ping, end.last_seen + self.limits.idle_seconds)
                if end.stuck_since is not None:
                    due = min(due, end.stuck_since + self.limits.write_seconds)
        self.engine.timer.set(self.id, due)

    def on_due(self) -> None:
        """The moment has come."""
        now = self.engine.clock()
        if self.state is not OPEN:
            if now >= self.cut_at - CLOCK_SLACK_SECONDS:
                self.abort()
                return
            for end in (self.client, self.upstream):
                if end.last_words is not None:
                    # No packet has ended within the grace: the Close has to do without words.
                    end.last_words = None
                    end.other.finish_frame()
                    self._say_close(end)
                if end.pending_close is not None:
                    # No boundary within the grace: this peer would misread a Close of ours.
                    end.pending_close = None
                    self.is_clean = False
                    end.other.mute()
                    if not end.is_lost:
                        cut(end.transport)
            self.reschedule()
            return
        if now >= self.client.held_until - CLOCK_SLACK_SECONDS:
            self.client.release()
            if self.state is not OPEN:
                return
        for end in (self.client, self.upstream):
            if self._is_stuck(end, now):
                self.listener.limit_exceeded(LimitExceeded(Limit.WRITE, end.side, "takes no bytes"))
                return
            if not end.is_heard:
                continue
            silence = now - end.last_seen + CLOCK_SLACK_SECONDS
            if silence >= self.limits.idle_seconds:
                self.listener.limit_exceeded(LimitExceeded(Limit.IDLE, end.side, f"{silence:.0f} s"))
                return
            if now - max(end.last_seen, end.last_ping) + CLOCK_SLACK_SECONDS >= self.limits.ping_seconds:
                end.last_ping = now
                self._ping(end)
        self.reschedule()

    def _ping(self, end: End) -> None:
        """Where it may stand: on a frame boundary, before a Close frame, not behind full buffers."""
        scanner = end.other.scanner
        if scanner.is_at_boundary and scanner.close_code is None and end.stuck_since is None:
            end.say(ping_frame)

    def _is_stuck(self, end: End, now: float) -> bool:
        if end.stuck_since is None or now - end.stuck_since + CLOCK_SLACK_SECONDS < self.limits.write_seconds:
            return False
        size = end.transport.get_write_buffer_size()
        if size < end.stuck_bytes:
            end.stuck_since, end.stuck_bytes = now, size
            return False
        return True
