"""The public listener: counts its connections, waits for none for ever, starts a task for each request."""

import asyncio
import logging
import resource
from collections.abc import Callable, Coroutine
from typing import cast

from wsgate_dataplane.handshake.behind_proxy import ProxyHeaders
from wsgate_dataplane.handshake.front import Front
from wsgate_dataplane.relay.timer import DeadlineTimer

HEAD_SECONDS = 5
"""From accept to a complete request head, with what a proxy says before it."""
ANSWER_SECONDS = 2
"""What a client may take to read its answer."""

DESCRIPTORS_KEPT = 64
"""For files, the log, JWKS fetches and the admin listener."""

SHORTAGE_TOLD_SECONDS = 10
"""Between two log lines that say so."""

log = logging.getLogger("wsgate")

Handle = Callable[[Front, bytes], Coroutine[None, None, None]]
Spawn = Callable[[Coroutine[None, None, None]], asyncio.Task[None]]


class PublicListener:
    """A protocol factory for loop.create_server.

    handle answers the request of a connection; spawn runs it as a task; sessions counts the connections that
    became sessions: each of both kinds takes two descriptors. proxy_headers: what each connection begins with;
    None: nothing.
    """

    def __init__(
        self,
        handle: Handle,
        spawn: Spawn,
        loop: asyncio.AbstractEventLoop,
        sessions: Callable[[], int],
        proxy_headers: ProxyHeaders | None = None,
    ) -> None:
        self._handle = handle
        self._spawn = spawn
        self._clock = loop.time
        self._sessions = sessions
        self._proxy_headers = proxy_headers
        self.connections: set[Front] = set()
        self._answering: dict[Front, asyncio.Task[None]] = {}
        self._shortage_told_until = 0.0
        self._descriptors_max = resource.getrlimit(resource.RLIMIT_NOFILE)[0] - DESCRIPTORS_KEPT
        self._waiting = DeadlineTimer[Front](loop, Front.abort)

    def __call__(self) -> asyncio.Protocol:
        """One accepted connection, or none where descriptors run short: revocations need them too."""
        if 2 * (len(self.connections) + self._sessions()) >= self._descriptors_max:
            self._tell_shortage()
            return _TurnedAway()
        front = Front(self)
        return front if self._proxy_headers is None else self._proxy_headers.before(front)

    def accepted(self, front: Front) -> None:
        """See Owner.accepted."""
        self.connections.add(front)
        self._waiting.set(front, self._clock() + HEAD_SECONDS)

    def arrived(self, front: Front, head: bytes) -> None:
        """See Owner.arrived."""
        self._waiting.discard(front)
        self._answering[front] = self._spawn(self._handle(front, head))

    def answered(self, front: Front) -> None:
        """See Owner.answered."""
        self._waiting.set(front, self._clock() + ANSWER_SECONDS)

    def left(self, front: Front) -> None:
        """See Owner.left."""
        self.connections.discard(front)
        self._answering.pop(front, None)

    def gone(self, front: Front) -> None:
        """See Owner.gone; a dial for nobody would be held for as long as its route allows."""
        self.connections.discard(front)
        self._waiting.discard(front)
        if task := self._answering.pop(front, None):
            task.cancel()

    def stop(self) -> None:
        """Drop every connection that has not become a session, and what is done for it, such as a dial."""
        self._waiting.stop()
        for task in self._answering.values():
            task.cancel()
        for front in tuple(self.connections):
            front.abort()

    def _tell_shortage(self) -> None:
        now = self._clock()
        if now >= self._shortage_told_until:
            self._shortage_told_until = now + SHORTAGE_TOLD_SECONDS
            fields = {"connections": len(self.connections), "sessions": self._sessions()}
            log.error("connections turned away: raise ulimit -n", extra={"fields": fields})


class _TurnedAway(asyncio.Protocol):
    """A connection that is closed as soon as it is accepted."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        cast("asyncio.Transport", transport).abort()
