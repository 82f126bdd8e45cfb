"""Cut a connection: RST, so that nothing of what the kernel still holds reaches the peer."""

import asyncio
import socket
import struct

_LINGER_NOT = struct.pack("ii", 1, 0)


def cut(transport: asyncio.Transport) -> None:
    """Close at once with RST; not for a transport whose connection_lost has been called.

    abort() alone sends FIN behind the kernel's send buffer: a peer that stopped reading would still
    get megabytes of a session that is over.
    """
    connection: socket.socket | None = transport.get_extra_info("socket")
    if connection is not None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NOT)
    transport.abort()
