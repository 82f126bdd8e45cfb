"""Ask the kernel to notice a cut link: without it, a peer that vanished without FIN or RST is never missed.

Pings of the gateway's own show that too, but only once a route's idleSeconds are over, and what has been written
to a dead peer would be sent again and again for a quarter of an hour.
"""

import asyncio
import math
import socket
from typing import NamedTuple

from wsgate_dataplane.relay.engine import RelayLimits

PROBES = 3
"""Unanswered ones in a row that end a connection."""
IDLE_SECONDS_MAX = 60
"""First probe after so much silence at the latest, however long a route lets a side be silent."""
PROBE_SECONDS_MAX = 10
"""Between two probes."""
WRITE_SLACK_SECONDS = 5
"""A peer that takes no bytes is told so by us before the kernel gives up on it."""


class Keepalive(NamedTuple):
    """In whole seconds, as the kernel takes them; the last in milliseconds."""

    idle_seconds: int
    probe_seconds: int
    unacknowledged_milliseconds: int


def keepalive_of(limits: RelayLimits) -> Keepalive:
    """Half of a route's idleSeconds before the first probe, so that the last one falls within them."""
    idle = min(max(1, math.floor(limits.idle_seconds / 2)), IDLE_SECONDS_MAX)
    probe = min(max(1, math.floor(limits.idle_seconds / 2 / PROBES)), PROBE_SECONDS_MAX)
    noticed = idle + PROBES * probe
    told = limits.write_seconds + limits.grace_seconds + limits.close_seconds + WRITE_SLACK_SECONDS
    return Keepalive(idle, probe, math.ceil(max(noticed, told) * 1000))


def keep_alive(transport: asyncio.Transport, limits: RelayLimits) -> None:
    """For a session's connection, whatever the platform has of it; a connection that is gone stays so."""
    connection: socket.socket | None = transport.get_extra_info("socket")
    if connection is None or connection.family not in (socket.AF_INET, socket.AF_INET6) or connection.fileno() < 0:
        return
    wanted = keepalive_of(limits)
    options = (
        ("TCP_KEEPIDLE", wanted.idle_seconds),
        ("TCP_KEEPINTVL", wanted.probe_seconds),
        ("TCP_KEEPCNT", PROBES),
        ("TCP_USER_TIMEOUT", wanted.unacknowledged_milliseconds),
    )
    # A transport's own view of its socket makes such an object for each call: twice the time.
    borrowed = socket.socket(connection.family, connection.type, connection.proto, fileno=connection.fileno())
    try:
        borrowed.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for name, value in options:
            # Names that a platform lacks are left to its defaults.
            if (option := getattr(socket, name, None)) is not None:
                borrowed.setsockopt(socket.IPPROTO_TCP, option, value)
    except OSError:
        # Reset meanwhile: the loop tells of it next.
        return
    finally:
        # The descriptor stays the transport's.
        borrowed.detach()
