"""Looks whether upstreams whose circuits are open are back, so that no client has to try."""

import asyncio
from collections.abc import Callable, Iterable

from wsgate_dataplane.upstreams.dial import Target, connect
from wsgate_dataplane.upstreams.pool import Upstream

PROBE_SECONDS = 5
PROBES_MAX = 32
"""At once."""


async def probe_due(upstreams: Iterable[Upstream], told: Callable[[bool], None]) -> None:
    """One look at each that is due, by a connection (with TLS, where the route has it) and no request."""
    loop = asyncio.get_running_loop()
    now = loop.time()
    due = [each for each in upstreams if each.circuit.probe_at is not None and each.circuit.probe_at <= now]
    places = asyncio.Semaphore(PROBES_MAX)

    async def probe(upstream: Upstream) -> None:
        async with places:
            is_back = await _is_back(loop, upstream.target)
        upstream.circuit.probed(loop.time(), is_back=is_back)
        told(is_back)

    async with asyncio.TaskGroup() as tasks:
        for each in due:
            tasks.create_task(probe(each))


async def _is_back(loop: asyncio.AbstractEventLoop, target: Target) -> bool:
    try:
        async with asyncio.timeout(PROBE_SECONDS):
            transport = await connect(loop, target, asyncio.Protocol)
    except Exception:  # noqa: BLE001  # whatever one tenant's upstream makes of it, the process goes on
        return False
    transport.abort()
    return True
