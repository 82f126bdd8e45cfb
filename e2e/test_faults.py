"""What fails, and what stays true meanwhile."""

import asyncio
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from websockets.asyncio.client import ClientConnection

from e2e.client import asynchronous, closed, echoes, eventually, open_session, opens, refusal
from e2e.cluster import Cluster
from e2e.daemon import wait_until
from e2e.gateway import Gateway
from e2e.objects import tokenrevocation
from e2e.processes import NAMESPACE, Operator, Plane
from e2e.services import Services
from e2e.tenants import Tenant

STRICT = Path(__file__).parent.parent / "manifests/components/strict"
KEYS = ("{wsgate}:revocations", "{wsgate}:revocation-log")
RESTORE_SECONDS = 10.0
"""R6."""
SECOND_CHANNEL_SECONDS = 20.0
"""Revocations take about 15 s by the ConfigMap, with a kubelet that is told."""
IDLE_SECONDS = 10.0
IDLE_REQUESTS_MAX = 10
DENIED_REQUESTS_MAX = 40


@pytest.fixture
def gateway(cluster: Cluster, services: Services, tmp_path: Path) -> Iterator[Gateway]:
    """A new one for each test of this module."""
    with Gateway(cluster, services, tmp_path) as gateway:
        yield gateway


@pytest.fixture
def banned(gateway: Gateway, tenant: Tenant) -> str:
    """A token that a TokenRevocation of the tenant bans, on a served route."""
    return ban(gateway, tenant)


def ban(gateway: Gateway, tenant: Tenant, subject: str = "mallory") -> str:
    """Serve /echo and ban a subject; a token of that subject."""
    gateway.route(tenant.namespace)
    gateway.revoke(tenant.namespace, subject, subject=subject)
    return gateway.services.token(subject)


async def is_refused(gateway: Gateway, tenant: Tenant, token: str) -> bool:
    """Whether every pod refuses the token as revoked; fails where one admits it."""
    answers = [await refusal(plane, tenant.host, "/echo", token) for plane in gateway.planes]
    return all(answer.reason == "token-revoked" for answer in answers)


async def session(plane: Plane, tenant: Tenant, token: str, path: str = "/echo") -> ClientConnection:
    """An open session of the tenant."""
    return await open_session(plane, tenant.host, path, token)


@asynchronous
async def test_objects_deleted_while_the_operator_was_away_are_gone(gateway: Gateway, tenant: Tenant) -> None:
    token = ban(gateway, tenant)
    gateway.route(tenant.namespace, "gone")
    gateway.operator.kill()
    assert await is_refused(gateway, tenant, token)
    tenant.kubectl("delete", "wsroute/gone", "tokenrevocation/mallory", "-n", tenant.namespace)
    gateway.operator.start()
    gateway.operator.wait_ready()

    async def is_gone() -> bool:
        return all([(await refusal(plane, tenant.host, "/gone")).status == 404 for plane in gateway.planes])

    async def is_lifted() -> bool:
        return all([await opens(plane, tenant.host, "/echo", token) for plane in gateway.planes])

    await eventually(is_gone, "the route is gone")
    # Each channel in its own time: the ban holds for as long as one says so.
    await eventually(is_lifted, "the ban is lifted", 15)


@asynchronous
async def test_without_the_operator_pods_serve_and_revoke_by_the_admin_api(
    gateway: Gateway, tenant: Tenant, banned: str
) -> None:
    gateway.operator.kill()
    token = gateway.services.token("alice", jti="a-1")
    clients = [await session(plane, tenant, token) for plane in gateway.planes]
    status, _ = gateway.planes[0].admin("/admin/revoke", {"sub": "alice", "jti": "a-1"})
    assert status == 202
    for client in clients:
        assert (await closed(client, 1)).code == 1008
    gateway.operator.start()
    gateway.operator.wait_ready()
    assert await is_refused(gateway, tenant, banned)
    assert await is_refused(gateway, tenant, token)


@asynchronous
async def test_a_revocation_arrives_by_the_config_map_while_redis_is_dead(
    gateway: Gateway, tenant: Tenant, banned: str
) -> None:
    gateway.redis.server.kill()
    bystander = await session(gateway.planes[0], tenant, gateway.services.token("alice"))
    victims = [await session(plane, tenant, gateway.services.token("bob")) for plane in gateway.planes]
    tenant.kubectl.apply(tokenrevocation(tenant.namespace, "bob", subject="bob"))
    for client in victims:
        assert (await closed(client, SECOND_CHANNEL_SECONDS)).code == 1008
    assert await is_refused(gateway, tenant, banned)
    assert all(plane.is_ready() for plane in gateway.planes)
    gateway.redis.server.start()
    wait_until(lambda: has_log(gateway, 2), "the log is written anew", RESTORE_SECONDS)
    assert await is_refused(gateway, tenant, banned)
    assert await echoes(bystander)


def has_log(gateway: Gateway, records: int) -> bool:
    """Whether set and log stand in Redis, with that many records beside the epoch."""
    with gateway.redis.client() as redis:
        return bool(redis.zcard(KEYS[0]) == records + 1 and redis.xlen(KEYS[1]) > 0)


@pytest.mark.parametrize("loss", ["flushed", "replaced", "set", "log"])
@asynchronous
async def test_a_redis_that_lost_its_memory_is_restored_and_nobody_slips_in(
    gateway: Gateway, tenant: Tenant, banned: str, loss: str
) -> None:
    bystander = await session(gateway.planes[0], tenant, gateway.services.token("alice"))
    lose(gateway, loss)
    deadline = time.monotonic() + RESTORE_SECONDS
    while not has_log(gateway, 1):
        assert await is_refused(gateway, tenant, banned)
        assert time.monotonic() < deadline, "the log was not restored"
    assert await is_refused(gateway, tenant, banned)
    assert await echoes(bystander)
    tenant.kubectl.apply(tokenrevocation(tenant.namespace, "alice", subject="alice"))
    assert (await closed(bystander, 2)).code == 1008


def lose(gateway: Gateway, what: str) -> None:
    """Damage Redis."""
    if what == "replaced":
        gateway.redis.server.kill()
        gateway.redis.server.start()
        return
    with gateway.redis.client() as redis:
        match what:
            case "flushed":
                redis.flushall()
            case "set":
                redis.delete(KEYS[0])
            case "log":
                redis.delete(KEYS[1])


@asynchronous
async def test_an_admin_revocation_outlives_a_flushed_redis_and_a_new_operator(
    gateway: Gateway, tenant: Tenant
) -> None:
    gateway.route(tenant.namespace)
    token = gateway.services.token("alice", jti="a-1")
    gateway.planes[0].admin("/admin/revoke", {"sub": "alice", "jti": "a-1"})

    def is_in_config_map() -> bool:
        return "a-1" in (gateway.config_map("wsgate-revocations") or {}).get("revocations.yaml", "")

    wait_until(is_in_config_map, "the event is folded into the ConfigMap", 15)
    gateway.operator.kill()
    lose(gateway, "flushed")
    for plane in gateway.planes:
        # A pod that starts now knows only what the ConfigMap says.
        plane.restart()
    assert await is_refused(gateway, tenant, token)
    gateway.operator.start()
    gateway.operator.wait_ready()
    wait_until(lambda: has_log(gateway, 1), "the log holds the event again", RESTORE_SECONDS)
    assert await is_refused(gateway, tenant, token)


@asynchronous
async def test_a_redis_that_evicts_loses_nothing_that_counts(
    cluster: Cluster, services: Services, tenant: Tenant, tmp_path: Path
) -> None:
    options = ("--maxmemory", "4mb", "--maxmemory-policy", "allkeys-lru")
    settings = {"WSGATE_REDIS_EVICTION": "Warn"}
    with Gateway(cluster, services, tmp_path, operator=settings, redis=options) as gateway:
        assert any("allkeys-lru" in str(line) for line in gateway.operator.logged())
        token = ban(gateway, tenant)
        with gateway.redis.client() as redis:
            evicted, number = False, 0
            while not evicted:
                assert number < 100_000, "nothing was evicted"
                redis.set(f"cache:{number}", "x" * 1000)
                number += 1
                evicted = not redis.exists(KEYS[0])
                if number % 200 == 0:
                    assert await is_refused(gateway, tenant, token)
            redis.config_set("maxmemory", "64mb")
        wait_until(lambda: has_log(gateway, 1), "the set is restored", RESTORE_SECONDS)
        assert await is_refused(gateway, tenant, token)


def test_an_evicting_redis_is_not_written_to_by_default_and_the_log_names_the_way_out(
    cluster: Cluster, services: Services, tmp_path: Path
) -> None:
    gateway = Gateway(cluster, services, tmp_path, redis=("--maxmemory-policy", "allkeys-lru"))
    gateway.redis.server.start()
    try:
        gateway.operator.start()
        wait_until(lambda: "WSGATE_REDIS_EVICTION" in gateway.operator.daemon.text(), "the operator says why")
        with gateway.redis.client() as client:
            assert not client.exists(*KEYS)
    finally:
        gateway.operator.kill()
        gateway.redis.server.kill()


def strict_settings(component: str) -> dict[str, str]:
    """What the preset sets, as manifests/ ship it."""
    document: Any = yaml.safe_load((STRICT / f"{component}.yaml").read_text())
    (container,) = document["spec"]["template"]["spec"]["containers"]
    return {each["name"]: each["value"] for each in container["env"]}


@asynchronous
async def test_with_both_channels_gone_the_strict_preset_closes_and_refuses_until_one_returns(
    cluster: Cluster, services: Services, tenant: Tenant, tmp_path: Path
) -> None:
    planes = strict_settings("dataplane")
    stale = float(planes["WSGATE_REVOCATION_STALE_SECONDS"])
    with Gateway(cluster, services, tmp_path, operator=strict_settings("operator"), planes=planes) as gateway:
        gateway.route(tenant.namespace)
        gateway.route(tenant.namespace, "kept", onStale="Keep")
        token, (plane, _) = gateway.services.token(), gateway.planes
        client = await session(plane, tenant, token)
        kept = await session(plane, tenant, token, "/kept")
        cut = time.monotonic()
        gateway.redis.server.kill()
        gateway.operator.kill()
        ended = await closed(client, stale + 5)
        assert ended.code == 1013 and ended.at - cut >= stale - 5
        answer = await refusal(plane, tenant.host, "/echo", token)
        assert (answer.status, answer.reason) == (503, "revocation-stale")
        assert 5 <= int(answer.retry_after or 0) <= 30
        assert await echoes(kept) and plane.is_ready()
        gateway.redis.server.start()
        gateway.operator.start()

        await eventually(lambda: opens(plane, tenant.host, "/echo", token), "the gateway admits again", 20)


@asynchronous
async def test_one_channel_is_enough_for_the_strict_preset(
    cluster: Cluster, services: Services, tenant: Tenant, tmp_path: Path
) -> None:
    planes = strict_settings("dataplane")
    stale = float(planes["WSGATE_REVOCATION_STALE_SECONDS"])
    with Gateway(cluster, services, tmp_path, operator=strict_settings("operator"), planes=planes) as gateway:
        gateway.route(tenant.namespace)
        clients = [await session(plane, tenant, gateway.services.token()) for plane in gateway.planes]
        gateway.redis.server.kill()
        await asyncio.sleep(1.5 * stale)  # what must not happen has no condition to wait for
        assert all([await echoes(client) for client in clients])


@asynchronous
async def test_an_api_server_that_restarts_disturbs_nobody_and_is_followed_again(
    gateway: Gateway, tenant: Tenant, banned: str
) -> None:
    client = await session(gateway.planes[0], tenant, gateway.services.token())
    gateway.cluster.stop_api_server()
    try:
        assert await echoes(client)
        assert await opens(gateway.planes[1], tenant.host, "/echo", gateway.services.token())
        assert await is_refused(gateway, tenant, banned)
        assert gateway.operator.status("/livez") == 200
    finally:
        gateway.cluster.start_api_server()
    tenant.kubectl.apply(tokenrevocation(tenant.namespace, "alice", subject="alice"))
    assert (await closed(client, 30)).code == 1008
    gateway.kubectl.apply(gateway.echo_route(tenant.namespace, "later"))
    gateway.wait("wsroute", tenant.namespace, "later", "Programmed", 30)


@pytest.mark.parametrize("harm", ["edited", "emptied", "deleted"])
@asynchronous
async def test_config_maps_harmed_by_hand_are_restored(
    gateway: Gateway, tenant: Tenant, banned: str, harm: str
) -> None:
    client = await session(gateway.planes[0], tenant, gateway.services.token())

    def items() -> list[object]:
        return [items_of(gateway, "routes"), items_of(gateway, "revocations")]

    wait_until(lambda: all(items()), "both ConfigMaps are filled", SECOND_CHANNEL_SECONDS)
    before = items()
    for content in ("routes", "revocations"):
        harm_config_map(gateway, content, harm)
    wait_until(lambda: items() == before, "both ConfigMaps are restored", 30)
    assert await echoes(client)
    assert await is_refused(gateway, tenant, banned)
    gateway.route(tenant.namespace, "later")


def items_of(gateway: Gateway, content: str) -> object:
    """The items of a rendered file, None where there is none."""
    text = (gateway.config_map(f"wsgate-{content}") or {}).get(f"{content}.yaml")
    return None if text is None else (yaml.safe_load(text) or {}).get(content)


def harm_config_map(gateway: Gateway, content: str, harm: str) -> None:
    """What a person with rights in the namespace may do."""
    name = f"wsgate-{content}"
    if harm == "deleted":
        gateway.kubectl("delete", "configmap", name, "-n", NAMESPACE)
        return
    data = {f"{content}.yaml": "format: 1\nversion: 999999\n"} if harm == "edited" else None
    patch = json.dumps({"data": data})
    gateway.kubectl("patch", "configmap", name, "-n", NAMESPACE, "--type", "merge", "-p", patch)


@asynchronous
async def test_a_slow_kubelet_delays_routes_and_no_revocations(gateway: Gateway, tenant: Tenant) -> None:
    gateway.route(tenant.namespace)
    client = await session(gateway.planes[0], tenant, gateway.services.token())
    for plane in gateway.planes:
        plane.mount.pause()
    gateway.kubectl.apply(gateway.echo_route(tenant.namespace, "later"))
    gateway.wait("wsroute", tenant.namespace, "later", "Programmed")
    assert gateway.condition("wsroute", tenant.namespace, "later", "Ready")["status"] != "True"
    tenant.kubectl.apply(tokenrevocation(tenant.namespace, "alice", subject="alice"))
    assert (await closed(client, 2)).code == 1008
    for plane in gateway.planes:
        plane.mount.resume()
    gateway.wait("wsroute", tenant.namespace, "later", "Ready")


def test_a_write_bumps_the_annotation_of_every_pod(gateway: Gateway, tenant: Tenant) -> None:
    def versions() -> list[str | None]:
        return [plane.annotations().get("wsgate.dev/config-version") for plane in gateway.planes]

    before = versions()
    gateway.route(tenant.namespace)
    # Pods are told after the write, which a simulated kubelet may see first.
    wait_until(lambda: all(new != old for new, old in zip(versions(), before, strict=True)), "annotations")


def test_an_idle_operator_asks_the_api_server_next_to_nothing(gateway: Gateway, tenant: Tenant) -> None:
    ban(gateway, tenant)
    assert requests_within(gateway.cluster, IDLE_SECONDS) <= IDLE_REQUESTS_MAX


def test_an_operator_without_its_rights_says_so_once_and_does_not_hammer(gateway: Gateway, tenant: Tenant) -> None:
    gateway.route(tenant.namespace)
    kubectl = gateway.kubectl
    binding = kubectl("get", "clusterrolebinding", "wsgate-operator", "-o", "yaml")
    kubectl("delete", "clusterrolebinding", "wsgate-operator")
    try:
        # A watch that is open keeps its rights; a new one is refused.
        gateway.cluster.stop_api_server()
        gateway.cluster.start_api_server()
        assert requests_within(gateway.cluster, IDLE_SECONDS) <= DENIED_REQUESTS_MAX
        assert "forbidden" in gateway.operator.daemon.text().lower()
        assert gateway.operator.status("/livez") == 200
    finally:
        kubectl("create", "-f", "-", stdin=without_versions(binding))
    tenant.kubectl.apply(tokenrevocation(tenant.namespace, "later", subject="later"))
    gateway.wait("tokenrevocation", tenant.namespace, "later", "Published", 60)


def without_versions(text: str) -> str:
    """The object as it may be created again."""
    document = yaml.safe_load(text)
    for member in ("resourceVersion", "uid", "creationTimestamp", "managedFields"):
        document["metadata"].pop(member, None)
    return yaml.safe_dump(document)


def requests_within(cluster: Cluster, seconds: float) -> int:
    """How many requests of the operator are answered in that time."""
    before = sum(1 for _ in cluster.requests(Operator.SERVICE_ACCOUNT))
    time.sleep(seconds)
    return sum(1 for _ in cluster.requests(Operator.SERVICE_ACCOUNT)) - before
