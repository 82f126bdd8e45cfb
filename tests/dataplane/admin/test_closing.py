"""One session is closed by its uid, and no other."""

from pathlib import Path

import pytest

from tests.dataplane.admin.desk import a_desk, a_session
from tests.support.loops import on_both_loops
from tests.support.world import World
from wsgate_dataplane.admin.closing import CLOSE_REASON
from wsgate_dataplane.session.lifecycle import Phase


@on_both_loops
async def test_the_named_session_ends_and_the_others_go_on(tmp_path: Path) -> None:
    async with a_desk(tmp_path) as desk:
        named, other = a_session(desk.parts.registry), a_session(desk.parts.registry)
        answer = await desk.ask(f"/admin/sessions/{named.uid}/close", "POST")
        assert (answer.status, answer.body) == (202, {"uid": named.uid})
        assert named.life.refusal is CLOSE_REASON
        assert other.life.phase is Phase.PENDING
        (audit,) = desk.logged("admin action")
        assert audit["session"] == named.uid
        assert audit["session_request_id"] == "r-1"


@on_both_loops
async def test_closing_twice_is_harmless(tmp_path: Path) -> None:
    async with a_desk(tmp_path) as desk:
        session = a_session(desk.parts.registry)
        for _ in range(2):
            answer = await desk.ask(f"/admin/sessions/{session.uid}/close", "POST")
            assert answer.status == 202


@pytest.mark.parametrize("uid", ["2", "0", "-1", "01", "1.0", "x", "%00", "1%2F", "9" * 400])
@on_both_loops
async def test_an_unknown_session_is_answered_404_with_where_to_look(tmp_path: Path, uid: str) -> None:
    async with a_desk(tmp_path) as desk:
        session = a_session(desk.parts.registry)
        answer = await desk.ask(f"/admin/sessions/{uid}/close", "POST")
        assert (answer.status, answer.body["reason"]) == (404, "session-not-found")
        assert "GET /admin/sessions" in answer.body["detail"]
        assert session.life.phase is Phase.PENDING


@on_both_loops
async def test_the_client_of_a_closed_session_is_told_to_reconnect(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.route(upstream=await world.upstream())
    async with (
        world.running(),
        world.connect(token=world.token()) as client,
        a_desk(tmp_path, registry=world.plane.registry) as desk,
    ):
        (session,) = world.plane.registry
        assert (await desk.ask(f"/admin/sessions/{session.uid}/close", "POST")).status == 202
        await client.wait_closed()
        assert (client.close_code, client.close_reason) == (1012, "service restart")
        (ended,) = await world.ended()
        assert ended["detail"] == "closed by the admin API"
