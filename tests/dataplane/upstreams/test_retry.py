"""A failed dial is repeated where nothing was sent, within the handshake's time."""

import asyncio
import socket
from collections.abc import Callable, Collection

import pytest

from tests.dataplane.upstreams.upstream import ASKED, OFFER, saying, serving
from tests.support.loops import eventually, on_both_loops
from wsgate_dataplane.outcomes.refusal import Refused
from wsgate_dataplane.outcomes.table import Reason
from wsgate_dataplane.upstreams.dial import Target, Upgraded
from wsgate_dataplane.upstreams.retry import Patience, dial_patiently

SWITCHING = (
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "
    + OFFER.accept.encode()
    + b"\r\n\r\n"
)
PATIENCE = Patience(connect_seconds=5, handshake_seconds=5, retries=3, pause_seconds=0)


class Upstreams:
    """What may be dialled, in this order; keeps what happened."""

    def __init__(self, *targets: Target) -> None:
        self.targets = targets
        self.dialled: list[Target] = []
        self.retries = 0
        self.on_retry: Callable[[], None] | None = None

    def choose(self, failed: Collection[Target]) -> Target | None:
        return next((each for each in self.targets if each not in failed), None)

    def head_of(self, target: Target) -> bytes:
        self.dialled.append(target)
        return ASKED

    def retry(self) -> None:
        self.retries += 1
        if self.on_retry is not None:
            self.on_retry()

    async def dial(self, patience: Patience = PATIENCE) -> Upgraded:
        return await dial_patiently(self.choose, self.head_of, OFFER, patience, self.retry)


def closed_port() -> Target:
    """Nobody listens there."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return Target.from_url(f"ws://127.0.0.1:{probe.getsockname()[1]}")


@on_both_loops
async def test_another_upstream_is_dialled_at_once() -> None:
    async with serving(saying(SWITCHING)) as good:
        upstreams = Upstreams(closed_port(), Target.from_url(good.url()))
        async with asyncio.timeout(2):
            upgraded = await upstreams.dial(PATIENCE._replace(pause_seconds=60, handshake_seconds=90))
        assert upstreams.dialled == list(upstreams.targets)
        assert upstreams.retries == 1
        upgraded.transport.abort()


@on_both_loops
async def test_an_upstream_that_comes_up_meanwhile_is_found() -> None:
    upstreams = Upstreams(closed_port())
    with socket.socket() as listener:

        def come_up() -> None:
            listener.bind((upstreams.targets[0].host, upstreams.targets[0].port))
            listener.listen()

        upstreams.on_retry = come_up
        dial = asyncio.get_running_loop().create_task(upstreams.dial())
        await eventually(lambda: upstreams.retries == 1, "it is dialled again")
        async with asyncio.timeout(2):
            connection, _ = await asyncio.to_thread(listener.accept)
            with connection:
                connection.sendall(SWITCHING)
                upgraded = await dial
        upgraded.transport.abort()


@pytest.mark.parametrize("retries", [0, 2])
@on_both_loops
async def test_after_the_last_attempt_the_last_refusal_counts(retries: int) -> None:
    upstreams = Upstreams(closed_port())
    with pytest.raises(Refused) as refused:
        await upstreams.dial(PATIENCE._replace(retries=retries))
    assert refused.value.reason is Reason.UPSTREAM_UNREACHABLE
    assert (len(upstreams.dialled), upstreams.retries) == (retries + 1, retries)


@on_both_loops
async def test_nobody_waits_for_a_pause_that_the_handshake_has_no_time_for() -> None:
    upstreams = Upstreams(closed_port(), closed_port())
    async with asyncio.timeout(2):
        with pytest.raises(Refused):
            await upstreams.dial(PATIENCE._replace(pause_seconds=60))
    assert upstreams.dialled == list(upstreams.targets)


@on_both_loops
async def test_an_upstream_that_was_sent_the_request_is_not_dialled_again() -> None:
    busy = saying(b"HTTP/1.1 503 Service Unavailable\r\n\r\n")
    async with serving(busy) as bad, serving(saying(SWITCHING)) as good:
        upstreams = Upstreams(Target.from_url(bad.url()), Target.from_url(good.url()))
        with pytest.raises(Refused) as refused:
            await upstreams.dial()
    assert refused.value.reason is Reason.UPSTREAM_REFUSED_UPGRADE
    assert len(upstreams.dialled) == 1
