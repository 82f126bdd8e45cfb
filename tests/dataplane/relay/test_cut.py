"""RST on real sockets."""

import asyncio
import logging
import socket

import pytest

from tests.support.loops import eventually, on_both_loops
from tests.support.sockets import Peer
from wsgate_dataplane.relay.cut import cut


@pytest.mark.parametrize("buffered", [0, 8_000_000])
@on_both_loops
async def test_the_peer_sees_a_reset_and_nothing_is_sent_behind_it(
    caplog: pytest.LogCaptureFixture, buffered: int
) -> None:
    caplog.set_level(logging.INFO)
    loop = asyncio.get_running_loop()
    with socket.create_server(("127.0.0.1", 0)) as listening:
        transport, protocol = await loop.create_connection(_Connection, *listening.getsockname())
        accepted, _ = listening.accept()
        peer = Peer(accepted)
        transport.write(bytes(buffered))
        cut(transport)
        await eventually(lambda: protocol.is_lost)
        assert await peer.is_cut()
        peer.close()
    assert caplog.records == []


class _Connection(asyncio.Protocol):
    is_lost = False

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_lost = True
