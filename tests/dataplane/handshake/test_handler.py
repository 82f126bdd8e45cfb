"""What the public listener answers beside sessions."""

import asyncio
import contextlib
from pathlib import Path

import aiohttp
import pytest

from tests.support.loops import eventually, on_both_loops
from tests.support.world import World


@on_both_loops
async def test_healthz_is_open_and_a_plain_get_on_a_route_is_426(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.route(upstream=await world.upstream())
    async with world.running(), aiohttp.ClientSession() as http:
        base = world.url.replace("ws:", "http:")
        async with http.get(f"{base}/healthz") as response:
            assert (response.status, await response.text()) == (200, "ok\n")
        metrics = await world.metrics()
        # Probes are no connections, else they would drown them.
        assert (metrics["ws_connections_total"], metrics["ws_handshake_seconds_count"]) == (0, 0)
        async with http.get(f"{base}/echo") as response:
            assert response.status == 426
            assert response.headers["Sec-WebSocket-Version"] == "13"
        async with http.post(f"{base}/echo") as response:
            assert (response.status, response.headers["Allow"]) == (405, "GET")


@on_both_loops
async def test_early_client_frames_reach_the_upstream(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.route(upstream=await world.upstream())
    async with world.running():
        reader, writer = await asyncio.open_connection("127.0.0.1", world.plane.public_port)
        head = (
            "GET /echo HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
            f"Authorization: Bearer {world.token()}\r\n\r\n"
        )
        writer.write(head.encode() + b"\x81\x85\0\0\0\0early")
        answer = await reader.readuntil(b"\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 101 ")
        assert await asyncio.wait_for(reader.readexactly(7), 5) == b"\x81\x05early"
        writer.close()


@pytest.mark.parametrize("trusted", ["", "127.0.0.0/8"])
@on_both_loops
async def test_forwarding_headers_are_believed_from_trusted_proxies_only(tmp_path: Path, trusted: str) -> None:
    world = World(tmp_path, WSGATE_TRUSTED_PROXIES=trusted)
    headers = {"X-Forwarded-For": "6.6.6.6, 203.0.113.7", "X-Request-Id": "from-the-proxy"}
    async with world.running():
        refusal = await world.refusal("/nowhere", headers=headers)
    line = world.logged("refused")[0]
    if trusted:
        assert (line["address"], refusal.headers["X-Request-Id"]) == ("203.0.113.7", "from-the-proxy")
    else:
        assert line["address"] == "127.0.0.1"
        assert refusal.headers["X-Request-Id"] != "from-the-proxy"


@on_both_loops
async def test_an_unforeseen_error_is_500_with_a_traceback_in_the_log_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(tmp_path)
    world.route(upstream=await world.upstream())

    def fail(*arguments: object) -> None:
        raise ZeroDivisionError("a defect")

    async with world.running():
        monkeypatch.setattr("wsgate_dataplane.handshake.upstream_request.upstream_head", fail)
        refusal = await world.refusal(token=world.token())
        assert (refusal.status, refusal.reason) == (500, "unexpected")
        assert "defect" not in str(refusal.problem["title"])
        assert len(world.plane.registry) == 0
    assert [line for line in world.logs if line["error"]]


@on_both_loops
async def test_a_client_that_goes_while_its_upstream_is_dialled_ends_the_dial(tmp_path: Path) -> None:
    dials: list[asyncio.StreamWriter] = []
    given_up = 0

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal given_up
        dials.append(writer)
        with contextlib.suppress(ConnectionError):
            await reader.read()
        given_up += 1
        writer.transport.abort()

    world, clients = World(tmp_path), 20
    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    world.route(upstream=f"ws://127.0.0.1:{port}", timeouts={"connectSeconds": 60, "handshakeSeconds": 60})
    async with world.running():
        leaving = [await asyncio.open_connection("127.0.0.1", world.plane.public_port) for _ in range(clients)]
        for _, writer in leaving:
            writer.write(
                b"GET /echo HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
                b"Authorization: Bearer " + world.token().encode() + b"\r\n\r\n"
            )
        await eventually(lambda: len(dials) == clients)
        assert len(world.plane.registry) == clients
        for _, writer in leaving:
            writer.close()
        await eventually(lambda: given_up == clients, lambda: f"{given_up} of {clients} dials given up")
        assert len(world.plane.registry) == 0
        metrics = await world.metrics()
        assert metrics["ws_connections_total"] == metrics["ws_handshake_seconds_count"] == clients
        assert metrics['ws_refusals_total{reason="client-lost"}'] == clients
    assert [line["reason"] for line in world.logged("refused")] == ["client-lost"] * clients
    assert not [line for line in world.logs if line["error"]]
    server.close()


@on_both_loops
async def test_a_route_that_leads_back_to_the_gateway_ends_after_four_rounds(tmp_path: Path) -> None:
    world = World(tmp_path)
    async with world.running():
        world.route(upstream=f"{world.url}/echo", auth={"mode": "Anonymous", "providers": []})
        await eventually(lambda: "default/echo" in world.plane.catalogue.servings)
        refusal = await world.refusal()
        assert (refusal.status, refusal.reason) == (502, "upstream-refused-upgrade")
        await eventually(lambda: len(world.plane.registry) == 0)
    reasons = [line["reason"] for line in world.logged("refused")]
    assert reasons == ["loop-detected", *["upstream-refused-upgrade"] * 4]
    refused = world.logged("refused")[0]
    assert refused["detail"] == "forwarded 4 times already"
