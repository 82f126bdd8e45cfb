"""The kernel is told to notice a cut link on both connections of a session, in times that follow the route's."""

import asyncio
import socket
from dataclasses import replace

import pytest

from tests.support.loops import on_both_loops
from tests.support.sockets import relaying
from wsgate_dataplane.relay.engine import RelayLimits
from wsgate_dataplane.relay.keepalive import IDLE_SECONDS_MAX, keep_alive, keep_alive_accepted


@pytest.mark.parametrize(
    ("idle", "expected"),
    [(60, (30, 10, 60_000)), (1, (1, 1, 16_500)), (20, (10, 3, 19_000)), (86400, (60, 10, 90_000))],
)
def test_the_last_probe_falls_within_the_idle_time_and_comes_soon_where_that_is_long(
    idle: int, expected: tuple[int, int, int]
) -> None:
    found = times(RelayLimits(idle_seconds=idle))
    assert found == expected
    assert found[0] <= IDLE_SECONDS_MAX


def test_a_peer_that_takes_no_bytes_is_told_so_before_the_kernel_gives_up() -> None:
    limits = RelayLimits(idle_seconds=10, write_seconds=60, close_seconds=3)
    assert times(limits)[-1] > 63_500


def times(limits: RelayLimits) -> tuple[int, int, int]:
    """Seconds to the first probe, seconds between two, milliseconds without an acknowledgement."""
    values = {name: value for _, name, value in limits.socket_options[1:]}
    return values[socket.TCP_KEEPIDLE], values[socket.TCP_KEEPINTVL], values[socket.TCP_USER_TIMEOUT]


def options(connection: socket.socket) -> tuple[int, ...]:
    names = (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_USER_TIMEOUT)
    assert connection.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
    return tuple(connection.getsockopt(socket.IPPROTO_TCP, name) for name in names)


@pytest.mark.skipif(not hasattr(socket, "TCP_USER_TIMEOUT"), reason="an option of Linux")
@on_both_loops
async def test_both_connections_of_a_session_are_guarded_and_follow_new_limits() -> None:
    async with relaying() as relay:
        session = await relay.open()
        (tunnel,) = relay.engine._tunnels.values()
        ends = (tunnel.client, tunnel.upstream)
        for seconds in (relay.limits.idle_seconds, 20):
            relay.engine.set_limits(session.id, replace(relay.limits, idle_seconds=seconds))
            expected = times(replace(relay.limits, idle_seconds=seconds))
            for end in ends:
                assert options(end.transport.get_extra_info("socket")) == expected
        relay.engine.abort(session.id)
        await session.end()


@on_both_loops
async def test_an_accepted_connection_has_what_its_listener_has() -> None:
    accepted: asyncio.Queue[socket.socket] = asyncio.Queue()
    loop, expected = asyncio.get_running_loop(), RelayLimits(idle_seconds=20)

    class Accepted(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            accepted.put_nowait(transport.get_extra_info("socket"))

    server = await loop.create_server(Accepted, "127.0.0.1", 0)
    async with server:
        inherited = keep_alive_accepted(server.sockets, expected.socket_options)
        transport, _ = await loop.create_connection(Peer, *server.sockets[0].getsockname())
        connection = await asyncio.wait_for(accepted.get(), 10)
        assert inherited in ((), expected.socket_options)
        if inherited:
            assert options(connection) == times(expected)
        transport.abort()


class Peer(asyncio.Protocol):
    """Knows when its connection is over."""

    def __init__(self) -> None:
        self.gone = asyncio.Event()

    def connection_lost(self, exc: Exception | None) -> None:
        self.gone.set()


@on_both_loops
async def test_the_descriptor_stays_the_transports_and_a_connection_that_is_gone_stays_so() -> None:
    loop = asyncio.get_running_loop()
    with socket.create_server(("127.0.0.1", 0)) as server:
        transport, peer = await loop.create_connection(Peer, *server.getsockname())
        keep_alive(transport, RelayLimits().socket_options)
        accepted, _ = server.accept()
        with accepted:
            transport.write(b"still open")
            assert await asyncio.to_thread(accepted.recv, 100) == b"still open"
        transport.abort()
        await asyncio.wait_for(peer.gone.wait(), 10)
        # asyncio closes the socket after it has told the protocol.
        await asyncio.sleep(0)
        keep_alive(transport, RelayLimits().socket_options)
