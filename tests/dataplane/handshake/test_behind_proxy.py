"""A connection begins with a header that is believed, or it is closed and the log says why."""

import asyncio
import logging
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from ipaddress import ip_network
from typing import Any

import pytest

from tests.support.loops import eventually, on_both_loops
from tests.support.sockets import Peer
from wsgate_dataplane.handshake import listener
from wsgate_dataplane.handshake.behind_proxy import REFUSAL_TOLD_SECONDS, ProxyHeaders
from wsgate_dataplane.handshake.front import Front
from wsgate_dataplane.handshake.listener import PublicListener
from wsgate_dataplane.handshake.peer import Network
from wsgate_dataplane.telemetry.metrics import Metrics

GET = b"GET /healthz HTTP/1.1\r\nHost: gateway.test\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok\n"
V1 = b"PROXY TCP4 192.0.2.7 198.51.100.1 51234 443\r\n"
V2 = (
    b"\r\n\r\n\x00\r\nQUIT\n\x21\x11"
    + struct.pack(">H", 15)
    + bytes([192, 0, 2, 7, 198, 51, 100, 1, 9, 9, 1, 187])
)
V2 += b"\x04\x00\x00"
LOCAL = b"\r\n\r\n\x00\r\nQUIT\n\x20\x00\x00\x00"
LOOPBACK = (ip_network("127.0.0.0/8"),)
ELSEWHERE = (ip_network("192.0.2.0/24"),)
LATE = 5
"""Seconds; no shorter than what a busy machine needs."""


class Listening:
    """A PublicListener that asks for headers and answers ok."""

    def __init__(self, tasks: asyncio.TaskGroup, trusted: tuple[Network, ...] | None) -> None:
        self.metrics = Metrics()
        self.now = 0.0
        self.asked: list[tuple[str, bytes]] = []
        self.port = 0
        self.public = PublicListener(
            self._answer,
            tasks.create_task,
            asyncio.get_running_loop(),
            lambda: 0,
            ProxyHeaders(trusted, self.metrics, lambda: self.now),
        )

    async def _answer(self, front: Front, head: bytes) -> None:
        self.asked.append((front.peer, head))
        front.answer(OK)

    async def says(self, *pieces: bytes) -> bytes:
        """What a connection is answered that sends these pieces, each after the one before was read."""
        peer = Peer(socket.socket())
        peer.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        await asyncio.get_running_loop().sock_connect(peer.socket, ("127.0.0.1", self.port))
        try:
            for piece in pieces:
                await peer.send(piece)
                await asyncio.sleep(0)
            async with asyncio.timeout(LATE):
                return await peer.rest()
        except ConnectionError:
            return b""
        finally:
            peer.close()

    def refused(self, cause: str) -> float | None:
        return self.metrics.registry.get_sample_value("wsgate_proxy_headers_refused_total", {"cause": cause})


@asynccontextmanager
async def listening(trusted: tuple[Network, ...] | None = LOOPBACK) -> AsyncIterator[Listening]:
    async with asyncio.TaskGroup() as tasks:
        found = Listening(tasks, trusted)
        server = await asyncio.get_running_loop().create_server(found.public, "127.0.0.1", 0)
        found.port = server.sockets[0].getsockname()[1]
        try:
            yield found
        finally:
            server.close()
            found.public.stop()
            await server.wait_closed()
    await eventually(lambda: not found.public.connections)


def told(caplog: pytest.LogCaptureFixture) -> list[dict[str, Any]]:
    """The fields of the log lines."""
    return [record.fields for record in caplog.records]  # type: ignore[attr-defined]  # set by extra=


@pytest.mark.parametrize("size", [0, 1, 7], ids=["whole", "bytes", "sevens"])
@pytest.mark.parametrize("header", [V1, V2], ids=["v1", "v2"])
@on_both_loops
async def test_the_client_is_whom_the_header_names(header: bytes, size: int) -> None:
    stream = header + GET
    cut = [stream[at : at + size] for at in range(0, len(stream), size)] if size else [stream]
    async with listening() as found:
        assert await found.says(*cut) == OK
        assert found.asked == [("192.0.2.7", GET)]


@pytest.mark.parametrize("header", [LOCAL, b"PROXY UNKNOWN\r\n"], ids=["local", "unknown"])
@on_both_loops
async def test_a_proxys_own_connection_is_answered_under_its_own_address(header: bytes) -> None:
    async with listening() as found:
        assert await found.says(header + GET) == OK
        assert found.asked == [("127.0.0.1", GET)]


@on_both_loops
async def test_a_connection_without_a_header_is_closed_and_told_why(caplog: pytest.LogCaptureFixture) -> None:
    async with listening() as found:
        assert await found.says(GET) == b""
        assert found.asked == []
        assert found.refused("malformed") == 1
    (fields,) = told(caplog)
    assert fields["address"] == "127.0.0.1"
    detail = "expected a PROXY protocol header from 127.0.0.1, but it begins with b'GET /hea'"
    assert fields["detail"] == detail


@on_both_loops
async def test_a_header_from_elsewhere_is_not_believed(caplog: pytest.LogCaptureFixture) -> None:
    async with listening(ELSEWHERE) as found:
        assert await found.says(V1 + GET) == b""
        assert found.asked == []
        assert found.refused("untrusted") == 1
    (fields,) = told(caplog)
    assert fields["detail"] == "127.0.0.1 is not in WSGATE_TRUSTED_PROXIES"


@on_both_loops
async def test_where_no_proxies_are_named_any_header_counts() -> None:
    async with listening(None) as found:
        assert await found.says(V1 + GET) == OK
        assert found.asked == [("192.0.2.7", GET)]


@on_both_loops
async def test_the_log_tells_each_cause_once_in_a_while(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    async with listening() as found:
        for _ in range(5):
            await found.says(GET)
        assert len(told(caplog)) == 1
        found.now += REFUSAL_TOLD_SECONDS
        await found.says(GET)
        assert len(told(caplog)) == 2
        assert found.refused("malformed") == 6


@on_both_loops
async def test_header_and_head_have_one_deadline_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listener, "HEAD_SECONDS", 0.2)
    async with listening() as found:
        assert await found.says(V1[:10]) == b""
        assert await found.says(V1, GET[:10]) == b""
        assert found.asked == []
        assert found.refused("malformed") == 0


@on_both_loops
async def test_a_proxy_that_leaves_before_its_header_is_whole_is_no_fault(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with listening() as found:
        for how in ("finish", "reset"):
            peer = Peer(socket.socket())
            await asyncio.get_running_loop().sock_connect(peer.socket, ("127.0.0.1", found.port))
            await peer.send(V1[:10])
            await eventually(lambda: len(found.public.connections) == 1)
            getattr(peer, how)()
            await eventually(lambda: not found.public.connections)
            peer.close()
    assert told(caplog) == []
