"""Connections that begin with a proxy's PROXY protocol header: who the client is, or the end of the connection."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import cast

from wsgate_dataplane.handshake.front import Front
from wsgate_dataplane.handshake.peer import Network, is_trusted
from wsgate_dataplane.handshake.proxy_header import ProxyHeaderError, read_proxy_header
from wsgate_dataplane.telemetry.metrics import Metrics, ProxyHeaderCause

REFUSAL_TOLD_SECONDS = 10
"""Between two log lines of one cause: whoever connects again and again must not fill the log."""

log = logging.getLogger("wsgate")


class ProxyHeaders:
    """The rule that a connection begins with a header, and from whom one is believed.

    trusted: networks of proxies; None: anybody's header is believed. clock: monotonic seconds.
    """

    def __init__(self, trusted: Sequence[Network] | None, metrics: Metrics, clock: Callable[[], float]) -> None:
        self._trusted = trusted
        self._metrics = metrics
        self._clock = clock
        self._told_until: dict[ProxyHeaderCause, float] = {}

    def before(self, front: Front) -> asyncio.Protocol:
        """What reads a connection's header and then leaves the connection to its front."""
        return _Announced(self, front)

    def is_believed(self, address: str) -> bool:
        """Whether a header from there counts."""
        return self._trusted is None or is_trusted(address, self._trusted)

    def refused(self, cause: ProxyHeaderCause, address: str, found: str) -> None:
        """Count a connection that is closed for that cause, and tell it unless one was told lately."""
        self._metrics.proxy_headers_refused.labels(cause).inc()
        now = self._clock()
        if now < self._told_until.get(cause, now):
            return
        self._told_until[cause] = now + REFUSAL_TOLD_SECONDS
        fields = {"cause": cause, "address": address, "detail": found}
        log.warning("PROXY protocol header refused", extra={"fields": fields})


class _Announced(asyncio.Protocol):
    """Stands before a Front, which exists from the start so that its deadline covers the header too."""

    __slots__ = ("_front", "_headers", "_received", "_transport")

    def __init__(self, headers: ProxyHeaders, front: Front) -> None:
        self._headers = headers
        self._front = front
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # Not by isinstance: uvloop's transports do not inherit from asyncio's.
        self._transport = cast("asyncio.Transport", transport)
        self._front.connection_made(transport)
        address = self._front.peer
        # Without an address it is gone already.
        if address and not self._headers.is_believed(address):
            self._headers.refused("untrusted", address, f"{address} is not in WSGATE_TRUSTED_PROXIES")
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        if self._transport.is_closing():
            return
        self._received += data
        try:
            header = read_proxy_header(self._received)
        except ProxyHeaderError as error:
            address = self._front.peer
            detail = f"expected a PROXY protocol header from {address}, but {error}"
            self._headers.refused("malformed", address, detail)
            self._transport.abort()
            return
        if header is None:
            return
        self._front.stand_for(header.source)
        self._transport.set_protocol(self._front)
        rest = self._received[header.size :]
        if rest:
            self._front.data_received(rest)

    def connection_lost(self, exc: Exception | None) -> None:
        self._front.connection_lost(exc)
