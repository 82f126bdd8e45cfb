"""Whoever sends bad tokens again and again is not listened to for a while, and nobody else is hurt."""

from pathlib import Path

from tests.support.loops import on_both_loops
from tests.support.world import World


def behind(address: str) -> dict[str, str]:
    """What a trusted proxy says of its client."""
    return {"X-Forwarded-For": address}


@on_both_loops
async def test_a_source_of_bad_tokens_is_answered_429_and_another_is_served(tmp_path: Path) -> None:
    world = World(tmp_path, WSGATE_TRUSTED_PROXIES="127.0.0.0/8", WSGATE_FAILURES_PER_MINUTE="3")
    world.route(upstream=await world.upstream())
    world.route("open", upstream=await world.upstream(), auth={"mode": "Anonymous", "providers": []})
    guesser, other = behind("192.0.2.1"), behind("192.0.2.2")
    async with world.running():
        for _ in range(3):
            assert (await world.refusal(token="bad", headers=guesser)).status == 401
        refusal = await world.refusal(token=world.token(), headers=guesser)
        assert (refusal.status, refusal.reason) == (429, "too-many-failures")
        assert 0 < int(refusal.headers["Retry-After"]) <= 60
        async with world.connect(token=world.token(), headers=other), world.connect("/open", headers=guesser):
            pass
    assert world.logged("refused")[-1]["detail"].startswith("from 192.0.2.1; wait ")


@on_both_loops
async def test_without_a_word_on_proxies_nobody_is_locked_out(tmp_path: Path) -> None:
    world = World(tmp_path, WSGATE_FAILURES_PER_MINUTE="3")
    world.route(upstream=await world.upstream())
    async with world.running():
        for _ in range(5):
            assert (await world.refusal(token="bad")).status == 401
        async with world.connect(token=world.token()):
            pass
