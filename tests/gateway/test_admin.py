"""The admin API of a whole gateway: what it revokes is gone, what was refused can be looked up."""

from pathlib import Path
from typing import Any

import aiohttp
import pytest
from websockets.exceptions import ConnectionClosedError

from tests.support.loops import on_both_loops
from tests.support.world import World

TOKEN = "an admin token of these tests"


async def call(world: World, method: str, path: str, body: object = None, token: str = TOKEN) -> tuple[int, Any]:
    """Status and document of an admin call."""
    headers = {"Authorization": f"Bearer {token}"}
    url = f"{world.admin_url}{path}"
    async with (
        aiohttp.ClientSession(headers=headers) as http,
        http.request(method, url, json=body) as response,
    ):
        return response.status, await response.json(content_type=None)


@on_both_loops
async def test_a_token_that_is_revoked_by_the_admin_api_is_gone_and_stays_out(tmp_path: Path) -> None:
    world = World(tmp_path, WSGATE_ADMIN_TOKEN=TOKEN)
    world.route(upstream=await world.upstream())
    stolen, other = world.token(jti="stolen"), world.token(jti="other")
    async with world.running(), world.connect(token=stolen) as session, world.connect(token=other) as bystander:
        status, answer = await call(world, "POST", "/admin/revoke", {"sub": "alice", "jti": "stolen"})
        assert (status, answer["closed"]) == (202, 1)
        with pytest.raises(ConnectionClosedError) as closed:
            await session.recv()
        assert closed.value.rcvd is not None
        assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (1008, "token revoked")
        assert (await world.refusal(token=stolen)).reason == "token-revoked"
        await bystander.send("still here")
        assert await bystander.recv() == "still here"


@on_both_loops
async def test_what_the_admin_api_revoked_survives_a_restart(tmp_path: Path) -> None:
    for number in range(2):
        (tmp_path / str(number)).mkdir()
    state = tmp_path / "state"
    world = World(tmp_path / "0", WSGATE_ADMIN_TOKEN=TOKEN)
    stolen = world.token(jti="stolen")
    world.route(upstream=await world.upstream())
    async with world.running(state):
        assert (await call(world, "POST", "/admin/revoke", {"sub": "alice", "jti": "stolen"}))[0] == 202
    again = World(tmp_path / "1", WSGATE_ADMIN_TOKEN=TOKEN)
    again.route(upstream=await again.upstream())
    async with again.running(state):
        assert (await again.refusal(token=stolen)).reason == "token-revoked"


@on_both_loops
async def test_why_a_client_was_refused_can_be_asked_later(tmp_path: Path) -> None:
    world = World(tmp_path, WSGATE_ADMIN_TOKEN=TOKEN)
    world.route(upstream=await world.upstream())
    async with world.running():
        refusal = await world.refusal(token=world.token("bob", lifetime=-3600))
        request_id = refusal.headers["X-Request-Id"]
        status, answer = await call(world, "GET", f"/admin/refusals?requestID={request_id}")
        assert status == 200
        (found,) = answer["items"]
        assert (found["reason"], found["sub"], found["status"]) == ("token-expired", "bob", 401)
        assert found["advice"]
        assert "exp" in found["detail"]


@on_both_loops
async def test_a_session_is_listed_and_closed_by_its_uid(tmp_path: Path) -> None:
    world = World(tmp_path, WSGATE_ADMIN_TOKEN=TOKEN)
    world.route(upstream=await world.upstream())
    async with world.running(), world.connect(token=world.token("carol")) as session:
        _, listed = await call(world, "GET", "/admin/sessions?sub=carol")
        (found,) = listed["items"]
        assert found["route"] == "default/echo"
        assert (await call(world, "POST", f"/admin/sessions/{found['uid']}/close"))[0] == 202
        with pytest.raises(ConnectionClosedError) as closed:
            await session.recv()
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1012


@on_both_loops
async def test_without_a_configured_token_the_answer_names_the_setting(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.route(upstream=await world.upstream())
    async with world.running():
        status, problem = await call(world, "POST", "/admin/revoke", {"sub": "alice"})
        assert status == 403
        assert "WSGATE_ADMIN_TOKEN_FILE" in str(problem)
