"""Connect to an upstream and have it answer 101, before the client is answered."""

import asyncio
import contextlib
import ssl
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import urlsplit

from wsgate_dataplane.outcomes.refusal import Refused
from wsgate_dataplane.outcomes.table import Reason
from wsgate_dataplane.upstreams.answer import ANSWER_BYTES_MAX, Answer, Offer, read_answer
from wsgate_dataplane.upstreams.resolve import Reach, address_of
from wsgate_dataplane.values import value


@dataclass(frozen=True)
class Target:
    """Where an upstream listens."""

    url: str
    host: str
    port: int
    host_header: str
    tls: ssl.SSLContext | None
    server_name: str | None
    reach: Reach | None = None
    """What the host leads to is checked by it at each dial; None: it may be dialled as it is."""

    @classmethod
    def from_url(
        cls,
        url: str,
        tls: ssl.SSLContext | None = None,
        server_name: str | None = None,
        reach: Reach | None = None,
    ) -> "Target":
        """tls is needed for wss:// only; server_name defaults to the URL's host.

        Raises ValueError for a URL without a host or with an impossible port.
        """
        parts = urlsplit(url)
        host = parts.hostname
        if not host:
            # The resolver would take an empty name for this very machine.
            raise ValueError(f"{url}: no host")
        port = parts.port or (443 if parts.scheme == "wss" else 80)
        context = tls if parts.scheme == "wss" else None
        address = address_of(host)
        if reach is not None and address is not None and reach.refusal(address) is None:
            # An address stays what it is.
            reach = None
        return cls(url, host, port, parts.netloc, context, (server_name or host) if context else None, reach)

    @property
    def refusal(self) -> str | None:
        """Why it can never be dialled; None also where that is known at the dial only."""
        address = address_of(self.host)
        return None if self.reach is None or address is None else self.reach.refusal(address)


class NotConnected(Refused):
    """There was no connection, so nothing was sent."""


@value
class Upgraded:
    """A connection whose upstream has answered 101; reading is paused."""

    transport: asyncio.Transport
    early: bytes
    """What the upstream sent behind its answer."""
    answer: Answer


async def dial(
    target: Target, head: bytes, offer: Offer, connect_seconds: float, handshake_seconds: float
) -> Upgraded:
    """Send head (the whole request) and check the answer against the offer.

    Raises Refused with one of the upstream reasons; the connection is closed then. NotConnected: nothing was sent.
    """
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    assert task is not None
    reader = _AnswerReader(loop.create_future())
    deadline = loop.time() + handshake_seconds
    # What asyncio.timeout does, for a third of its cost.
    timer = loop.call_later(min(connect_seconds, handshake_seconds), reader.cancel_connect, task)
    try:
        transport = await connect(loop, target, lambda: reader)
        timer.cancel()
        timer = loop.call_at(deadline, reader.time_out)
        transport.write(head)
        answer = read_answer(await reader.head, offer)
    except asyncio.CancelledError as error:
        reader.abort()
        if reader.is_late and not task.uncancel():
            raise NotConnected(Reason.UPSTREAM_TIMEOUT, f"{target.url}: no connection in time") from error
        raise
    except TimeoutError as error:
        reader.abort()
        raise Refused(Reason.UPSTREAM_TIMEOUT, f"{target.url}: no 101 in time") from error
    except (OSError, UnicodeError) as error:
        # UnicodeError: a name that no resolver can be asked for, such as a..b.
        reader.abort()
        raise NotConnected(Reason.UPSTREAM_UNREACHABLE, f"{target.url}: {error}") from error
    except BaseException:
        # Refused by read_answer.
        reader.abort()
        raise
    finally:
        timer.cancel()
    return Upgraded(transport, reader.early, answer)


async def connect(
    loop: asyncio.AbstractEventLoop, target: Target, protocol: Callable[[], asyncio.BaseProtocol]
) -> asyncio.Transport:
    """Raises OSError, UnicodeError, and Refused(UPSTREAM_NOT_PERMITTED); cancelled, it leaves no connection."""
    last = target.host
    if target.reach is not None:
        *hosts, last = await target.reach.resolve(last)
        for host in hosts:
            with contextlib.suppress(OSError):
                return (await _connect_to(loop, target, host, protocol))[0]
    return (await _connect_to(loop, target, last, protocol))[0]


def _connect_to(
    loop: asyncio.AbstractEventLoop, target: Target, host: str, protocol: Callable[[], asyncio.BaseProtocol]
) -> Coroutine[Any, Any, tuple[asyncio.Transport, asyncio.BaseProtocol]]:
    return loop.create_connection(protocol, host, target.port, ssl=target.tls, server_hostname=target.server_name)


class _AnswerReader(asyncio.Protocol):
    """Reads up to the blank line, then stops reading: the rest belongs to the relay."""

    def __init__(self, head: "asyncio.Future[bytes]") -> None:
        self.head = head
        self.early = b""
        """What came behind the head; TLS may deliver what it has decrypted although reading is paused."""
        self.is_late = False
        """The connection did not come in time."""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # Not by isinstance: uvloop's transports do not inherit from asyncio's.
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self.early += data
        if self.head.done():
            return
        head, blank, early = self.early.partition(b"\r\n\r\n")
        if len(head) > ANSWER_BYTES_MAX:
            self._fail(_bad(f"its answer's head is longer than {ANSWER_BYTES_MAX} bytes"))
        elif blank:
            assert self._transport is not None
            self._transport.pause_reading()
            self.early = early
            self.head.set_result(head)

    def eof_received(self) -> None:
        self._fail(_bad("it closed the connection before its answer was complete"))

    def connection_lost(self, exc: Exception | None) -> None:
        self._fail(_bad(f"the connection broke before its answer was complete: {exc}"))

    def cancel_connect(self, task: "asyncio.Task[Any]") -> None:
        """Connecting took too long."""
        self.is_late = True
        task.cancel()

    def time_out(self) -> None:
        """The handshake took too long."""
        self._fail(TimeoutError())

    def abort(self) -> None:
        """Drop the connection, whatever stage it has reached."""
        if self._transport is not None:
            self._transport.abort()
        if not self.head.cancel() and not self.head.cancelled():
            # Looked at, so that asyncio does not report an error that nobody awaited.
            self.head.exception()

    def _fail(self, error: Exception) -> None:
        if not self.head.done():
            self.head.set_exception(error)


def _bad(detail: str) -> Refused:
    return Refused(Reason.UPSTREAM_REFUSED_UPGRADE, detail)
