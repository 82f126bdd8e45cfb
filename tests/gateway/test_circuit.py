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
