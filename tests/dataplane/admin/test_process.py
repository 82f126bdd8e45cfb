"""What is asked of the process itself: to drain, to log more or less."""

import logging
from pathlib import Path

import aiohttp
import pytest
from websockets.exceptions import ConnectionClosed

from tests.dataplane.admin.desk import BEARER, TOKEN, a_desk, a_session
from tests.support.loops import on_both_loops
from tests.support.world import World, eventually


async def asked(world: World, path: str, method: str = "GET") -> int:
    """The status that the world's admin listener answers."""
    async with (
        aiohttp.ClientSession(headers=BEARER) as http,
        http.request(method, world.admin_url + path) as response,
    ):
        return response.status


@on_both_loops
async def test_a_drain_is_begun_and_its_length_is_told(tmp_path: Path) -> None:
    begun: list[str] = []

    def drain() -> float:
        begun.append("drain")
        return 6 * 0.8

    async with a_desk(tmp_path, drain=drain) as desk:
        a_session(desk.parts.registry)
        answer = await desk.ask("/admin/drain", "POST")
        assert (answer.status, answer.body) == (202, {"pod": "pod-1", "sessions": 1, "withinSeconds": 4.8})
        assert begun == ["drain"]
        assert desk.logged("admin action")[0]["sessions"] == 1
        assert (await desk.ask("/admin/drain")).status == 405


@on_both_loops
async def test_a_drained_gateway_is_unready_and_stays_to_be_asked(tmp_path: Path) -> None:
    world = World(tmp_path, WSGATE_ADMIN_TOKEN=TOKEN, GRACEFUL_DRAIN_TIMEOUT_SECONDS="1")
    world.route(upstream=await world.upstream())
    async with world.running():
        client = await world.connect(token=world.token())
        for _ in range(2):
            assert await asked(world, "/admin/drain", "POST") == 202
        with pytest.raises(ConnectionClosed):
            await client.recv()
        assert (client.close_code, client.close_reason) == (1012, "service restart")
        await eventually(lambda: not len(world.plane.registry), "the session is gone")
        assert (await world.refusal(token=world.token())).reason == "draining"
        assert await asked(world, "/readyz") == 503
        assert await asked(world, "/admin/sessions") == 200
    assert len(world.logged("draining")) == 1


@on_both_loops
async def test_the_log_level_is_set_and_admin_actions_are_told_at_any(tmp_path: Path) -> None:
    logger = logging.getLogger("wsgate")
    async with a_desk(tmp_path) as desk:
        answer = await desk.ask("/admin/log-level", "PUT", json={"level": "error"})
        assert (answer.status, answer.body) == (200, {"pod": "pod-1", "level": "error"})
        assert logger.level == logging.ERROR
        assert (await desk.ask("/admin/log-level", "PUT", json={"level": "debug"})).status == 200
        assert logger.level == logging.DEBUG
        assert [line["level"] for line in desk.logged("admin action")] == ["error", "debug"]


@on_both_loops
async def test_an_unknown_level_is_refused_with_the_known_ones(tmp_path: Path) -> None:
    async with a_desk(tmp_path) as desk:
        before = logging.getLogger("wsgate").level
        for body in ({"level": "loud"}, {}, {"level": "info", "for": "1h"}):
            answer = await desk.ask("/admin/log-level", "PUT", json=body)
            assert (answer.status, answer.body["reason"]) == (400, "body-invalid")
            assert "debug, info, warning and error" in answer.body["detail"]
        assert logging.getLogger("wsgate").level == before
