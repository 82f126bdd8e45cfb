"""The upstream learns who the client is from the gateway alone."""

from pathlib import Path

from tests.support.loops import on_both_loops
from tests.support.world import World

FORWARD = {
    "claimToHeaders": [{"claim": "sub", "header": "X-User-Id"}, {"claim": "email", "header": "X-Email"}],
    "requestHeaders": ["X-Trace", "X-User-Id", "X-User-Roles"],
}
FORGED = {"X-User-Id": "root", "x-user-roles": "admin", "X_User_Roles": "admin", "X-Email": "root@example.com"}


@on_both_loops
async def test_roles_and_claims_are_sent_and_a_clients_own_are_not(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.route(upstream=await world.upstream(), auth={"forward": FORWARD})
    token = world.token("alice", realm_access={"roles": ["driver", "x,admin"]}, groups=["/robots"])
    async with world.running():
        async with world.connect(token=token, headers={**FORGED, "X-Trace": "t-1"}):
            pass
        sent = world.requests[-1].headers
        assert sent.get_all("X-User-Roles") == ["driver,/robots"]
        assert sent.get_all("X-User-Id") == ["alice"]
        assert sent.get_all("X-Trace") == ["t-1"]
        assert "X-Email" not in sent and "X_User_Roles" not in sent
        assert (await world.metrics())["wsgate_roles_left_out_total"] == 1


@on_both_loops
async def test_without_a_token_nobody_has_roles(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.route(upstream=await world.upstream(), auth={"mode": "Anonymous", "providers": []})
    async with world.running(), world.connect(headers=FORGED):
        assert not {"x-user-roles", "x-user-id", "x-email"} & {name.lower() for name in world.requests[-1].headers}
