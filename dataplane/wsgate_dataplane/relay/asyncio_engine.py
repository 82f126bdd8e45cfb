"""The Engine on asyncio protocols, for uvloop and for the plain loop."""

import asyncio
import time
from collections.abc import Callable

from wsgate_dataplane.frames.build import close_frame
from wsgate_dataplane.protocols.mqtt.last_words import LastWords
from wsgate_dataplane.relay.cut import cut
from wsgate_dataplane.relay.engine import Connection, Counters, Listener, Meter, RelayLimits, SessionId
from wsgate_dataplane.relay.keepalive import SocketOptions
from wsgate_dataplane.relay.shut import shut
from wsgate_dataplane.relay.timer import DeadlineTimer
from wsgate_dataplane.relay.tunnel import Tunnel


class AsyncioEngine:
    """Sessions by id; one timer for all of them; no task per session."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.clock: Callable[[], float] = loop.time
        self.stopwatch: Callable[[], float] = time.perf_counter
        """Moves within a turn of the loop; uvloop's time does not."""
        self.accepted_options: SocketOptions = ()
        """What clients' connections have from their listener."""
        self.timer = DeadlineTimer[SessionId](loop, self._on_due)
        self._tunnels: dict[SessionId, Tunnel] = {}
        self._leaving: dict[SessionId, Leaving] = {}
        self._ids = 0

    def __len__(self) -> int:
        return len(self._tunnels)

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
        """See Engine.open."""
        self._ids += 1
        ends, kind = (client, upstream), (mqtt_level, meter)
        tunnel = Tunnel(self, self._ids, ends, limits, listener, *kind, extensions=extensions)
        self._tunnels[tunnel.id] = tunnel
        tunnel.start(first, (client.early, upstream.early))
        return tunnel.id

    def close(self, session: SessionId, code: int, words: str, last_words: LastWords | None = None) -> None:
        """See Engine.close."""
        if tunnel := self._tunnels.get(session):
            tunnel.close(code, words, last_words)

    def abort(self, session: SessionId) -> None:
        """See Engine.abort."""
        if tunnel := self._tunnels.get(session):
            tunnel.abort()

    def set_limits(self, session: SessionId, limits: RelayLimits) -> None:
        """See Engine.set_limits."""
        if tunnel := self._tunnels.get(session):
            tunnel.set_limits(limits)

    def stats(self, session: SessionId) -> Counters:
        """See Engine.stats."""
        tunnel = self._tunnels.get(session)
        return tunnel.counters() if tunnel else Counters()

    def refuse(
        self,
        client: Connection,
        head: bytes,
        close: tuple[int, str],
        seconds: float,
        on_gone: Callable[[], None],
    ) -> None:
        """See Engine.refuse."""
        self._ids += 1
        leaving = Leaving(client.transport, self._ids, self, on_gone)
        self._leaving[self._ids] = leaving
        self.timer.set(self._ids, self.clock() + seconds)
        client.transport.set_protocol(leaving)
        client.transport.write(head + close_frame(*close))
        shut(client.transport)
        client.transport.resume_reading()

    def forget(self, tunnel: Tunnel) -> None:
        """The tunnel is gone."""
        self.timer.discard(tunnel.id)
        del self._tunnels[tunnel.id]

    def forget_leaving(self, id_: SessionId) -> None:
        """The refused client is gone."""
        self.timer.discard(id_)
        del self._leaving[id_]

    def stop(self) -> None:
        """Cut everything."""
        for tunnel in list(self._tunnels.values()):
            tunnel.abort()
        for leaving in list(self._leaving.values()):
            cut(leaving.transport)
        self.timer.stop()

    def _on_due(self, session: SessionId) -> None:
        if tunnel := self._tunnels.get(session):
            tunnel.on_due()
        elif leaving := self._leaving.get(session):
            cut(leaving.transport)


class Leaving(asyncio.Protocol):
    """A refused client that has been sent its Close frame and is waited for."""

    __slots__ = ("_engine", "_id", "_on_gone", "transport")

    def __init__(
        self, transport: asyncio.Transport, id_: SessionId, engine: AsyncioEngine, on_gone: Callable[[], None]
    ) -> None:
        self.transport = transport
        self._id = id_
        self._engine = engine
        self._on_gone = on_gone

    def connection_lost(self, exc: Exception | None) -> None:
        self._engine.forget_leaving(self._id)
        self._on_gone()
