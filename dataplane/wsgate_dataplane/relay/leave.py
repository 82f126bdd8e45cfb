"""A connection leaves aiohttp after the handshake; the only file that knows aiohttp's insides.

Tried with aiohttp 3.14.3 to 3.14.5; tests/dataplane/relay/test_leave.py is the contract.
"""

from typing import Any

from aiohttp import web

from wsgate_dataplane.relay.engine import Connection


class _Collector:
    """Takes the bytes that followed the request's head, as aiohttp's payload parser."""

    def __init__(self) -> None:
        self.early = b""

    def feed_data(self, data: bytes) -> tuple[bool, bytes]:
        self.early += data
        return False, b""

    def feed_eof(self) -> None:
        """aiohttp calls it when the connection leaves."""


class Left(web.StreamResponse):
    """What a handler returns for a connection that has left: aiohttp writes nothing of it."""

    async def prepare(self, request: web.BaseRequest) -> None:
        """There is nothing to prepare."""

    async def write_eof(self, data: Any = b"") -> None:
        """There is nothing to end."""


def leave_aiohttp(request: web.BaseRequest) -> Connection | None:
    """Take the client's transport away from aiohttp; None where the client is gone already.

    It must run inside the handler, before which aiohttp has not looked at early frames, and nothing
    may be awaited between it and Engine.open: the transport has no protocol that reads meanwhile.
    The handler then returns Left().
    """
    protocol = request.protocol
    transport = request.transport
    if transport is None or transport.is_closing():
        return None
    collector = _Collector()
    protocol.set_parser(collector)  # type: ignore[arg-type]  # feed_data and feed_eof are all it calls
    protocol.transport = None
    protocol.connection_lost(None)
    return Connection(transport, collector.early)
