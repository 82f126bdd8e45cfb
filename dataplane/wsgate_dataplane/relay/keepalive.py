"""Ask the kernel to notice a cut link: without it, a peer that vanished without FIN or RST is never missed.

Pings of the gateway's own show that too, but only once a route's idleSeconds are over, and what has been written
to a dead peer would be sent again and again for a quarter of an hour.
"""

import asyncio
import math
import socket
import sys
from collections.abc import Iterable
from functools import lru_cache

PROBES = 3
"""Unanswered ones in a row that end a connection."""
IDLE_SECONDS_MAX = 60
"""First probe after so much silence at the latest, however long a route lets a side be silent."""
PROBE_SECONDS_MAX = 10
"""Between two probes."""
WRITE_SLACK_SECONDS = 5
"""A peer that takes no bytes is told so by us before the kernel gives up on it."""


SocketOptions = tuple[tuple[int, int, int], ...]
"""Level, name and value of each, as setsockopt takes them."""


@lru_cache
def keepalive_options(idle_seconds: float, told_seconds: float) -> SocketOptions:
    """Half of a route's idleSeconds before the first probe, so that the last one falls within them.

    told_seconds: from a peer's last acknowledgement until we have ended the session of one that takes no bytes.
    """
    idle = min(max(1, math.floor(idle_seconds / 2)), IDLE_SECONDS_MAX)
    probe = min(max(1, math.floor(idle_seconds / 2 / PROBES)), PROBE_SECONDS_MAX)
    unacknowledged = max(idle + PROBES * probe, told_seconds + WRITE_SLACK_SECONDS)
    # Where there is TCP_USER_TIMEOUT, it and not the number of probes decides (tcp(7)).
    has_timeout = hasattr(socket, "TCP_USER_TIMEOUT")
    end = ("TCP_USER_TIMEOUT", math.ceil(unacknowledged * 1000)) if has_timeout else ("TCP_KEEPCNT", PROBES)
    wanted = (("TCP_KEEPIDLE", idle), ("TCP_KEEPINTVL", probe), end)
    # Names that a platform lacks are left to its defaults.
    known = [(getattr(socket, name), value) for name, value in wanted if hasattr(socket, name)]
    keep = (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    return (keep, *((socket.IPPROTO_TCP, name, value) for name, value in known))


def keep_alive_accepted(listening: Iterable[socket.socket], options: SocketOptions) -> SocketOptions:
    """For all connections that will be accepted; answers what they have of it then, so that it need not be set.

    On Linux they begin as copies of the listening socket, its options included; elsewhere nothing is certain.
    """
    for each in listening:
        _set(each.fileno(), options)
    return options if sys.platform == "linux" else ()


def keep_alive(transport: asyncio.Transport, options: SocketOptions) -> None:
    """For a session's connection, if it is TCP; a connection that is gone stays so."""
    view = transport.get_extra_info("socket")
    _set(-1 if view is None else view.fileno(), options)


def _set(descriptor: int, options: SocketOptions) -> None:
    if descriptor < 0:
        return
    # A loop's own view of a socket makes such an object for each call: twice the time. The family, which
    # is asked for slowly, matters to Python only.
    borrowed = socket.SocketType(socket.AF_INET, socket.SOCK_STREAM, 0, descriptor)
    try:
        for option in options:
            borrowed.setsockopt(*option)
    except OSError:
        # Not TCP; or reset meanwhile: the loop tells of it next.
        return
    finally:
        # The descriptor stays its owner's.
        borrowed.detach()
