"""Every refusal before the 101, with its reason in plain words."""

import asyncio
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed

from tests.support.loops import on_both_loops
from tests.support.world import World, eventually
from wsgate_cli.devkey import DevelopmentKey

Headers = dict[str, str]


@on_both_loops
async def test_each_fault_of_a_request_has_its_status_and_reason(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.route(upstream=await world.upstream())
    stranger = DevelopmentKey.create()
    async with world.running():
        good = world.token()
        head, payload, signature = good.split(".")
        cases: list[tuple[str, str | None, Headers, int, str]] = [
            ("/nowhere", good, {}, 404, "route-not-found"),
            ("/echo//x", good, {}, 400, "path-unsafe"),
            ("/echo/%2e%2e/x", good, {}, 400, "path-unsafe"),
            ("/echo", None, {}, 401, "token-missing"),
            ("/echo", "not-a-token", {}, 401, "token-malformed"),
            ("/echo", f"{head}.{payload}.{signature}=", {}, 401, "token-malformed"),
            ("/echo", world.token(lifetime=-60), {}, 401, "token-expired"),
            ("/echo", world.token(aud="other"), {}, 401, "token-audience"),
            ("/echo", world.token(iss="https://elsewhere.test"), {}, 401, "token-issuer"),
            ("/echo", stranger.token({"sub": "alice"}, 2**31, 60), {}, 401, "token-key-unknown"),
            ("/echo", world.token(nonce="n"), {}, 401, "token-type"),
            ("/echo", good, {"Upgrade": "h2c"}, 426, "upgrade-required"),
            ("/echo", good, {"Sec-WebSocket-Version": "8"}, 426, "websocket-version"),
            ("/echo", good, {"Sec-WebSocket-Key": "short"}, 400, "request-malformed"),
            ("/metrics", good, {}, 404, "admin-moved"),
            ("/admin/revoke", good, {}, 404, "admin-moved"),
        ]
        for path, token, headers, status, reason in cases:
            refusal = await world.refusal(path, token, headers)
            assert (refusal.status, refusal.reason) == (status, reason), (path, headers)
            assert refusal.headers["Content-Type"] == "application/problem+json"
            assert refusal.problem["request_id"] == refusal.headers["X-Request-Id"]
            assert world.logged("refused")[-1]["request_id"] == refusal.headers["X-Request-Id"]
        metrics = await world.metrics()
    assert metrics['ws_auth_failures_total{reason="token-expired"}'] == 1
    assert metrics['ws_refusals_total{reason="path-unsafe"}'] == 2
    assert not world.requests, "nothing of a refused client reached the upstream"
    assert all(good not in str(line) for line in world.logs)


@on_both_loops
async def test_defect_14_a_cookie_needs_a_listed_origin_and_an_explicit_token_does_not(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.route(upstream=await world.upstream(), hostnames=["127.0.0.1"])
    world.route("listed", upstream=await world.upstream(), origins=["https://app.example.com"])
    async with world.running():
        cookie = {"Cookie": f"theme=dark; session={world.token()}"}
        evil, app = {"Origin": "https://evil.example"}, {"Origin": "https://app.example.com"}
        for headers in (cookie, cookie | evil, cookie | app):
            assert (await world.refusal("/echo", None, headers)).reason == "origin-not-listed"
        assert (await world.refusal("/listed", world.token(), evil)).reason == "origin-not-listed"
        async with world.connect("/echo", world.token(), evil):
            pass
        async with world.connect("/listed", None, cookie | app) as client:
            await client.send("hi")
            assert await client.recv() == "hi"
        async with world.connect("/echo", None, cookie | {"Origin": "https://127.0.0.1"}):
            pass
    assert world.requests[-1].headers["Cookie"] == "theme=dark"


@on_both_loops
async def test_the_upstream_gets_an_allowlist_of_headers(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.route(
        upstream=await world.upstream(), auth={"forward": {"requestHeaders": ["X-Tenant", "X-User-Roles"]}}
    )
    headers = {"X-User-Roles": "admin", "X_User_Roles": "admin", "X-Tenant": "blue", "X-Other": "no"}
    headers |= {"X-Forwarded-For": "6.6.6.6", "X-Request-Id": "forged", "traceparent": "00-ab-cd-01"}
    async with world.running(), world.connect("/echo?room=1", world.token(), headers):
        got = world.requests[0]
    assert got.path == "/?room=1"
    assert got.headers["X-Forwarded-For"] == "127.0.0.1"
    assert got.headers["X-Request-Id"] != "forged"
    assert (got.headers["X-Tenant"], got.headers["traceparent"]) == ("blue", "00-ab-cd-01")
    assert not {"x-user-roles", "x_user_roles", "x-other"} & {name.lower() for name in got.headers}


@on_both_loops
async def test_on_refusal_close_answers_101_and_1008(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.route(upstream=await world.upstream(), auth={"onRefusal": "Close"})
    async with world.running():
        async with world.connect(subprotocols=["chat"]) as client:
            assert client.subprotocol == "chat"
            with pytest.raises(ConnectionClosed):
                await client.recv()
            assert (client.close_code, client.close_reason) == (1008, "unauthorized")
    assert world.logged("refused")[0]["reason"] == "token-missing"


Behaviour = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Any]


async def _answers_200(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")


async def _closes(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.close()


async def _is_silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()


async def _lies(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(
        b"HTTP/1.1 101 OK\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: x\r\n\r\n"
    )


@pytest.mark.parametrize(
    ("behaviour", "status", "reason"),
    [
        (_answers_200, 502, "upstream-refused-upgrade"),
        (_closes, 502, "upstream-refused-upgrade"),
        (_lies, 502, "upstream-refused-upgrade"),
        (_is_silent, 504, "upstream-timeout"),
    ],
)
@on_both_loops
async def test_a_bad_upstream_is_told_before_the_101(
    tmp_path: Path, behaviour: Behaviour, status: int, reason: str
) -> None:
    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await behaviour(reader, writer)
        await reader.read()
        writer.close()

    world = World(tmp_path)
    server = await asyncio.start_server(behave, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        world.route(upstream=f"ws://127.0.0.1:{port}/", timeouts={"handshakeSeconds": 1})
        async with world.running():
            refusal = await world.refusal(token=world.token())
            assert (refusal.status, refusal.reason) == (status, reason)
            assert len(world.plane.registry) == 0


@on_both_loops
async def test_an_upstream_that_does_not_listen_is_502(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.route(upstream="ws://127.0.0.1:1/")
    async with world.running():
        assert (await world.refusal(token=world.token())).reason == "upstream-unreachable"


@on_both_loops
async def test_a_broken_file_keeps_the_last_good_version_and_says_where_and_how(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.route(upstream=await world.upstream())
    async with world.running():
        world.write("echo.yaml", "kind: WsRoute\nspec: {prefix: [}\n")
        await eventually(lambda: any("echo.yaml" in str(line) for line in world.logs), "the fault is logged")
        async with world.connect(token=world.token()):
            pass


@on_both_loops
async def test_a_traceback_is_never_shown_and_nothing_else_stops_for_raw_garbage(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.route(upstream=await world.upstream())
    garbage = [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET /echo HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n",
        b"GET /echo HTTP/1.1\r\n\r\n",
        b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\nabcd",
        b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /echo HTTP/1.1\r\nHost: x\r\n" + b"A: b\r\n" * 2000 + b"\r\n",
    ]
    async with world.running():
        for request in garbage:
            reader, writer = await asyncio.open_connection("127.0.0.1", world.plane.public_port)
            writer.write(request)
            answer = await asyncio.wait_for(reader.read(), 10)
            assert answer.startswith((b"HTTP/1.1 4", b"HTTP/1.0 4")), (request[:60], answer[:80])
            assert b"Traceback" not in answer
            writer.close()
        async with world.connect(token=world.token()):
            pass
    assert not [line for line in world.logs if line["error"]]


@on_both_loops
async def test_clients_that_close_behind_their_request_do_not_end_the_data_plane(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.route(upstream=await world.upstream())

    def ask_and_go() -> None:
        for _ in range(50):
            with socket.create_connection(("127.0.0.1", world.plane.public_port)) as client:
                client.sendall(b"GET /echo HTTP/1.1\r\nHost: gateway\r\n\r\n")

    async with world.running():
        clients = threading.Thread(target=ask_and_go)
        clients.start()
        await eventually(lambda: not clients.is_alive(), "the clients have gone")
        assert (await world.refusal("/nowhere")).status == 404
        assert not world.logged("unexpected")
