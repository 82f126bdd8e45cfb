"""An upstream that is back is found by a probe, before a client has to try."""

import asyncio

from tests.dataplane.upstreams.test_retry import closed_port
from tests.dataplane.upstreams.upstream import saying, serving
from tests.support.loops import on_both_loops
from wsgate_dataplane.upstreams.circuit import Circuit
from wsgate_dataplane.upstreams.dial import Target
from wsgate_dataplane.upstreams.health import probe_due
from wsgate_dataplane.upstreams.pool import Upstream


def opened(target: Target, probe_seconds: float = 0) -> Upstream:
    circuit = Circuit(1, 60, probe_seconds)
    circuit.failed(circuit.begin(), asyncio.get_running_loop().time())
    return Upstream(target, 1, circuit)


@on_both_loops
async def test_an_upstream_that_is_back_may_be_dialled_and_one_that_is_not_may_not() -> None:
    found: list[bool] = []
    async with serving(saying()) as back:
        upstreams = [opened(Target.from_url(back.url())), opened(closed_port())]
        await probe_due(upstreams, found.append)
    now = asyncio.get_running_loop().time()
    assert [each.circuit.allows(now) for each in upstreams] == [True, False]
    assert sorted(found) == [False, True]


@on_both_loops
async def test_what_is_not_due_or_closed_is_left_alone() -> None:
    found: list[bool] = []
    later = opened(closed_port(), probe_seconds=30)
    closed = Upstream(closed_port(), 1, Circuit(1, 60, 0))
    await probe_due([later, closed], found.append)
    assert found == []
