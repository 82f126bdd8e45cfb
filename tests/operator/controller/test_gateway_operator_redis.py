"""The whole operator with a Redis that comes and goes: no revocation is lost, no status flutters."""

import asyncio
import time
from functools import partial
from pathlib import Path

import pytest

from tests.operator.controller.cluster import Cluster
from tests.operator.controller.life import Life, operating, play, quicken
from tests.operator.sinks.revocation_log.house import KEYS, ask, event, head, live_set, push, waiting
from tests.support.valkey import ValkeyServer, valkey
from tests.support.world import eventually
from wsgate_contract.revocation_log import PodLease, member_of, record_of_member
from wsgate_operator.controller import second_channel
from wsgate_operator.controller.log_channel import LogChannel
from wsgate_operator.sinks.pods import PodsSink

FAR = int(time.time()) + 3600


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    quicken(monkeypatch)


def logged_ids(server: ValkeyServer) -> list[str]:
    """What pods would read in Redis."""
    return sorted(record_of_member(member).id for member in live_set(server))


async def logs(server: ValkeyServer, *ids: str) -> None:
    await eventually(lambda: logged_ids(server) == sorted(ids), f"the log holds {ids}")


def lease(server: ValkeyServer, pod: str, version: int = 1_000) -> None:
    """What a pod says that has everything there is now."""
    text = PodLease(log_cursor=head(server)[0], routes_version=version).model_dump_json()
    with server.client() as client:
        client.set(KEYS.pod(pod), text, ex=15)


def confirmed_at(cluster: Cluster) -> float:
    document = cluster.rendered("revocations")
    return (document and document.confirmed_at) or 0.0


async def alone(life: Life) -> None:
    await eventually(lambda: life.metric("redis_up") == 0, "Redis is known to be away")


def test_without_redis_the_second_channel_is_written_at_once_and_confirmed_again_and_again(tmp_path: Path) -> None:
    async def scenario(cluster: Cluster) -> None:
        await cluster.pods("pod-0")
        async with operating(cluster, tmp_path, WSGATE_REVOCATION_CONFIRM_SECONDS="1") as life:
            await life.ready()
            for name in ("alice", "bob"):
                began = time.monotonic()
                await cluster.revoke(name)
                await eventually(partial(is_revoked, cluster, f"default/{name}"), "it is revoked")
                assert time.monotonic() - began < 2.0
                assert abs(confirmed_at(cluster) - time.time()) < 2.0
            for _ in range(2):
                before, mark = confirmed_at(cluster), cluster.mark("pod-0")
                await eventually(partial(is_newer, cluster, before), "it is confirmed again", 2.5)
                await eventually(partial(is_other, cluster, mark), "the pod is told")
            assert life.metric("redis_up") is None

    play(scenario)


def is_revoked(cluster: Cluster, id_: str) -> bool:
    return id_ in (cluster.revoked() or ())


def is_newer(cluster: Cluster, before: float) -> bool:
    return confirmed_at(cluster) > before


def is_other(cluster: Cluster, mark: str) -> bool:
    return cluster.mark("pod-0") != mark


def test_a_redis_that_is_away_at_the_start_gets_everything_when_it_comes(tmp_path: Path) -> None:
    async def scenario(cluster: Cluster) -> None:
        server = ValkeyServer(tmp_path)
        await cluster.revoke()
        async with operating(cluster, tmp_path, server.url, WSGATE_REVOCATION_CONFIRM_SECONDS="1") as life:
            await life.ready()
            await life.revokes("default/alice")
            before = confirmed_at(cluster)
            await eventually(partial(is_newer, cluster, before), "it is confirmed again")
            server.start()
            try:
                await logs(server, "default/alice")
                await eventually(lambda: life.metric("redis_up") == 1, "Redis is known to be up")
                before = cluster.calls["update configmaps"]
                await asyncio.sleep(2.0)  # twice the pause between confirmations
                assert cluster.calls["update configmaps"] - before <= 1
                faults = [line for line in life.messages() if line.startswith("revocation-log-fault")]
                assert faults == ["revocation-log-fault", "revocation-log-fault: over"]
            finally:
                server.kill()

    play(scenario)


def test_the_configmap_confirms_for_a_running_pod_that_redis_does_not_hear_from(tmp_path: Path) -> None:
    async def scenario(cluster: Cluster) -> None:
        with valkey(tmp_path) as server:
            await cluster.pods("pod-0")
            async with operating(cluster, tmp_path, server.url, WSGATE_REVOCATION_CONFIRM_SECONDS="1") as life:
                await logs(server)
                await eventually(lambda: life.metric("redis_up") == 1, "Redis is up")
                before = confirmed_at(cluster)
                await eventually(partial(is_newer, cluster, before), "it is confirmed although Redis is up")
                lease(server, "pod-0")
                await eventually(lambda: life.metric("live_pods") == 1, "the lease is seen")
                before = cluster.calls["update configmaps"]
                await asyncio.sleep(2.0)  # twice the pause between confirmations
                assert cluster.calls["update configmaps"] - before <= 1

    play(scenario)


@pytest.mark.parametrize("how", ["killed", "flushed", "replaced"])
def test_what_redis_loses_is_written_anew_events_included(tmp_path: Path, how: str) -> None:
    kicked = event("kicked", FAR)

    async def scenario(cluster: Cluster) -> None:
        with valkey(tmp_path) as server:
            await cluster.revoke()
            async with operating(cluster, tmp_path, server.url) as life:
                await logs(server, "default/alice")
                push(server, member_of(kicked))
                await logs(server, "default/alice", "event:kicked")
                assert waiting(server) == []
                if how == "flushed":
                    ask(server, "FLUSHALL")
                else:
                    server.kill()
                    if how == "replaced":
                        await alone(life)
                        await cluster.revoke("bob")
                        await eventually(partial(is_revoked, cluster, "default/bob"), "the second channel has it")
                    server.start()
                more = ["default/bob"] if how == "replaced" else []
                await logs(server, "default/alice", "event:kicked", *more)
                await eventually(lambda: life.metric("redis_rewritten_total", why="there is none") is not None, "")

    play(scenario)


def test_events_of_pods_survive_an_operator_restart_with_a_flushed_redis(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(second_channel, "FOLD_SECONDS", 0.5)

    async def scenario(cluster: Cluster) -> None:
        with valkey(tmp_path) as server:
            async with operating(cluster, tmp_path, server.url) as life:
                await life.ready()
                push(server, member_of(event("kicked", FAR)))
                await life.revokes("event:kicked")
            ask(server, "FLUSHALL")
            async with operating(cluster, tmp_path, server.url):
                await logs(server, "event:kicked")
        # Nor does a life without Redis lift it.
        async with operating(cluster, tmp_path) as life:
            await life.ready()
            await cluster.revoke()
            await life.revokes("default/alice", "event:kicked")

    play(scenario)


def test_a_frozen_redis_holds_up_no_revocation_for_long(tmp_path: Path) -> None:
    async def scenario(cluster: Cluster) -> None:
        with valkey(tmp_path) as server:
            async with operating(cluster, tmp_path, server.url) as life:
                await life.ready()
                await eventually(lambda: life.metric("redis_up") == 1, "Redis is known to be up")
                server.freeze()
                try:
                    await alone(life)
                    began = time.monotonic()
                    await cluster.revoke()
                    await eventually(partial(is_revoked, cluster, "default/alice"), "it is revoked", 2.0)
                    assert time.monotonic() - began < 2.0
                finally:
                    server.thaw()
                await logs(server, "default/alice")
                assert life.messages().count("revocation-log-fault") == 1

    play(scenario)


@pytest.mark.parametrize("on_eviction", ["Refuse", "Warn"])
def test_a_redis_that_may_evict_is_refused_or_only_told(tmp_path: Path, on_eviction: str) -> None:
    async def scenario(cluster: Cluster) -> None:
        with valkey(tmp_path, ("--maxmemory", "64mb", "--maxmemory-policy", "allkeys-lru")) as server:
            await cluster.revoke()
            async with operating(cluster, tmp_path, server.url, WSGATE_REDIS_EVICTION=on_eviction) as life:
                await life.revokes("default/alice")
                if on_eviction == "Warn":
                    await logs(server, "default/alice")
                    (fields,) = life.fields("redis-may-evict")
                    assert life.metric("redis_up") == 1
                else:
                    await eventually(lambda: bool(life.fields("revocation-log-fault")), "it is told")
                    await life.ready()
                    (fields,) = life.fields("revocation-log-fault")
                    assert logged_ids(server) == []
                    ask(server, "CONFIG", "SET", "maxmemory-policy", "noeviction")
                    await logs(server, "default/alice")
                assert "allkeys-lru" in fields["detail"] and "WSGATE_REDIS_EVICTION=Warn" in fields["detail"]

    play(scenario)


def test_while_redis_carries_them_the_configmap_is_written_seldom(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Ten seconds in a cluster.
    monkeypatch.setattr(second_channel, "FOLD_SECONDS", 1.0)

    async def scenario(cluster: Cluster) -> None:
        with valkey(tmp_path) as server:
            async with operating(cluster, tmp_path, server.url) as life:
                await life.ready()
                await life.revokes()
                before, began = cluster.calls["update configmaps"], time.monotonic()
                for number in range(50):
                    await cluster.revoke(f"u{number:02}")
                    await eventually(partial(is_logged, server, f"default/u{number:02}"), "Redis has it at once")
                await life.revokes(*(f"default/u{number:02}" for number in range(50)))
                assert cluster.calls["update configmaps"] - before <= 2 + (time.monotonic() - began)

    play(scenario)


def is_logged(server: ValkeyServer, id_: str) -> bool:
    return id_ in logged_ids(server)


def test_statuses_say_who_has_it_and_rest_once_all_have(tmp_path: Path) -> None:
    async def scenario(cluster: Cluster) -> None:
        with valkey(tmp_path) as server:
            await cluster.pods("pod-0", "pod-1")
            await cluster.route()
            await cluster.revoke()
            async with operating(cluster, tmp_path, server.url) as life:
                await life.says("WsRoute", "chat", "Ready", "False", "NoPods")
                await life.says("TokenRevocation", "alice", "Published", "True", "Published")
                lease(server, "pod-0", version=1)
                lease(server, "pod-1", version=0)
                message = await life.says("WsRoute", "chat", "Ready", "False", "Acknowledging")
                assert message == "1 of 2 pods serve it"
                await eventually(partial(acknowledges, cluster, 2, 2), "both pods have the revocation")
                lease(server, "pod-1", version=1)
                await life.says("WsRoute", "chat", "Ready", "True", "Ready")
                before = statuses(cluster)
                ask(server, "DEL", KEYS.pod("pod-0"))
                await eventually(lambda: life.metric("live_pods") == 1, "the lost lease is seen")
                looks = cluster.calls["get configmaps"]
                await eventually(lambda: cluster.calls["get configmaps"] > looks + 4, "time has passed")
                assert statuses(cluster) == before
            async with operating(cluster, tmp_path, server.url) as life:
                await eventually(lambda: life.metric("live_pods") == 1, "the leases are read")
                await cluster.route("late")
                await life.says("WsRoute", "late", "Programmed", "True", "Programmed")
            assert statuses(cluster) - before <= 3, "a restart writes no status anew, only the late one's"
            assert acknowledges(cluster, 2, 2)

    play(scenario)


def acknowledges(cluster: Cluster, pods: int, acknowledged: int) -> bool:
    status = cluster.status("TokenRevocation", "alice")
    return (status.get("pods"), status.get("acknowledgedPods")) == (pods, acknowledged)


def statuses(cluster: Cluster) -> int:
    return cluster.calls["patch wsroutes/status"] + cluster.calls["patch tokenrevocations/status"]


@pytest.mark.parametrize("pods", [0, 2])
def test_a_redis_that_blinks_rewrites_no_status_of_200_routes(tmp_path: Path, pods: int) -> None:
    async def scenario(cluster: Cluster) -> None:
        with valkey(tmp_path) as server:
            for number in range(200):
                await cluster.route(f"r{number:03}")
            for number in range(20):
                await cluster.revoke(f"u{number:02}")
            await cluster.pods(*(f"pod-{number}" for number in range(pods)))
            async with operating(cluster, tmp_path, server.url) as life:
                await life.says("TokenRevocation", "u19", "Published", "True", "Published")
                for number in range(pods):
                    lease(server, f"pod-{number}")
                await life.says("WsRoute", "r199", "Ready", *(("True", "Ready") if pods else ("False", "NoPods")))
                await eventually(partial(rests, cluster, []), "all statuses are written")
                before = statuses(cluster)
                server.kill()
                await alone(life)
                await cluster.route("late")
                await life.says("WsRoute", "late", "Programmed", "True", "Programmed")
                server.start()
                await eventually(lambda: life.metric("redis_up") == 1, "Redis is back")
                for number in range(pods):
                    lease(server, f"pod-{number}")
                await eventually(partial(rests, cluster, []), "all statuses are written")
                assert statuses(cluster) - before <= 4

    play(scenario)


def rests(cluster: Cluster, seen: list[int]) -> bool:
    """Whether no status was written over the last half second of asking."""
    seen.append(statuses(cluster))
    return len(seen) > 50 and len(set(seen[-50:])) == 1


@pytest.mark.parametrize(("task", "step"), [("log", (LogChannel, "look")), ("pods", (PodsSink, "list"))])
def test_a_defect_in_what_looks_after_redis_ends_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, task: str, step: tuple[object, str]
) -> None:
    async def explode(*_: object) -> None:
        raise ValueError("a defect")

    async def scenario(cluster: Cluster) -> None:
        await cluster.pods("pod-0")
        await cluster.revoke()
        with valkey(tmp_path) as server, monkeypatch.context() as patch:
            patch.setattr(*step, explode)
            async with operating(cluster, tmp_path, redis_url=server.url) as life:
                await eventually(lambda: (life.metric("defects_total", task=task) or 0) >= 2, "it is tried again")
                patch.undo()
                await logs(server, "default/alice")
                lease(server, "pod-0")
                await life.says("TokenRevocation", "alice", "Published", "True", "Published")
                await eventually(lambda: life.metric("live_pods") == 1, "the pod is known")

    play(scenario)


def test_a_lease_with_an_endless_cursor_is_no_lease_and_ends_nothing(tmp_path: Path) -> None:
    async def scenario(cluster: Cluster) -> None:
        await cluster.pods("pod-0", "pod-1")
        with valkey(tmp_path) as server, server.client() as client:
            client.set(KEYS.pod("pod-0"), f'{{"logCursor":"{"9" * 5_000}-1","routesVersion":1}}')
            async with operating(cluster, tmp_path, redis_url=server.url) as life:
                await cluster.revoke()
                await logs(server, "default/alice")
                lease(server, "pod-1")
                await life.says("TokenRevocation", "alice", "Published", "True", "Published")
                await eventually(lambda: life.metric("live_pods") == 1, "one pod holds a lease")
                assert life.fields("pass-failed") == []

    play(scenario)
