"""The harness itself: the cluster, its rights, the schema, the mounted folder, the broker."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
import websockets.asyncio.client
from websockets import Subprotocol

from e2e import mqtt
from e2e.client import asynchronous
from e2e.cluster import Cluster
from e2e.daemon import free_port, wait_until
from e2e.kubectl import Kubectl
from e2e.mount import Mount
from e2e.objects import config_map, namespace, tokenrevocation, wsroute
from e2e.processes import NAMESPACE, POD_LABELS, Component, register_pod, remove_pod
from e2e.redis_server import RevocationRedis
from e2e.services import Services
from e2e.tenants import Tenant

MQTT = Subprotocol("mqtt")
GOOD = {"prefix": "/chat", "upstream": "ws://chat:80"}


def test_client_and_server_have_versions_that_can_be_compared(cluster: Cluster) -> None:
    versions = cluster.kubectl.json("version")
    for side in ("clientVersion", "serverVersion"):
        assert re.match(r"v1\.\d+\.\d+", versions[side]["gitVersion"])


def test_the_definitions_of_base_are_established_and_explained(cluster: Cluster) -> None:
    for name in ("wsroutes", "tokenrevocations"):
        definition = cluster.kubectl.json("get", "crd", f"{name}.wsgate.dev")
        states = {each["type"]: each["status"] for each in definition["status"]["conditions"]}
        assert states["Established"] == states["NamesAccepted"] == "True"
        assert states.get("NonStructuralSchema", "False") == "False"
    assert "longest" in cluster.kubectl("explain", "wsroute.spec.prefix")


def test_a_stranger_is_denied_everything(cluster: Cluster, tenant: Tenant) -> None:
    stranger = Kubectl(cluster.user_kubeconfig("stranger"))
    assert "Forbidden" in stranger.refusal("get", "wsroutes", "-n", tenant.namespace)
    assert "Forbidden" in stranger.apply_refusal(wsroute(tenant.namespace, "chat", **GOOD))


def test_a_tenant_edits_routes_at_home_and_nowhere_else(tenant: Tenant, other_tenant: Tenant) -> None:
    tenant.kubectl.apply(wsroute(tenant.namespace, "chat", **GOOD))
    for elsewhere in (other_tenant.namespace, "wsgate-system"):
        assert "Forbidden" in tenant.kubectl.apply_refusal(wsroute(elsewhere, "chat", **GOOD))
        assert "Forbidden" in tenant.kubectl.apply_refusal(tokenrevocation(elsewhere, "ban", subject="alice"))


def test_a_tenant_cannot_write_a_status(tenant: Tenant) -> None:
    tenant.kubectl.apply(wsroute(tenant.namespace, "chat", **GOOD))
    lie = '{"status": {"programmedVersion": 7}}'
    words = tenant.kubectl.refusal(
        "patch", "wsroute", "chat", "-n", tenant.namespace, "--subresource", "status", "--type", "merge", "-p", lie
    )
    assert "Forbidden" in words and "wsroutes/status" in words


def test_the_operators_account_may_do_no_more_than_it_needs(cluster: Cluster) -> None:
    operator = Kubectl(cluster.service_account_kubeconfig("wsgate-system", "wsgate-operator"))
    operator("get", "wsroutes,tokenrevocations", "--all-namespaces")
    for denied in ("secrets", "configmaps", "pods"):
        assert "Forbidden" in operator.refusal("get", denied, "--all-namespaces")
    assert "Forbidden" in operator.apply_refusal(wsroute("default", "chat", **GOOD))


def test_an_object_begins_with_every_condition_pending(tenant: Tenant) -> None:
    tenant.kubectl.apply(wsroute(tenant.namespace, "chat", **GOOD))
    route = tenant.kubectl.json("get", "wsroute", "chat", "-n", tenant.namespace)
    states = {each["type"]: (each["status"], each["reason"]) for each in route["status"]["conditions"]}
    assert states == dict.fromkeys(("Accepted", "ResolvedRefs", "Programmed", "Ready"), ("Unknown", "Pending"))


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ({"upstream": "ws://chat"}, ["spec.prefix", "Required value"]),
        ({**GOOD, "prefix": "chat"}, ["spec.prefix", '"chat"', "should match"]),
        ({**GOOD, "upstream": "http://chat"}, ["spec.upstream", '"http://chat"', "should match"]),
        ({**GOOD, "prefix": "/.wsgate/events"}, ["spec.prefix", "choose another prefix"]),
        ({**GOOD, "prefix": "/a/../b"}, ["spec.prefix", "dot segments are never routed"]),
        ({**GOOD, "upstreams": [{"url": "ws://other"}]}, ["spec:", "exactly one of upstream and upstreams"]),
        ({"prefix": "/chat"}, ["spec:", "exactly one of upstream and upstreams"]),
        ({**GOOD, "onChange": "Kepp"}, ["spec.onChange", '"Kepp"', '"Keep", "Drain", "Close"']),
        ({**GOOD, "hostnames": ["https://a.example"]}, ["spec.hostnames[0]", "should match"]),
        ({**GOOD, "timeouts": {"idleSeconds": 0}}, ["spec.timeouts.idleSeconds", "greater than or equal to 1"]),
        ({**GOOD, "auth": {"expiry": {"mode": "Session"}}}, ["spec.auth.expiry", "needs maxSessionSeconds"]),
        ({**GOOD, "prefixes": ["/chat"]}, ['unknown field "spec.prefixes"']),
    ],
)
def test_the_api_server_names_the_field_of_a_bad_route(
    tenant: Tenant, spec: dict[str, Any], words: list[str]
) -> None:
    said = tenant.kubectl.apply_refusal(wsroute(tenant.namespace, "bad", **spec))
    assert all(word in said for word in words), said


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ({}, ["spec:", "nothing selects a token"]),
        ({"tokenSHA256": "AB"}, ["spec.tokenSHA256"]),
        ({"subject": "alice", "expiresAt": "tomorrow"}, ["spec.expiresAt", "date-time"]),
        ({"subject": "alice", "reason": {"code": "Because"}}, ["spec.reason.code", '"Because"', "Logout"]),
    ],
)
def test_the_api_server_names_the_field_of_a_bad_revocation(
    tenant: Tenant, spec: dict[str, Any], words: list[str]
) -> None:
    said = tenant.kubectl.apply_refusal(tokenrevocation(tenant.namespace, "bad", **spec))
    assert all(word in said for word in words), said


def test_what_was_revoked_is_immutable_but_not_until_when(tenant: Tenant) -> None:
    revocation = tokenrevocation(tenant.namespace, "ban", subject="alice")
    tenant.kubectl.apply(revocation)
    tenant.kubectl.apply(
        tokenrevocation(tenant.namespace, "ban", subject="alice", expiresAt="2100-01-01T00:00:00Z")
    )
    said = tenant.kubectl.apply_refusal(tokenrevocation(tenant.namespace, "ban", subject="bob"))
    assert "subject is immutable; only expiresAt may be changed" in said


def test_a_route_never_moves_to_another_gateway(tenant: Tenant) -> None:
    tenant.kubectl.apply(wsroute(tenant.namespace, "chat", **GOOD))
    said = tenant.kubectl.apply_refusal(wsroute(tenant.namespace, "chat", **GOOD, gatewayName="other"))
    assert "spec.gatewayName" in said and "immutable" in said


@pytest.fixture
def mount(cluster: Cluster, tmp_path: Path) -> Iterator[Mount]:
    cluster.kubectl.apply(namespace("mounted"))
    with Mount(cluster, "mounted", ("one", "two"), tmp_path / "etc") as mount:
        yield mount
    cluster.kubectl("delete", "configmaps", "-n", "mounted", "--ignore-not-found", "one", "two")


def test_the_mounted_folder_follows_its_config_maps_all_at_once(cluster: Cluster, mount: Mount) -> None:
    cluster.kubectl.apply(config_map("mounted", "one", {"a.yaml": "1"}))
    wait_until((mount.folder / "a.yaml").exists, "the first file is there")
    assert (mount.folder / "a.yaml").readlink() == Path("..data/a.yaml")
    old = (mount.folder / "..data").readlink()
    binary = {**config_map("mounted", "two", {}), "binaryData": {"b.gz": "H4sI"}}
    cluster.kubectl.apply(binary, config_map("mounted", "one", {"a.yaml": "2"}))
    wait_until(lambda: (mount.folder / "b.gz").exists(), "the second file is there")
    wait_until(lambda: (mount.folder / "a.yaml").read_text() == "2", "the first file has changed")
    assert (mount.folder / "b.gz").read_bytes() == b"\x1f\x8b\x08"
    assert (mount.folder / "..data").readlink() != old
    assert not (mount.folder / old).exists()


def test_the_mounted_folder_can_be_slow_and_lose_a_file(cluster: Cluster, mount: Mount) -> None:
    cluster.kubectl.apply(config_map("mounted", "one", {"a.yaml": "1"}))
    file = mount.folder / "a.yaml"
    wait_until(file.exists, "the file is there")
    mount.pause()
    cluster.kubectl.apply(config_map("mounted", "one", {"a.yaml": "2"}))
    assert file.read_text() == "1"
    mount.resume()
    wait_until(lambda: file.read_text() == "2", "the file has changed")
    cluster.kubectl("delete", "configmap", "one", "-n", "mounted")
    wait_until(lambda: not file.exists(), "the file is gone")


def test_the_api_server_comes_back_with_all_it_had(cluster: Cluster, tenant: Tenant) -> None:
    tenant.kubectl.apply(wsroute(tenant.namespace, "chat", **GOOD))
    cluster.stop_api_server()
    assert "refused" in tenant.kubectl.refusal("get", "wsroutes", "-n", tenant.namespace)
    cluster.start_api_server()
    assert "chat" in tenant.kubectl("get", "wsroutes", "-n", tenant.namespace)


def test_what_a_service_account_asks_is_counted(cluster: Cluster) -> None:
    operator = Kubectl(cluster.service_account_kubeconfig("wsgate-system", "wsgate-operator"))
    before = len(list(cluster.requests("wsgate-system:wsgate-operator")))
    operator("get", "--raw", "/apis/wsgate.dev/v1alpha1/wsroutes?limit=7")
    asked = list(cluster.requests("wsgate-system:wsgate-operator"))[before:]
    assert [event["requestURI"] for event in asked] == ["/apis/wsgate.dev/v1alpha1/wsroutes?limit=7"]


def test_pods_pass_the_restricted_profile_and_are_found_by_label(cluster: Cluster) -> None:
    register_pod(cluster, "harness")
    operator = Kubectl(cluster.service_account_kubeconfig("wsgate-system", "wsgate-operator"))
    labels = ",".join(f"{name}={value}" for name, value in POD_LABELS.items())
    found = operator.json("get", "pods", "-n", NAMESPACE, "-l", labels)["items"]
    assert [(each["metadata"]["name"], each["status"]["phase"]) for each in found] == [("harness", "Running")]
    assert operator("auth", "can-i", "patch", "pods", "-n", NAMESPACE).strip() == "yes"
    remove_pod(cluster, "harness")


def test_a_component_is_waited_for_killed_and_started_again(tmp_path: Path) -> None:
    port = free_port()
    stand_in = Component("stand-in", tmp_path, {}, port, ["http.server", str(port), "--bind", "127.0.0.1"])
    (tmp_path / "metrics").write_text('# HELP sessions\nsessions{state="open"} 2.0\n')
    stand_in.start()
    stand_in.daemon.wait(lambda: stand_in.status("/metrics") == 200, "listens", 10)
    assert not stand_in.is_ready()
    (tmp_path / "readyz").write_text("ok")
    stand_in.restart()
    assert stand_in.metrics() == {'sessions{state="open"}': 2.0}
    stand_in.stop()
    assert stand_in.status("/readyz") is None


def test_the_users_of_the_trial_redis_can_do_what_their_part_needs(tmp_path: Path) -> None:
    server = RevocationRedis(tmp_path)
    server.server.start()
    try:
        pod = redis.Redis.from_url(server.dataplane_url, decode_responses=True)
        assert pod.rpush("{wsgate}:inbox", "record") == 1
        assert pod.set("{wsgate}:pod:one", "{}", ex=15)
        with pytest.raises(redis.exceptions.NoPermissionError):
            pod.xadd("{wsgate}:revocation-log", {"a": "b"})
        with pytest.raises(redis.exceptions.NoPermissionError):
            pod.delete("{wsgate}:inbox")
        operator = redis.Redis.from_url(server.operator_url, decode_responses=True)
        with operator.pipeline() as both:
            both.zadd("{wsgate}:revocations", {"epoch:1": 1})
            both.xadd("{wsgate}:revocation-log", {"a": "b"})
            both.publish("{wsgate}:wake", "")
            assert len(both.execute()) == 3
        pod.close()
        operator.close()
    finally:
        server.server.kill()


@asynchronous
async def test_the_broker_speaks_mqtt_over_websocket(services: Services) -> None:
    async with websockets.asyncio.client.connect(services.mqtt_url, subprotocols=[MQTT], proxy=None) as client:
        assert client.subprotocol == MQTT
        await client.send(mqtt.connect("harness"))
        assert await client.recv() == mqtt.CONNECTED
        await client.send(mqtt.subscribe("t/1"))
        assert await client.recv() == mqtt.SUBSCRIBED
        await client.send(mqtt.publish("t/1", b"hi"))
        assert await client.recv() == mqtt.publish("t/1", b"hi")
