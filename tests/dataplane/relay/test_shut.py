"""A peer is told that nothing more comes, or is gone already."""

import asyncio
import socket

from tests.support.loops import eventually, on_both_loops
from wsgate_dataplane.relay.shut import shut


class _Watched(asyncio.Protocol):
    def __init__(self) -> None:
        self.is_lost = False

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_lost = True


@on_both_loops
async def test_a_peer_that_answers_the_last_bytes_by_a_reset_is_dropped_without_an_error() -> None:
    ours, theirs = _pair()
    loop, watched = asyncio.get_running_loop(), _Watched()
    transport, _ = await loop.create_connection(lambda: watched, sock=ours)
    # Closed, and in the same turn of the loop written to: its FIN has not been read yet.
    theirs.close()
    transport.write(b"HTTP/1.1 401 Unauthorized\r\n\r\n")
    shut(transport)
    await eventually(lambda: watched.is_lost)


@on_both_loops
async def test_a_peer_that_is_there_reads_to_the_end() -> None:
    ours, theirs = _pair()
    loop, watched = asyncio.get_running_loop(), _Watched()
    transport, _ = await loop.create_connection(lambda: watched, sock=ours)
    transport.write(b"all")
    shut(transport)
    assert await loop.sock_recv(theirs, 10) == b"all"
    assert await loop.sock_recv(theirs, 10) == b""
    theirs.close()
    await eventually(lambda: watched.is_lost)


def _pair() -> tuple[socket.socket, socket.socket]:
    """Both ends of a TCP connection on loopback."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        ours = socket.create_connection(listening.getsockname())
        theirs, _ = listening.accept()
    ours.settimeout(0)
    theirs.settimeout(0)
    return ours, theirs
