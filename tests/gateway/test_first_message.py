"""The token as a raw session's first message."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import websockets

from tests.support.jwks import Fault, JWKSServer
from tests.support.loops import eventually, on_both_loops
from tests.support.mqtt import MQTT, Broker, connack, connect
from tests.support.world import World, development_key
from wsgate_cli.devkey import provider
from wsgate_dataplane.handshake.in_band import WAITING_PER_SOURCE_MAX

SOURCES = {"tokenSources": ["Header", "FirstMessage"]}
CHAT = websockets.Subprotocol("chat")


@asynccontextmanager
async def serving(
    folder: Path, *, auth: dict[str, Any] | None = None, environ: dict[str, str] | None = None, **spec: Any
) -> AsyncIterator[World]:
    world = World(folder, **(environ or {}))
    upstream = await world.upstream(select_subprotocol=lambda _, offered: CHAT if CHAT in offered else None)
    world.route(upstream=upstream, auth={**SOURCES, **(auth or {})}, **spec)
    async with world.running():
        yield world


@pytest.mark.parametrize("form", ["plain", "bytes", "token", "access_token"])
@on_both_loops
async def test_a_token_as_first_message_opens_the_session_and_stays_at_the_gateway(
    tmp_path: Path, form: str
) -> None:
    async with serving(tmp_path) as world:
        token = world.token("alice", roles=["ops"])
        forms: dict[str, str | bytes] = {"plain": f" {token}\n", "bytes": token.encode()}
        async with world.connect(subprotocols=[CHAT]) as client:
            assert client.subprotocol == CHAT
            await client.send(forms.get(form, json.dumps({"type": "auth", form: token})))
            await client.send("hello")
            assert await client.recv() == "hello"
        assert world.requests[-1].headers["X-User-Roles"] == "ops"
        assert world.requests[-1].headers["Sec-WebSocket-Protocol"] == "chat"
        assert "Sec-WebSocket-Extensions" not in world.requests[-1].headers
        assert (await world.ended())[0]["sub"] == "alice"


@pytest.mark.parametrize("as_bytes", [False, True], ids=["text", "binary"])
@on_both_loops
async def test_defect_6_a_first_message_is_forwarded_with_its_own_opcode_where_the_route_says_so(
    tmp_path: Path,
    as_bytes: bool,  # noqa: FBT001  # from the list above
) -> None:
    async with serving(tmp_path, auth={"forward": {"firstMessage": "Forward"}}) as world:
        message: str | bytes = json.dumps({"token": world.token()})
        if as_bytes:
            message = str(message).encode()
        async with world.connect() as client:
            await client.send([message[:10], message[10:]])
            assert await client.recv() == message


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        ("", "token-missing"),
        ("{}", "token-missing"),
        ("{", "token-malformed"),
        ('{"token": 1}', "token-malformed"),
        ('{"token": "a", "access_token": "b"}', "credentials-ambiguous"),
        ('{"token": "a", "token": "b"}', "token-malformed"),
        ("täglich", "token-malformed"),
        ("a.b.c", "token-malformed"),
        ("a" * 70_000, "message-too-big"),
    ],
)
@on_both_loops
async def test_what_is_no_token_is_refused_by_a_close_and_nothing_is_dialled(
    tmp_path: Path, message: str, reason: str
) -> None:
    async with serving(tmp_path) as world:
        async with world.connect() as client:
            await client.send(message)
            with pytest.raises(websockets.ConnectionClosed) as closed:
                await client.recv()
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == (1009 if reason == "message-too-big" else 1008)
        assert [line["reason"] for line in world.logged("refused")] == [reason]
        assert not world.requests


@on_both_loops
async def test_defect_6_a_token_in_the_handshake_needs_no_first_message(tmp_path: Path) -> None:
    async with serving(tmp_path) as world, world.connect(token=world.token()) as client:
        await client.send("first")
        assert await client.recv() == "first"


@on_both_loops
async def test_a_client_that_closes_in_place_of_a_first_message_is_closed(tmp_path: Path) -> None:
    async with serving(tmp_path) as world:
        async with world.connect() as client:
            await client.close(4000, "changed my mind")
        await eventually(lambda: world.logged("refused"), "it is logged")
        assert world.logged("refused")[0]["reason"] == "client-closed"


@on_both_loops
async def test_clients_of_one_address_have_few_places_to_wait_in(tmp_path: Path) -> None:
    async with serving(tmp_path, environ={"WSGATE_TRUSTED_PROXIES": "none"}) as world:
        waiting = [await world.connect() for _ in range(WAITING_PER_SOURCE_MAX)]
        refusal = await world.refusal()
        assert (refusal.status, refusal.reason) == (503, "too-many-waiting")
        async with world.connect(token=world.token()) as client:
            await client.send("x")
            assert await client.recv() == "x"
        await waiting.pop().close()
        await eventually(lambda: world.logged("refused")[-1]["reason"] == "client-closed", "a place is free")
        async with world.connect() as client:
            await client.send(world.token())
            await client.send("y")
            assert await client.recv() == "y"
        for each in waiting:
            await each.close()


@on_both_loops
async def test_a_place_is_held_until_the_token_is_found_good(tmp_path: Path) -> None:
    async with JWKSServer(development_key().jwks()) as keys:
        keys.fault = Fault.SLOW
        slow = {**provider(development_key()), "jwks": {"uri": keys.url}}
        auth = {"providers": [slow]}
        async with serving(tmp_path, auth=auth, environ={"WSGATE_TRUSTED_PROXIES": "none"}) as world:
            clients = [await world.connect() for _ in range(WAITING_PER_SOURCE_MAX)]
            for client in clients:
                await client.send(world.token())
            await eventually(lambda: keys.requests > 0, "the keys are asked for")
            refusal = await world.refusal()
            assert (refusal.status, refusal.reason) == (503, "too-many-waiting")
            keys.release.set()
            for client in clients:
                await client.send("x")
                assert await client.recv() == "x"
                await client.close()


@on_both_loops
async def test_defect_13_the_originals_routes_file_takes_a_connect_of_any_size(tmp_path: Path) -> None:
    """And finds tokens where the original does; that takes a CONNECT over 2 KB for a raw message."""
    async with JWKSServer(development_key().jwks()) as keys:
        world, broker = World(tmp_path, JWKS_URL=keys.url), Broker()
        broker_url, echo_url = await world.upstream(broker, subprotocols=[MQTT]), await world.upstream()
        world.config = world.folder / "routes.yaml"
        world.write(
            "routes.yaml", f"- prefix: /mqtt\n  upstream: {broker_url}\n- prefix: /echo\n  upstream: {echo_url}\n"
        )
        async with world.running():
            async with world.connect("/mqtt") as client:
                await client.send(connect(world.token(padding="x" * 3000), level=4))
                assert await client.recv() == connack(4)
            assert broker.subprotocols == [MQTT]
            token = world.token()
            async with world.connect("/echo") as client:
                await client.send(token)
                assert await client.recv() == token
