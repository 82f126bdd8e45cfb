"""The main job, through real sockets: admitted, relayed, closed when the token no longer counts."""

import asyncio
import gc
import time
from pathlib import Path

import pytest
import websockets
from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed

from tests.support.loops import on_both_loops
from tests.support.world import World, eventually
from wsgate_dataplane.handshake.front import Front
from wsgate_dataplane.registry.session import Session
from wsgate_dataplane.relay.end import End


async def closed(client: websockets.ClientConnection) -> tuple[int | None, str]:
    """Wait for the Close frame."""
    async with asyncio.timeout(5):
        await client.wait_closed()
    return client.close_code, client.close_reason or ""


@on_both_loops
async def test_a_revoked_session_is_closed_with_1008_and_others_live_on(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.route(upstream=await world.upstream())
    async with world.running():
        alice_token = world.token("alice")
        async with world.connect(token=alice_token) as alice, world.connect(token=world.token("bob")) as bob:
            for client in (alice, bob):
                await client.send("hello")
                assert await client.recv() == "hello"
            world.revoke("alice", subject="alice")
            assert await closed(alice) == (1008, "token revoked")
            assert (await world.refusal(token=alice_token)).reason == "token-revoked"
            await bob.send("still here")
            assert await bob.recv() == "still here"
        ends = await world.ended(2)
    assert ends[0]["reason"] == "token-revoked"
    assert ends[0]["detail"] == "default/alice"
    assert ends[1]["reason"] == "client-closed"


@on_both_loops
async def test_defect_9_a_revoked_token_cannot_reconnect_after_a_restart(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.route(upstream=await world.upstream())
    token = world.token("alice", jti="stolen")
    world.revoke("stolen", jti="stolen")
    async with world.running():
        assert (await world.refusal(token=token)).status == 401
        async with world.connect(token=world.token("alice", jti="new")):
            pass


@on_both_loops
async def test_a_kicked_subject_may_come_back_with_a_newer_token(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.route(upstream=await world.upstream())
    async with world.running():
        now = int(time.time())
        async with world.connect(token=world.token("alice", iat=now - 10)) as old:
            world.revoke("kick", subject="alice", issuedBefore=time.strftime("%FT%TZ", time.gmtime(now - 5)))
            assert await closed(old) == (1008, "token revoked")
        async with world.connect(token=world.token("alice", iat=now)) as new:
            await new.send("back")
            assert await new.recv() == "back"


@on_both_loops
async def test_defect_18_a_session_ends_when_its_token_expires(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.route(upstream=await world.upstream(), auth={"expiry": {"leewaySeconds": 0}})
    async with world.running(), world.connect(token=world.token(lifetime=2)) as client:
        assert await closed(client) == (1008, "token expired")
    assert world.logged("session ended")[0]["reason"] == "token-expired"


@on_both_loops
async def test_with_mode_session_the_age_of_the_session_counts_instead(tmp_path: Path) -> None:
    world = World(tmp_path)
    expiry = {"mode": "Session", "maxSessionSeconds": 2, "leewaySeconds": 0}
    world.route(upstream=await world.upstream(), auth={"expiry": expiry})
    async with world.running(), world.connect(token=world.token()) as client:
        assert await closed(client) == (1008, "token expired")
    assert world.logged("session ended")[0]["reason"] == "session-too-old"


@on_both_loops
async def test_defect_5_every_prefix_is_served_by_whole_segments(tmp_path: Path) -> None:
    world = World(tmp_path)

    async def say_b(connection: ServerConnection) -> None:
        await connection.send("b")

    world.route("a", prefix="/a", upstream=await world.upstream())
    world.route("b", prefix="/a/b", upstream=await world.upstream(say_b))
    async with world.running():
        async with world.connect("/a/b/deeper", token=world.token()) as client:
            assert await client.recv() == "b"
        async with world.connect("/a/bc", token=world.token()) as client:
            await client.send("a")
            assert await client.recv() == "a"
        assert (await world.refusal("/ab", token=world.token())).reason == "route-not-found"


@on_both_loops
async def test_close_codes_pass_unchanged_in_both_directions(tmp_path: Path) -> None:
    world = World(tmp_path)
    seen: list[int | None] = []

    async def bye(connection: ServerConnection) -> None:
        if await connection.recv() == "you":
            await connection.close(4321, "upstream's own words")
        await connection.wait_closed()
        seen.append(connection.close_code)

    world.route(upstream=await world.upstream(bye))
    async with world.running():
        async with world.connect(token=world.token()) as client:
            await client.send("you")
            assert await closed(client) == (4321, "upstream's own words")
        async with world.connect(token=world.token()) as client:
            await client.send("me")
            await client.close(4000, "client's own words")
        await eventually(lambda: seen == [4321, 4000], "the upstream has seen both")
        ends = await world.ended(2)
    assert [(end["reason"], end["code"]) for end in ends] == [("upstream-closed", 4321), ("client-closed", 4000)]


@on_both_loops
async def test_a_lost_upstream_is_told_with_1014(tmp_path: Path) -> None:
    world = World(tmp_path)

    async def vanish(connection: ServerConnection) -> None:
        await connection.recv()
        connection.transport.abort()

    world.route(upstream=await world.upstream(vanish))
    async with world.running(), world.connect(token=world.token()) as client:
        await client.send("go")
        assert await closed(client) == (1014, "upstream lost")


@on_both_loops
async def test_defect_15_a_drain_tells_every_session_1012_and_ends_in_time(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.route(upstream=await world.upstream())
    clients: list[websockets.ClientConnection] = []
    async with world.running():
        for _ in range(20):
            clients.append(await world.connect(token=world.token()))
        world.plane.stop.set()
        for client in clients:
            assert await closed(client) == (1012, "service restart")
    assert {end["reason"] for end in world.logged("session ended")} == {"draining"}


@pytest.mark.parametrize(("on_change", "lives"), [("Drain", False), ("Close", False), ("Keep", True)])
@on_both_loops
async def test_a_changed_route_touches_its_own_sessions_only(tmp_path: Path, on_change: str, lives: bool) -> None:  # noqa: FBT001  # pytest passes parameters by name
    world = World(tmp_path)
    upstream = await world.upstream()
    world.route("one", upstream=upstream, onChange=on_change)
    world.route("two", upstream=upstream)
    async with (
        world.running(),
        world.connect("/one", token=world.token()) as one,
        world.connect("/two", token=world.token()) as two,
    ):
        world.route("one", upstream=upstream, onChange=on_change, limits={"maxMessageBytes": 5})
        if lives:
            await eventually(lambda: len(world.logged("rendered file applied")) > 2, "the change was applied")
            await one.send("longer than five")
            assert await one.recv() == "longer than five"
        else:
            assert await closed(one) == (1012, "service restart")
        await two.send("untouched")
        assert await two.recv() == "untouched"


@on_both_loops
async def test_a_removed_route_closes_its_sessions_and_answers_404(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.route(upstream=await world.upstream())
    async with world.running(), world.connect(token=world.token()) as client:
        world.remove("echo.yaml")
        assert await closed(client) == (1012, "service restart")
        assert (await world.refusal(token=world.token())).reason == "route-not-found"
    assert world.logged("session ended")[0]["reason"] == "route-removed"


@on_both_loops
async def test_a_message_above_the_limit_is_1009_and_not_forwarded(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.route(upstream=await world.upstream(), limits={"maxMessageBytes": 1000})
    async with world.running(), world.connect(token=world.token(), compression=None) as client:
        await client.send(b"x" * 1000)
        assert len(await client.recv()) == 1000
        await client.send(b"x" * 1001)
        assert await closed(client) == (1009, "message too big")


@on_both_loops
async def test_silence_is_1001_and_answered_pings_keep_a_session(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.route(upstream=await world.upstream(), timeouts={"idleSeconds": 2, "pingSeconds": 1})
    async with world.running():
        silent = await world.connect(token=world.token())
        lively = await world.connect(token=world.token())
        silent.transport.pause_reading()
        await world.ended()
        silent.transport.resume_reading()
        assert await closed(silent) == (1001, "idle timeout")
        await lively.send("pongs kept me")
        assert await lively.recv() == "pongs kept me"
        await lively.close()


@on_both_loops
async def test_permessage_deflate_and_subprotocols_are_negotiated_end_to_end(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.route(upstream=await world.upstream(subprotocols=["chat.v2", "chat.v1"]))
    async with (
        world.running(),
        world.connect(token=world.token(), subprotocols=["chat.v1", "chat.v2"]) as client,
    ):
        assert client.subprotocol in ("chat.v1", "chat.v2")
        assert [extension.name for extension in client.protocol.extensions] == ["permessage-deflate"]
        await client.send("compressible " * 1000)
        assert await client.recv() == "compressible " * 1000


@on_both_loops
async def test_a_dead_client_ends_the_upstream_session(tmp_path: Path) -> None:
    world = World(tmp_path)
    gone: list[int | None] = []

    async def wait(connection: ServerConnection) -> None:
        try:
            await connection.recv()
        except ConnectionClosed:
            gone.append(connection.close_code)

    world.route(upstream=await world.upstream(wait))
    async with world.running():
        client = await world.connect(token=world.token())
        client.transport.abort()
        await eventually(lambda: gone == [1006], "the upstream sees the loss")
        assert (await world.ended())[0]["reason"] == "client-lost"


@on_both_loops
async def test_a_session_that_is_over_leaves_the_garbage_collector_nothing(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.route(upstream=await world.upstream(), rateLimit={"messagesPerSecond": 100})
    async with world.running():
        gc.collect()
        gc.disable()
        try:
            for _ in range(3):
                async with world.connect(token=world.token("alice")) as client:
                    await client.send("hello")
                    await client.recv()
            await world.ended(3)
            gc.set_debug(gc.DEBUG_SAVEALL)
            gc.collect()
            assert [type(each) for each in gc.garbage if isinstance(each, End | Front | Session)] == []
        finally:
            gc.set_debug(0)
            gc.garbage.clear()
            gc.enable()
