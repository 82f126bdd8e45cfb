"""What a client may send, through a whole gateway: closed or read slower, alone, together, over two gateways."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import websockets
from websockets.asyncio.client import ClientConnection

from tests.support.loops import on_both_loops
from tests.support.mqtt import DISCONNECT, MQTT, Broker, connack, connect, publish
from tests.support.valkey import ValkeyServer, valkey
from tests.support.world import World, eventually

EXCEEDED = (1008, "Rate limit exceeded")
PUBACK = b"\x40\x02\x00\x01"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ValkeyServer]:
    with valkey(tmp_path) as running:
        yield running


async def echoed(connection: ClientConnection, most: int) -> int:
    """Send and hear echoes until the session is closed for the rate; how many came back."""
    heard = 0
    try:
        while heard < most:
            await connection.send(str(heard))
            assert await connection.recv() == str(heard)
            heard += 1
    except websockets.ConnectionClosed as closed:
        assert closed.rcvd is not None
        assert (closed.rcvd.code, closed.rcvd.reason) == EXCEEDED
    return heard


@on_both_loops
async def test_a_client_that_exceeds_its_rate_is_closed_and_told_why(tmp_path: Path) -> None:
    world = World(tmp_path)
    rate = {"messagesPerSecond": 1, "burst": 5, "onExceed": "Close"}
    world.route(upstream=await world.upstream(), rateLimit=rate)
    async with world.running():
        async with world.connect(token=world.token()) as connection:
            assert 5 <= await echoed(connection, 20) <= 6
        (ended,) = await world.ended()
        assert (ended["reason"], ended["code"]) == ("rate-exceeded", 1008)
        assert ended["messages_to_upstream"] <= 6
        metrics = await world.metrics()
        assert metrics["ws_rate_limit_violations_total"] == 1
        assert metrics['ws_closes_total{reason="rate-exceeded"}'] == 1
        # To come back at once gains nothing.
        async with world.connect(token=world.token()) as connection:
            assert await echoed(connection, 20) <= 1


@on_both_loops
async def test_a_throttled_client_loses_nothing(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.route(upstream=await world.upstream(), rateLimit={"messagesPerSecond": 50, "burst": 5})
    async with world.running():
        async with world.connect(token=world.token()) as connection:
            began = time.monotonic()
            for number in range(30):
                await connection.send(str(number))
            assert [await connection.recv() for _ in range(30)] == [str(number) for number in range(30)]
            assert time.monotonic() - began >= 0.45
        assert (await world.ended())[0]["reason"] == "client-closed"
        metrics = await world.metrics()
        assert metrics["wsgate_rate_limit_pauses_total"] >= 1
        assert metrics["ws_rate_limit_violations_total"] == 0


@on_both_loops
async def test_a_throttled_session_is_revoked_at_once(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.route(upstream=await world.upstream(), rateLimit={"messagesPerSecond": 1, "burst": 1})
    async with world.running(), world.connect(token=world.token("alice")) as connection:
        for number in range(50):
            await connection.send(str(number))
        assert await connection.recv() == "0"
        world.revoke("alice", subject="alice")
        with pytest.raises(websockets.ConnectionClosed) as closed:
            while True:
                await connection.recv()
        assert closed.value.rcvd is not None
        assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (1008, "token revoked")


@on_both_loops
async def test_two_sessions_of_a_subject_share_a_budget_and_another_subject_has_its_own(tmp_path: Path) -> None:
    world = World(tmp_path)
    rate = {"messagesPerSecond": 1, "burst": 10, "onExceed": "Close"}
    world.route(upstream=await world.upstream(), rateLimit=rate)
    async with (
        world.running(),
        world.connect(token=world.token("alice")) as first,
        world.connect(token=world.token("alice")) as second,
        world.connect(token=world.token("bob")) as other,
    ):
        assert await echoed(first, 6) == 6
        assert await echoed(second, 20) <= 6
        assert await echoed(other, 10) == 10


@on_both_loops
async def test_bytes_are_limited_and_a_large_message_still_passes(tmp_path: Path) -> None:
    world = World(tmp_path)
    rate = {"bytesPerSecond": 1000, "onExceed": "Close"}
    world.route(upstream=await world.upstream(), rateLimit=rate)
    async with world.running(), world.connect(token=world.token(), compression=None) as connection:
        await connection.send("x" * 50_000)
        assert len(await connection.recv()) == 50_000
        assert await echoed(connection, 5) == 0


@on_both_loops
async def test_the_environment_limits_routes_that_say_nothing_and_a_route_says_otherwise(tmp_path: Path) -> None:
    world = World(tmp_path, RATE_LIMIT_PER_SECOND="20", RATE_LIMIT_BURST="2")
    upstream = await world.upstream()
    world.route(upstream=upstream)
    world.route("own", upstream=upstream, rateLimit={"messagesPerSecond": 1000})
    async with world.running():
        for path, seconds in (("/echo", 0.4), ("/own", 0.0)):
            async with world.connect(path, token=world.token()) as connection:
                began = time.monotonic()
                assert await echoed(connection, 12) == 12
                assert time.monotonic() - began >= seconds
        assert (await world.metrics())["wsgate_rate_limit_pauses_total"] >= 1


@on_both_loops
async def test_the_original_gateways_file_limits_to_10_a_second_and_30_at_once(tmp_path: Path) -> None:
    world = World(tmp_path, JWKS_URL="http://127.0.0.1:1/certs")
    world.write("routes.yaml", [{"prefix": "/echo", "upstream": await world.upstream()}])
    async with world.running():
        route = next(iter(world.plane.catalogue.servings.values())).source
        assert route.rate_limit is not None
        assert route.rate_limit.to_document() == {"messagesPerSecond": 10, "burst": 30, "onExceed": "Close"}


@on_both_loops
async def test_by_address_clients_behind_one_proxy_have_their_own_budgets(tmp_path: Path) -> None:
    world = World(tmp_path, WSGATE_TRUSTED_PROXIES="127.0.0.0/8")
    rate = {"messagesPerSecond": 1, "burst": 5, "key": "IP", "onExceed": "Close"}
    world.route(upstream=await world.upstream(), rateLimit=rate)
    async with (
        world.running(),
        world.connect(token=world.token("alice"), headers={"X-Forwarded-For": "2001:db8::1"}) as first,
        world.connect(token=world.token("bob"), headers={"X-Forwarded-For": "2001:db8::2"}) as same_network,
        world.connect(token=world.token("bob"), headers={"X-Forwarded-For": "2001:db8:0:1::1"}) as other,
    ):
        assert await echoed(first, 5) == 5
        assert await echoed(same_network, 5) <= 2
        assert await echoed(other, 5) == 5


@on_both_loops
async def test_packets_of_an_mqtt_client_count_and_it_is_told_by_its_own_codes(tmp_path: Path) -> None:
    world, broker = World(tmp_path), Broker()
    rate = {"messagesPerSecond": 1, "burst": 3, "onExceed": "Close"}
    world.route("mqtt", upstream=await world.upstream(broker, subprotocols=[MQTT]), rateLimit=rate)
    said = publish("a", b"x")
    async with (
        world.running(),
        world.connect("/mqtt", world.token(), subprotocols=[MQTT]) as client,
    ):
        await client.send(connect(None))
        assert await client.recv() == connack()
        for _ in range(10):
            await client.send(PUBACK)
            assert await client.recv() == PUBACK
        await client.send(said * 2)
        assert await client.recv() == said * 2
        await client.send(said * 5)
        told = await client.recv()
        assert (told[0], told[2]) == (DISCONNECT, 0x96)
        with pytest.raises(websockets.ConnectionClosed) as closed:
            await client.recv()
    assert closed.value.rcvd is not None
    assert (closed.value.rcvd.code, closed.value.rcvd.reason) == EXCEEDED
    assert bytes(broker.received).count(said) == 2


@on_both_loops
async def test_a_throttled_mqtt_client_loses_nothing(tmp_path: Path) -> None:
    world, broker = World(tmp_path), Broker()
    upstream = await world.upstream(broker, subprotocols=[MQTT])
    world.route("mqtt", upstream=upstream, rateLimit={"messagesPerSecond": 50, "burst": 1})
    messages = [publish("a", b"%d" % number) for number in range(25)]
    async with world.running(), world.connect("/mqtt", world.token(), subprotocols=[MQTT]) as client:
        await client.send(connect(None))
        assert await client.recv() == connack()
        began = time.monotonic()
        for message in messages:
            await client.send(message)
        assert [await client.recv() for _ in messages] == messages
        assert time.monotonic() - began >= 0.4


# Two gateways


@asynccontextmanager
async def gateways(folder: Path, server: ValkeyServer, rate: dict[str, Any]) -> AsyncIterator[tuple[World, World]]:
    """Two with one Redis that know of each other, and an echo behind both."""
    worlds = []
    for name in ("a", "b"):
        (folder / name).mkdir()
        world = World(folder / name, REDIS_URL=server.url, WSGATE_POD_NAME=f"pod-{name}")
        world.route(upstream=await world.upstream(), rateLimit=rate)
        worlds.append(world)
    async with worlds[0].running(), worlds[1].running():
        for world in worlds:
            await both_share(world, 2)
        yield worlds[0], worlds[1]


async def both_share(world: World, pods: int) -> None:
    gauge = world.plane.metrics.rate_limit_pods
    await eventually(lambda: gauge._value.get() == pods, f"{pods} pods share")


@on_both_loops
async def test_a_subject_has_about_one_budget_on_two_gateways(tmp_path: Path, server: ValkeyServer) -> None:
    rate = {"messagesPerSecond": 2, "burst": 40, "onExceed": "Close"}
    async with gateways(tmp_path, server, rate) as (first, second):
        async with first.connect(token=first.token("alice")) as connection:
            # Alone it has the whole burst on one of them.
            assert await echoed(connection, 38) == 38
        async with second.connect(token=second.token("alice")) as connection:
            # Half of the burst is its part until it has asked.
            assert await echoed(connection, 100) <= 30
        async with second.connect(token=second.token("bob")) as connection:
            assert await echoed(connection, 38) == 38


@on_both_loops
async def test_defect_7_without_redis_each_gateway_has_the_limit_divided_by_their_number(
    tmp_path: Path, server: ValkeyServer
) -> None:
    rate = {"messagesPerSecond": 1, "burst": 20, "onExceed": "Close"}
    async with gateways(tmp_path, server, rate) as (first, second):
        server.kill()
        for world in (first, second):
            await both_share(world, 0)
            async with world.connect(token=world.token("alice")) as connection:
                assert 10 <= await echoed(connection, 50) <= 14
            (ended,) = await world.ended()
            assert ended["reason"] == "rate-exceeded"
        assert len([each for each in first.logged("sharing of rate limits fails")]) >= 1
        server.start()
        await both_share(first, 2)
        async with asyncio.timeout(10):
            await both_share(second, 2)
