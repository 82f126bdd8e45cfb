"""The public HTTP listener: aiohttp's server with a deadline on the first request's head."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from aiohttp import web
from aiohttp.web_protocol import RequestHandler

from wsgate_dataplane.relay.timer import DeadlineTimer

HEAD_SECONDS = 5
"""From accept to a complete request head, and between requests on one connection."""
HEADERS_MAX = 64
HEADER_BYTES_MAX = 16_384

_NextHandler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


class PublicServer(web.Server):
    """aiohttp waits for a first request for ever; this closes who has not sent one in time."""

    def __init__(self, handler: _NextHandler, loop: asyncio.AbstractEventLoop) -> None:
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
        self._waiting = DeadlineTimer[RequestHandler](loop, _give_up)

    def __call__(self) -> RequestHandler:
        """One accepted connection."""
        connection = super().__call__()
        self._waiting.set(connection, self._clock() + HEAD_SECONDS)
        return connection

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        self._waiting.discard(request.protocol)
        return await self._next(request)

    def stop_waiting(self) -> None:
        """No deadline is kept any more."""
        self._waiting.stop()


def _give_up(connection: RequestHandler) -> None:
    connection.force_close()
