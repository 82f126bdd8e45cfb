"""An upstream that is down is left alone, and served again as soon as it is back."""

import socket
from pathlib import Path

import websockets.asyncio.server

from tests.support.loops import on_both_loops
from tests.support.world import World, echo, eventually
from wsgate_dataplane.upstreams.retry import SPREAD_SECONDS


@on_both_loops
async def test_a_circuit_opens_and_a_probe_closes_it_again(tmp_path: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    world = World(tmp_path, CB_FAILURE_THRESHOLD="2", CB_HEALTHCHECK_INTERVAL_SECONDS="1")
    world.route(upstream=f"ws://127.0.0.1:{port}")
    world.route("other", upstream=await world.upstream())
    async with world.running():
        for _ in range(2):
            assert (await world.refusal(token=world.token())).reason == "upstream-unreachable"
        refusal = await world.refusal(token=world.token())
        assert (refusal.status, refusal.reason) == (503, "circuit-open")
        assert 0 < int(refusal.headers["Retry-After"]) <= 61 + SPREAD_SECONDS
        async with world.connect("/other", token=world.token()):
            pass
        registry = world.plane.metrics.registry
        name = "ws_upstream_health_failure_total"
        await eventually(lambda: bool(registry.get_sample_value(name)), "a probe has found nobody")
        async with websockets.asyncio.server.serve(echo, "127.0.0.1", port):
            (serving,) = (each for each in world.plane.catalogue.servings.values() if each.route.name == "echo")
            (upstream,) = serving.pool
            await eventually(lambda: upstream.circuit.probe_at is None, "the upstream is found")
            async with world.connect(token=world.token()) as client:
                await client.send("back")
                assert await client.recv() == "back"
        metrics = await world.metrics()
        assert metrics['ws_circuit_open_total{protocol="raw"}'] == 1
        assert metrics["ws_upstream_health_success_total"] == 1


@on_both_loops
async def test_defect_11_clients_that_leave_open_no_circuit_and_one_circuit_is_of_one_upstream(
    tmp_path: Path,
) -> None:
    world = World(tmp_path, CB_FAILURE_THRESHOLD="2")
    world.route(upstream=await world.upstream())
    world.route("dead", upstream="ws://127.0.0.1:1")
    async with world.running():
        for count in range(1, 6):
            client = await world.connect(token=world.token())
            client.transport.abort()
            await world.ended(count)
        for _ in range(3):
            await world.refusal("/dead", world.token())
        assert world.logged("refused")[-1]["reason"] == "circuit-open"
        async with world.connect(token=world.token()) as client:
            await client.send("well")
            assert await client.recv() == "well"
        assert (await world.metrics())['ws_circuit_open_total{protocol="raw"}'] == 1


@on_both_loops
async def test_defect_12_a_client_that_leaves_makes_nobody_dial_its_upstream_again(tmp_path: Path) -> None:
    world = World(tmp_path, WS_DIAL_RETRY_MAX="3", WS_DIAL_RETRY_INTERVAL_SECONDS="0")
    world.route(upstream=await world.upstream())
    async with world.running():
        (await world.connect(token=world.token())).transport.abort()
        async with world.connect(token=world.token()) as client:
            await client.close()
        await world.ended(2)
        # A dial that followed from an end would have come before this later one.
        async with world.connect(token=world.token()) as client:
            await client.send("last")
            assert await client.recv() == "last"
        assert len(world.requests) == 3
        assert (await world.metrics())['ws_proxy_retries_total{protocol="raw"}'] == 0
