"""Start and end of a data plane."""

import asyncio
import shutil
import statistics
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from websockets.exceptions import InvalidHandshake

from tests.dataplane.revocation.publisher import Publisher, event, record
from tests.support.hanging import HangingFolder
from tests.support.loops import on_both_loops
from tests.support.valkey import ValkeyServer, valkey
from tests.support.world import LOOPBACK, World, eventually
from wsgate_cli.standalone import make_renderer
from wsgate_dataplane.identity.provider import Providers
from wsgate_dataplane.outcomes.table import Reason
from wsgate_dataplane.server import DataPlane
from wsgate_dataplane.settings import Settings
from wsgate_operator.renderer import Renderer
from wsgate_operator.settings import OperatorSettings


async def ready(plane: DataPlane) -> int:
    url = f"http://127.0.0.1:{plane.admin_port}/readyz"
    async with aiohttp.ClientSession() as http, http.get(url) as response:
        return response.status


@on_both_loops
async def test_nothing_is_served_before_both_files_are_loaded(tmp_path: Path) -> None:
    config, rendered = tmp_path / "config", tmp_path / "rendered"
    config.mkdir()
    plane = DataPlane(Settings.load({}), rendered / "routes.yaml", LOOPBACK, LOOPBACK)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(plane.run())
        await eventually(lambda: plane.admin_port != 0, "the admin listener is up")
        assert await ready(plane) == 503
        assert plane.public_port == 0
        make_renderer(config, rendered, OperatorSettings(), Settings.load({})).render()
        await eventually(lambda: plane.public_port != 0, "the public listener is up")
        assert await ready(plane) == 200
        plane.stop.set()


@on_both_loops
async def test_a_drain_that_takes_too_long_is_cut(tmp_path: Path) -> None:
    world = World(tmp_path, GRACEFUL_DRAIN_TIMEOUT_SECONDS="0")
    world.route(upstream=await world.upstream())
    async with world.running():
        client = await world.connect(token=world.token())
        world.plane.stop.set()
        await asyncio.wait_for(client.wait_closed(), 5)
    assert len(world.plane.registry) == 0


@on_both_loops
async def test_what_does_not_come_to_an_end_holds_the_process_up_for_the_hard_limit_at_most(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def hang(providers: Providers) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(Providers, "close", hang)
    world = World(tmp_path, SHUTDOWN_HARD_LIMIT="1")
    world.route(upstream=await world.upstream())
    async with world.running():
        pass
    assert world.logged("shutdown cut short")


@on_both_loops
async def test_a_handshake_that_is_under_way_does_not_hold_up_the_end(tmp_path: Path) -> None:
    world = World(tmp_path, GRACEFUL_DRAIN_TIMEOUT_SECONDS="0")
    is_dialled, never = asyncio.Event(), asyncio.Event()

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        is_dialled.set()
        await never.wait()
        writer.transport.abort()

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    world.route(upstream=f"ws://127.0.0.1:{port}", timeouts={"connectSeconds": 60, "handshakeSeconds": 60})
    client: asyncio.Task[object] | None = None
    try:
        async with asyncio.timeout(10):
            async with world.running():
                connecting = world.connect(token=world.token(), open_timeout=None)
                client = asyncio.get_running_loop().create_task(connecting.__aenter__())
                await is_dialled.wait()
            with pytest.raises((OSError, EOFError, InvalidHandshake)):
                await client
    finally:
        never.set()
        server.close()


@on_both_loops
async def test_a_draining_gateway_is_unready_and_refuses_with_503(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.route(upstream=await world.upstream())
    async with world.running():
        client = await world.connect(token=world.token())
        # It reads nothing, so that the drain has to wait for it.
        client.transport.pause_reading()
        world.plane.stop.set()
        await eventually(lambda: bool(world.logged("draining")), "the drain has begun")
        assert await ready(world.plane) == 503
        assert (await world.refusal(token=world.token())).reason == "draining"
        client.transport.abort()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ValkeyServer]:
    """A Redis whose operator has written an empty log."""
    folder = tmp_path / "valkey"
    folder.mkdir()
    with valkey(folder) as running, running.client() as client:
        Publisher(client).reset()
        yield running


@pytest.fixture
def silent_file(monkeypatch: pytest.MonkeyPatch) -> None:
    """The second channel confirms once, at the start."""

    async def run(renderer: Renderer, *_: object) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(Renderer, "run", run)


def world_on(server: ValkeyServer, folder: Path, **environ: str) -> World:
    return World(folder, WSGATE_REVOCATION_REDIS_URL=server.url, **environ)


@on_both_loops
async def test_a_revocation_in_the_log_closes_its_session_within_a_second(
    tmp_path: Path, server: ValkeyServer
) -> None:
    world = world_on(server, tmp_path)
    world.route(upstream=await world.upstream())
    token = world.token("alice")
    with server.client() as client:
        operator = Publisher(client)
        operator.reset()
        async with (
            world.running(),
            world.connect(token=token) as alice,
            world.connect(token=world.token("bob")) as bob,
        ):
            began = time.monotonic()
            operator.add(record("alice", namespace="default"))
            await asyncio.wait_for(alice.wait_closed(), 5)
            assert time.monotonic() - began < 1
            assert (alice.close_code, alice.close_reason) == (1008, "token revoked")
            assert (await world.refusal(token=token)).reason == "token-revoked"
            await bob.send("untouched")
            assert await bob.recv() == "untouched"
            while (metrics := await world.metrics())['wsgate_revocation_records{channel="redis"}'] != 1:
                assert time.monotonic() - began < 5
            assert time.time() - metrics['wsgate_revocation_confirmed_timestamp_seconds{channel="redis"}'] < 5


@on_both_loops
async def test_a_record_that_enters_at_one_gateway_closes_sessions_of_all(
    tmp_path: Path, server: ValkeyServer
) -> None:
    worlds = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        worlds.append(world_on(server, tmp_path / name, WSGATE_POD_NAME=name))
    here, there = worlds
    for world in worlds:
        world.route(upstream=await world.upstream())
    async with here.running(), there.running():
        async with here.connect(token=here.token()) as near, there.connect(token=here.token()) as far:
            assert here.plane.revocation_inbox is not None
            kick = event("alice")
            # Before it is appended: the wake-up might else bring it here first.
            assert here.plane.apply_event(kick) == 1
            await here.plane.revocation_inbox.append(kick)
            for client in (near, far):
                await asyncio.wait_for(client.wait_closed(), 5)
                assert client.close_code == 1008


def test_without_redis_there_is_no_inbox(tmp_path: Path) -> None:
    async def make() -> DataPlane:
        return DataPlane(Settings.load({}), tmp_path / "routes.yaml", LOOPBACK, LOOPBACK)

    assert asyncio.run(make()).revocation_inbox is None


@on_both_loops
async def test_a_frozen_redis_delays_no_handshake(tmp_path: Path, server: ValkeyServer) -> None:
    world = world_on(server, tmp_path)
    world.route(upstream=await world.upstream())
    async with world.running():
        server.freeze()
        try:
            began, seconds = time.monotonic(), []
            while time.monotonic() - began < 2:
                started = time.monotonic()
                async with world.connect(token=world.token()):
                    seconds.append(time.monotonic() - started)
            # Not each one: the machine itself may hold one up. A wait for Redis would hold up all.
            assert statistics.median(seconds) < 0.5
        finally:
            server.thaw()


@on_both_loops
async def test_where_both_channels_are_silent_nobody_new_is_admitted_and_the_live_ones_go(
    tmp_path: Path, server: ValkeyServer, silent_file: None
) -> None:
    stale = {"WSGATE_REVOCATION_STALE_SECONDS": "2", "WSGATE_REVOCATION_CLOSE_SPREAD_SECONDS": "0"}
    world = world_on(server, tmp_path, **stale)
    upstream = await world.upstream()
    world.route(upstream=upstream)
    world.route("kept", upstream=upstream, onStale="Keep")
    async with (
        world.running(),
        world.connect(token=world.token()) as gone,
        world.connect("/kept", token=world.token()) as kept,
    ):
        server.kill()
        began = time.monotonic()
        await asyncio.wait_for(gone.wait_closed(), 10)
        # Service level R3: stale + spread + 1 s.
        assert time.monotonic() - began < 3
        assert gone.close_code == 1013
        refusal = await world.refusal(token=world.token())
        assert (refusal.status, refusal.reason) == (503, "revocation-stale")
        assert await ready(world.plane) == 200
        assert (await world.metrics())["wsgate_revocation_fenced"] == 1
        async with world.connect("/kept", token=world.token()):
            await kept.send("still here")
            assert await kept.recv() == "still here"
        server.start()
        with server.client() as client:
            Publisher(client).reset()
        await eventually(lambda: bool(world.logged("revocations confirmed again")), "the channel is back")
        async with world.connect(token=world.token()):
            pass
    assert len(world.logged("revocations stale")) == 1


@on_both_loops
async def test_the_closing_of_unconfirmed_sessions_stops_when_a_channel_returns(
    tmp_path: Path, server: ValkeyServer, silent_file: None
) -> None:
    stale = {"WSGATE_REVOCATION_STALE_SECONDS": "2", "WSGATE_REVOCATION_CLOSE_SPREAD_SECONDS": "20"}
    world = world_on(server, tmp_path, **stale)
    world.route(upstream=await world.upstream())
    async with world.running(), AsyncExitStack() as clients:
        for _ in range(40):
            await clients.enter_async_context(world.connect(token=world.token()))
        server.kill()
        await world.ended(2)
        server.start()
        with server.client() as client:
            Publisher(client).reset()
        await eventually(lambda: bool(world.logged("sessions spared")), "the channel is back")
        (spared,) = world.logged("sessions spared")
        await eventually(lambda: len(world.plane.registry) == spared["sessions"], "the others are gone")
        assert spared["sessions"] >= 20
        assert world.plane.registry.cancel_closings(Reason.REVOCATION_STALE) == 0


@on_both_loops
async def test_a_session_that_is_being_opened_when_the_view_grows_stale_is_refused(
    tmp_path: Path, server: ValkeyServer, silent_file: None
) -> None:
    stale = {"WSGATE_REVOCATION_STALE_SECONDS": "2", "WSGATE_REVOCATION_CLOSE_SPREAD_SECONDS": "0"}
    world = world_on(server, tmp_path, **stale)
    dialled, answer = asyncio.Event(), asyncio.Event()

    async def hesitate(connection: Any, request: Any) -> None:
        dialled.set()
        await answer.wait()

    world.route(upstream=await world.upstream(process_request=hesitate))
    async with world.running(), asyncio.TaskGroup() as tasks:
        attempt = tasks.create_task(world.refusal(token=world.token()))
        await dialled.wait()
        server.kill()
        await eventually(lambda: bool(world.logged("revocations stale")), "nothing confirms")
        answer.set()
    assert attempt.result().reason == "revocation-stale"


@on_both_loops
async def test_a_folder_that_hangs_leaves_its_revocations_unconfirmed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stale = {"WSGATE_REVOCATION_STALE_SECONDS": "2", "WSGATE_REVOCATION_CLOSE_SPREAD_SECONDS": "0"}
    world = World(tmp_path, **stale)
    world.route(upstream=await world.upstream())
    async with world.running(), world.connect(token=world.token()) as client:
        folder = HangingFolder(monkeypatch)
        try:
            await asyncio.wait_for(client.wait_closed(), 10)
            assert client.close_code == 1013
            assert (await world.refusal(token=world.token())).reason == "revocation-stale"
        finally:
            folder.may_go.set()
        await eventually(lambda: bool(world.logged("revocations confirmed again")), "it goes on")


def test_a_folder_that_hangs_does_not_keep_the_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(tmp_path)

    async def scenario() -> HangingFolder:
        async with world.running():
            folder = HangingFolder(monkeypatch)
            await eventually(folder.is_inside.is_set, "it looks")
        return folder

    folder = asyncio.run(scenario())
    try:
        assert not folder.is_over.is_set()
    finally:
        folder.may_go.set()


async def first_load(plane: DataPlane, *, is_expected: bool) -> None:
    """Run it until it is ready, or until it has looked everywhere in vain."""
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(plane.run())
        if is_expected:
            await eventually(lambda: plane.public_port != 0, "it is ready")
        else:
            inbox = plane.revocation_inbox
            await eventually(lambda: inbox is not None and inbox.has_looked, "Redis was asked")
            await eventually(lambda: plane.catalogue.version > 0, "the routes are there")
            assert await ready(plane) == 503
        plane.stop.set()


@pytest.mark.parametrize(
    ("has_redis", "has_file", "is_ready"),
    [(True, False, True), (False, True, True), (True, True, True), (False, False, False)],
)
@on_both_loops
async def test_the_first_load_needs_the_routes_and_one_channel_of_revocations(
    tmp_path: Path, server: ValkeyServer, *, has_redis: bool, has_file: bool, is_ready: bool
) -> None:
    config, rendered = tmp_path / "config", tmp_path / "rendered"
    shutil.rmtree(config, ignore_errors=True)
    config.mkdir()
    make_renderer(config, rendered, OperatorSettings(), Settings.load({})).render()
    if not has_file:
        (rendered / "revocations.yaml").unlink()
    if not has_redis:
        server.kill()
    plane = DataPlane(Settings.load({"REDIS_URL": server.url}), rendered / "routes.yaml", LOOPBACK, LOOPBACK)
    await first_load(plane, is_expected=is_ready)


@on_both_loops
async def test_a_confirmation_from_the_future_vouches_for_no_more_than_now(
    tmp_path: Path, silent_file: None
) -> None:
    world = World(tmp_path)
    world.route(upstream=await world.upstream())
    async with world.running():
        path = tmp_path / "rendered" / "revocations.yaml"
        text = path.read_text()
        path.write_text(text.replace("confirmedAt: 1", "confirmedAt: 9"))
        before = world.plane.view.confirmed_at or 0
        await eventually(lambda: (world.plane.view.confirmed_at or 0) > before, "it is read")
        assert (world.plane.view.confirmed_at or 0) <= time.time()
