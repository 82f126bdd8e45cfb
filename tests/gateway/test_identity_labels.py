"""Who has had a good token is told by the metrics only where that was asked for."""

from pathlib import Path

from tests.support.loops import on_both_loops
from tests.support.world import World


@on_both_loops
async def test_identities_are_labels_up_to_the_limit_that_is_set(tmp_path: Path) -> None:
    world = World(tmp_path, WSGATE_METRICS_IDENTITY_LABELS_MAX="1")
    world.route(upstream=await world.upstream())
    async with world.running():
        for subject in ("alice", "bob"):
            async with world.connect(token=world.token(subject, preferred_username=f"{subject}@example.com")):
                pass
        metrics = await world.metrics()
    found = {name: value for name, value in metrics.items() if name.startswith("ws_auth_success_total")}
    assert found == {
        'ws_auth_success_total{preferred_username="alice@example.com",sub="alice"}': 1,
        'ws_auth_success_total{preferred_username="",sub="other"}': 1,
    }


@on_both_loops
async def test_by_default_no_metric_says_who_came(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.route(upstream=await world.upstream())
    async with world.running():
        async with world.connect(token=world.token("alice", preferred_username="al")):
            pass
        metrics = await world.metrics()
    assert metrics["ws_auth_success_total"] == 1
    assert not any("alice" in name for name in metrics)
