"""A failed dial is repeated where nothing was sent, within the handshake's time."""

import asyncio
import socket
import ssl
from collections.abc import Callable

import pytest

from tests.dataplane.upstreams.upstream import ASKED, OFFER, saying, serving
from tests.support.loops import eventually, on_both_loops
from wsgate_dataplane.outcomes.refusal import Refused
from wsgate_dataplane.outcomes.table import Reason
from wsgate_dataplane.upstreams.circuit import Circuit
from wsgate_dataplane.upstreams.dial import Target, Upgraded
from wsgate_dataplane.upstreams.pool import Pool, Upstream
from wsgate_dataplane.upstreams.retry import Patience, dial_patiently
from wsgate_dataplane.values import changed

SWITCHING = (
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "
    + OFFER.accept.encode()
    + b"\r\n\r\n"
)
PATIENCE = Patience(connect_seconds=5, handshake_seconds=5, retries=3, pause_seconds=0)


class Dials:
    """Dials a pool; keeps what happened."""

    def __init__(self, *targets: Target, failures_max: int = 100) -> None:
        self.pool = Pool([Upstream(each, 1, Circuit(failures_max, 60, 30)) for each in targets])
        self.targets = targets
        self.dialled: list[Target] = []
        self.retries = self.opened = 0
        self.on_retry: Callable[[], None] | None = None

    def head_for(self, target: Target) -> bytes:
        self.dialled.append(target)
        return ASKED

    def retried(self) -> None:
        self.retries += 1
        if self.on_retry is not None:
            self.on_retry()

    def circuit_opened(self) -> None:
        self.opened += 1

    async def dial(self, patience: Patience = PATIENCE) -> Upgraded:
        return await dial_patiently(self.pool, self, OFFER, patience, lambda: 0.0)

    async def refused(self, patience: Patience = PATIENCE) -> Refused:
        with pytest.raises(Refused) as caught:
            await self.dial(patience)
        return caught.value


def closed_port() -> Target:
    """Nobody listens there."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return Target.from_url(f"ws://127.0.0.1:{probe.getsockname()[1]}")


@on_both_loops
async def test_another_upstream_is_dialled_at_once() -> None:
    async with serving(saying(SWITCHING)) as good:
        dials = Dials(closed_port(), Target.from_url(good.url()))
        async with asyncio.timeout(2):
            upgraded = await dials.dial(changed(PATIENCE, pause_seconds=60, handshake_seconds=90))
        assert dials.dialled == list(dials.targets)
        assert dials.retries == 1
        upgraded.transport.abort()


@on_both_loops
async def test_an_upstream_that_comes_up_meanwhile_is_found() -> None:
    dials = Dials(closed_port())
    with socket.socket() as listener:

        def come_up() -> None:
            listener.bind((dials.targets[0].host, dials.targets[0].port))
            listener.listen()

        dials.on_retry = come_up
        dial = asyncio.get_running_loop().create_task(dials.dial())
        await eventually(lambda: dials.retries == 1, "it is dialled again")
        async with asyncio.timeout(2):
            connection, _ = await asyncio.to_thread(listener.accept)
            with connection:
                connection.sendall(SWITCHING)
                upgraded = await dial
        upgraded.transport.abort()


@pytest.mark.parametrize("retries", [0, 2])
@on_both_loops
async def test_after_the_last_attempt_the_last_refusal_counts(retries: int) -> None:
    dials = Dials(closed_port())
    refused = await dials.refused(changed(PATIENCE, retries=retries))
    assert refused.reason is Reason.UPSTREAM_UNREACHABLE
    assert (len(dials.dialled), dials.retries) == (retries + 1, retries)


@on_both_loops
async def test_nobody_waits_for_a_pause_that_the_handshake_has_no_time_for() -> None:
    dials = Dials(closed_port(), closed_port())
    async with asyncio.timeout(2):
        await dials.refused(changed(PATIENCE, pause_seconds=60))
    assert dials.dialled == list(dials.targets)


@on_both_loops
async def test_an_upstream_that_was_sent_the_request_is_not_dialled_again() -> None:
    busy = saying(b"HTTP/1.1 503 Service Unavailable\r\n\r\n")
    async with serving(busy) as bad, serving(saying(SWITCHING)) as good:
        dials = Dials(Target.from_url(bad.url()), Target.from_url(good.url()))
        refused = await dials.refused()
    assert refused.reason is Reason.UPSTREAM_REFUSED_UPGRADE
    assert len(dials.dialled) == 1


@on_both_loops
async def test_an_upstream_that_fails_again_and_again_is_not_dialled_any_more() -> None:
    dials = Dials(closed_port(), failures_max=2)
    once = changed(PATIENCE, retries=1)
    for _ in range(2):
        assert (await dials.refused(once)).reason is Reason.UPSTREAM_UNREACHABLE
    assert (len(dials.dialled), dials.opened) == (3, 1), (
        "a handshake counts once, and ends where its circuit opens"
    )
    refused = await dials.refused(once)
    assert refused.reason is Reason.CIRCUIT_OPEN
    assert refused.retry_after_seconds is not None and 0 < refused.retry_after_seconds <= 61
    assert len(dials.dialled) == 3


@pytest.mark.parametrize(
    ("answer", "opened"), [(b"HTTP/1.1 200 OK", 0), (b"HTTP/1.1 403 Forbidden", 0), (b"HTTP/1.1 503 Busy", 1)]
)
@on_both_loops
async def test_an_upstream_that_declines_a_client_is_well(answer: bytes, opened: int) -> None:
    async with serving(saying(answer + b"\r\n\r\n")) as upstream:
        dials = Dials(Target.from_url(upstream.url()), failures_max=1)
        assert (await dials.refused()).reason is Reason.UPSTREAM_REFUSED_UPGRADE
        assert dials.opened == opened


@on_both_loops
async def test_a_dial_that_nobody_waits_for_says_nothing_of_the_upstream() -> None:
    async with serving(saying()) as silent:
        dials = Dials(Target.from_url(silent.url()), failures_max=1)
        task = asyncio.get_running_loop().create_task(dials.dial())
        await eventually(lambda: silent.connected == 1, "it is dialled")
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert dials.opened == 0
    assert next(iter(dials.pool)).circuit.allows(asyncio.get_running_loop().time())


@on_both_loops
async def test_a_retry_that_is_not_wanted_any_more_is_not_made() -> None:
    dials = Dials(closed_port())

    def revoked() -> None:
        raise Refused(Reason.TOKEN_REVOKED)

    dials.on_retry = revoked
    assert (await dials.refused()).reason is Reason.TOKEN_REVOKED
    assert len(dials.dialled) == 1


@on_both_loops
async def test_an_upstream_that_got_a_short_rest_of_the_time_is_not_to_blame() -> None:
    context = ssl.create_default_context()
    async with serving(saying(b"")) as mute, serving(saying(b"")) as slow:
        hanging = Target.from_url(mute.url().replace("ws:", "wss:"), context)
        dials = Dials(hanging, Target.from_url(slow.url()), failures_max=1)
        patience = changed(PATIENCE, connect_seconds=0.4, handshake_seconds=0.5)
        assert (await dials.refused(patience)).reason is Reason.UPSTREAM_TIMEOUT
        assert dials.dialled == list(dials.targets)
        first, second = dials.pool
        now = asyncio.get_running_loop().time()
        assert (first.circuit.allows(now), second.circuit.allows(now)) == (False, True)
        assert dials.opened == 1
