"""A route holds so many sessions, and one subject no more than its share."""

from pathlib import Path

from tests.support.loops import on_both_loops
from tests.support.world import World, eventually


@on_both_loops
async def test_a_full_route_refuses_and_another_is_served(tmp_path: Path) -> None:
    world = World(tmp_path)
    upstream = await world.upstream()
    world.route(upstream=upstream, limits={"maxConnections": 2})
    world.route("other", upstream=upstream)
    async with world.running():
        first = await world.connect(token=world.token("alice"))
        async with world.connect(token=world.token("bob")):
            refusal = await world.refusal(token=world.token("carol"))
            assert (refusal.status, refusal.reason) == (503, "route-full")
            assert int(refusal.headers["Retry-After"]) >= 1
            async with world.connect("/other", token=world.token("carol")):
                pass
            await first.close()
            await eventually(lambda: len(world.plane.registry) == 1, "there is room")
            async with world.connect(token=world.token("carol")):
                pass


@on_both_loops
async def test_a_subject_has_its_share_of_a_route_and_others_theirs(tmp_path: Path) -> None:
    world = World(tmp_path)
    upstream = await world.upstream()
    world.route(upstream=upstream, limits={"maxConnectionsPerSubject": 1})
    world.route("other", upstream=upstream)
    async with world.running(), world.connect(token=world.token("alice")):
        refusal = await world.refusal(token=world.token("alice"))
        assert (refusal.status, refusal.reason) == (429, "subject-full")
        async with (
            world.connect(token=world.token("bob")),
            world.connect("/other", token=world.token("alice")),
        ):
            pass
    assert "alice" not in world.logged("refused")[0]["detail"]


@on_both_loops
async def test_a_handshake_that_fails_gives_its_place_back(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.route(upstream="ws://127.0.0.1:1", limits={"maxConnections": 1, "maxConnectionsPerSubject": 1})
    async with world.running():
        for _ in range(3):
            assert (await world.refusal(token=world.token())).reason == "upstream-unreachable"
