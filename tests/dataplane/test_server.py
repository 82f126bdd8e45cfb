"""Start and end of a data plane."""

import asyncio
from pathlib import Path

import aiohttp
import pytest

from tests.support.loops import on_both_loops
from tests.support.world import LOOPBACK, World, eventually
from wsgate_cli.standalone import make_renderer
from wsgate_dataplane.server import Address, DataPlane
from wsgate_dataplane.settings import Settings
from wsgate_operator.settings import OperatorSettings


@pytest.mark.parametrize(
    ("text", "address"),
    [
        (":8080", Address(None, 8080)),
        ("127.0.0.1:0", Address("127.0.0.1", 0)),
        ("[::1]:9090", Address("::1", 9090)),
    ],
)
def test_an_address_is_host_and_port(text: str, address: Address) -> None:
    assert Address.parse(text) == address


@pytest.mark.parametrize("text", ["8080", "host:", "host:http", "host:99999", ""])
def test_anything_else_is_refused_with_the_form_that_is_expected(text: str) -> None:
    with pytest.raises(ValueError, match="expected HOST:PORT"):
        Address.parse(text)


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
