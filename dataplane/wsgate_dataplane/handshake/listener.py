"""The public HTTP listener: aiohttp's server with a deadline on the first request's head."""

import asyncio
import logging
import resource
from collections.abc import Awaitable, Callable
from typing import cast

from aiohttp import web
from aiohttp.web_protocol import RequestHandler

from wsgate_dataplane.relay.timer import DeadlineTimer

HEAD_SECONDS = 5
"""From accept to a complete request head, and between requests on one connection."""
HEADERS_MAX = 64
HEADER_BYTES_MAX = 16_384

DESCRIPTORS_KEPT = 64
"""For files, the log, JWKS fetches and the admin listener."""

SHORTAGE_TOLD_SECONDS = 10
"""Between two log lines that say so."""

log = logging.getLogger("wsgate")

_NextHandler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


class PublicServer(web.Server):
    """aiohttp waits for a first request for ever; this closes who has not sent one in time."""

    def __init__(
        self, handler: _NextHandler, loop: asyncio.AbstractEventLoop, sessions: Callable[[], int]
    ) -> None:
        """sessions counts what has left aiohttp; each connection, as each session, takes two descriptors."""
        # What aiohttp would log are malformed requests, with a traceback each; they are answered 400.
        quiet = logging.getLogger("wsgate.http")
        quiet.setLevel(logging.CRITICAL + 1)
        super().__init__(
            self._handle,
            access_log=None,
            logger=quiet,
            keepalive_timeout=HEAD_SECONDS,
            lingering_time=1,
            tcp_keepalive=False,
            max_line_size=8190,
            max_field_size=HEADER_BYTES_MAX,
            max_headers=HEADERS_MAX,
        )
        self._next = handler
        self._clock = loop.time
        self._sessions = sessions
        self._shortage_told_until = 0.0
        self._descriptors_max = resource.getrlimit(resource.RLIMIT_NOFILE)[0] - DESCRIPTORS_KEPT
        self._waiting = DeadlineTimer[RequestHandler](loop, _give_up)

    def __call__(self) -> RequestHandler:
        """One accepted connection, or none where descriptors run short: revocations need them too."""
        if 2 * (len(self.connections) + self._sessions()) >= self._descriptors_max:
            self._tell_shortage()
            return cast("RequestHandler", _TurnedAway())
        connection = super().__call__()
        self._waiting.set(connection, self._clock() + HEAD_SECONDS)
        return connection

    def _tell_shortage(self) -> None:
        now = self._clock()
        if now >= self._shortage_told_until:
            self._shortage_told_until = now + SHORTAGE_TOLD_SECONDS
            fields = {"connections": len(self.connections), "sessions": self._sessions()}
            log.error("connections turned away: raise ulimit -n", extra={"fields": fields})

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        connection = request.protocol
        self._waiting.discard(connection)
        response = await self._next(request)
        if connection.transport is not None:
            # Not for ever to take the answer, either.
            self._waiting.set(connection, self._clock() + HEAD_SECONDS)
        return response

    def stop_waiting(self) -> None:
        """No deadline is kept any more."""
        self._waiting.stop()


class _TurnedAway(asyncio.Protocol):
    """A connection that is closed as soon as it is accepted."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        cast("asyncio.Transport", transport).abort()


def _give_up(connection: RequestHandler) -> None:
    connection.force_close()
