"""The original gateway's metrics of sessions say of real ones what they said there."""

from pathlib import Path

from websockets.asyncio.server import ServerConnection

from tests.support.loops import on_both_loops
from tests.support.world import World


@on_both_loops
async def test_sessions_are_counted_while_they_are_open_and_measured_when_they_end(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.route(upstream=await world.upstream())
    async with world.running():
        async with world.connect(token=world.token()), world.connect(token=world.token("bob")):
            metrics = await world.metrics()
            assert (metrics["ws_connections_total"], metrics["ws_active_sessions"]) == (2, 2)
            assert metrics["ws_connection_duration_seconds_count"] == 0
        await world.ended(2)
        metrics = await world.metrics()
    assert metrics["ws_active_sessions"] == 0
    assert metrics["ws_connection_duration_seconds_count"] == 2
    assert metrics['ws_protocol_connections_total{protocol="raw"}'] == 2


@on_both_loops
async def test_an_upstream_that_breaks_off_is_an_error_and_a_peer_that_leaves_is_none(tmp_path: Path) -> None:
    world = World(tmp_path)

    async def vanish(connection: ServerConnection) -> None:
        await connection.recv()
        connection.transport.abort()

    world.route(upstream=await world.upstream(vanish))
    async with world.running():
        (await world.connect(token=world.token())).transport.abort()
        await world.ended(1)
        assert (await world.metrics())['ws_proxy_errors_total{protocol="raw"}'] == 0
        async with world.connect(token=world.token()) as client:
            await client.send("go")
            await client.wait_closed()
        await world.ended(2)
        assert (await world.metrics())['ws_proxy_errors_total{protocol="raw"}'] == 1
