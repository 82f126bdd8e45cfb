"""The connection to a client whose sending is metered: beyond its rate it is read slower, or its session ends."""

import asyncio
import math
from collections.abc import Callable
from typing import TYPE_CHECKING

from wsgate_dataplane.frames.metered import Metering
from wsgate_dataplane.frames.own_caches import with_own_caches
from wsgate_dataplane.relay.end import End
from wsgate_dataplane.relay.engine import Meter, Side

if TYPE_CHECKING:
    from wsgate_dataplane.relay.tunnel import Tunnel


class MeteredEnd(End):
    """While the allowance is used up nothing is read, and the rest of the last read stays in the scanner."""

    __slots__ = ("_meter", "held_until")
    scanner: Metering

    data_received = with_own_caches(End.data_received)
    _forward_covered = with_own_caches(End._forward)

    def __init__(
        self,
        tunnel: "Tunnel",
        side: Side,
        transport: asyncio.Transport,
        scanner: Metering,
        clock: Callable[[], float],
        meter: Meter,
    ) -> None:
        super().__init__(tunnel, side, transport, scanner, clock)
        self._meter = meter
        self.held_until = math.inf
        """When to look again at what is held back, by the clock; infinite: nothing is."""

    @property
    def is_heard(self) -> bool:
        return self.held_until == math.inf and super().is_heard

    def _forward(self, data: bytes) -> None:
        self._forward_covered(data)
        if self.scanner.is_held and self.is_readable:
            self._hold()

    def _hold(self) -> None:
        until = self._meter.wait()
        if until is None:
            self.scanner.exceed("the rate limit")
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
        self._forward(b"")
        if self.held_until == math.inf:
            self._meter.settle()
            self.resume_source()

    def resume_source(self) -> None:
        if self.held_until == math.inf:
            super().resume_source()

    def mute(self) -> None:
        self.held_until = math.inf
        self.scanner.drop()
        self._meter.settle()
        super().mute()

    def session_over(self) -> None:
        self._meter.stop()
