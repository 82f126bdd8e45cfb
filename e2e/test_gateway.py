"""What a user of the gateway does with kubectl, and what their clients see."""

import asyncio
import json
import time
from functools import partial

import pytest
from websockets import Subprotocol
from websockets.asyncio.client import ClientConnection

from e2e import mqtt
from e2e.client import Closed, asynchronous, closed, connect, echoes, eventually, open_session, opens, refusal
from e2e.gateway import Gateway
from e2e.processes import ADMIN_TOKEN
from e2e.tenants import Tenant

REVOKED = (1008, "token revoked")
CLOSE_SECONDS_MAX = 1.0
"""R1: from the API server's acknowledgement to the close."""


async def closed_within_a_second(clients: list[ClientConnection], revoke: asyncio.Task[str]) -> None:
    """Each session ends as revoked at most CLOSE_SECONDS_MAX after kubectl has returned."""
    endings = [asyncio.ensure_future(closed(client)) for client in clients]
    await revoke
    acknowledged = time.monotonic()
    for ended in [await ending for ending in endings]:
        assert (ended.code, ended.reason) == REVOKED
        assert ended.at - acknowledged <= CLOSE_SECONDS_MAX


def kubectl_create(tenant: Tenant, name: str, *flags: str, stdin: str | None = None) -> asyncio.Task[str]:
    """kubectl create tokenrevocation beside the running event loop."""
    words = ("create", "tokenrevocation", name, "-n", tenant.namespace, *flags)
    return asyncio.ensure_future(asyncio.to_thread(tenant.kubectl, *words, stdin=stdin))


@asynchronous
async def test_an_applied_route_carries_messages_both_ways_on_every_pod(gateway: Gateway, tenant: Tenant) -> None:
    gateway.route(tenant.namespace)
    token = gateway.services.token()
    for plane in gateway.planes:
        async with connect(plane, tenant.host, "/echo", token) as client:
            assert await echoes(client)
            assert await echoes(client, "x" * 100_000)
        refused = await refusal(plane, tenant.host, "/echo")
        assert (refused.status, refused.reason) == (401, "token-missing")
        assert (await refusal(plane, "other.example.com", "/echo", token)).reason == "route-not-found"


def test_kubectl_waits_for_and_shows_a_programmed_route(gateway: Gateway, tenant: Tenant) -> None:
    tenant.kubectl.apply(gateway.echo_route(tenant.namespace))
    tenant.kubectl("wait", "--for=condition=Programmed", "wsroute/echo", "-n", tenant.namespace, "--timeout=10s")
    route = tenant.kubectl.json("get", "wsroute", "echo", "-n", tenant.namespace)
    assert route["status"]["observedGeneration"] == route["metadata"]["generation"]
    assert route["status"]["programmedVersion"] > 0
    shown = tenant.kubectl("get", "wsr", "-n", tenant.namespace)
    assert tenant.host in shown and "/echo" in shown and shown.count("True") == 2
    rendered = gateway.config_map("wsgate-routes")
    assert rendered is not None and tenant.host in rendered["routes.yaml"]


@asynchronous
async def test_an_mqtt_client_reaches_its_broker_and_is_cut_off(gateway: Gateway, tenant: Tenant) -> None:
    gateway.route(tenant.namespace, "mqtt", upstream=gateway.services.mqtt_url)
    token = gateway.services.token("device-1")
    offered = [Subprotocol("mqtt")]
    async with connect(gateway.planes[0], tenant.host, "/mqtt", token, subprotocols=offered) as client:
        assert client.subprotocol == "mqtt"
        await client.send(mqtt.connect("device-1"))
        assert await client.recv() == mqtt.CONNECTED
        await client.send(mqtt.subscribe("t/1"))
        assert await client.recv() == mqtt.SUBSCRIBED
        await client.send(mqtt.publish("t/1", b"hi"))
        assert await client.recv() == mqtt.publish("t/1", b"hi")
        await closed_within_a_second([client], kubectl_create(tenant, "stolen", "--subject", "device-1", "--ban"))


@asynchronous
async def test_of_two_conflicting_routes_the_oldest_wins_and_the_other_says_why(
    gateway: Gateway, tenant: Tenant
) -> None:
    gateway.route(tenant.namespace, "a-first", prefix="/same")
    tenant.kubectl.apply(gateway.echo_route(tenant.namespace, "b-second", prefix="/same"))
    condition = gateway.refused("wsroute", tenant.namespace, "b-second", "Accepted")
    assert condition["reason"] == "Conflict"
    assert f"{tenant.namespace}/a-first" in condition["message"]
    async with connect(gateway.planes[0], tenant.host, "/same", gateway.services.token()) as client:
        assert await echoes(client)
    tenant.kubectl("delete", "wsroute", "a-first", "-n", tenant.namespace)
    gateway.wait("wsroute", tenant.namespace, "b-second", "Accepted")


@asynchronous
async def test_a_revocation_closes_on_both_pods_within_a_second_and_touches_nobody_else(
    gateway: Gateway, tenant: Tenant
) -> None:
    gateway.route(tenant.namespace)
    first, second = gateway.planes
    stolen, other = gateway.services.token("alice", jti="stolen"), gateway.services.token("alice", jti="other")
    async with (
        connect(first, tenant.host, "/echo", stolen) as here,
        connect(second, tenant.host, "/echo", stolen) as there,
        connect(first, tenant.host, "/echo", other) as bystander,
    ):
        await closed_within_a_second([here, there], kubectl_create(tenant, "stolen", "--jti", "stolen"))
        for plane in gateway.planes:
            assert (await refusal(plane, tenant.host, "/echo", stolen)).reason == "token-revoked"
        assert await echoes(bystander)
    gateway.wait("tokenrevocation", tenant.namespace, "stolen", "Published")
    gateway.wait("tokenrevocation", tenant.namespace, "stolen", "Active")
    tenant.kubectl("delete", "tokenrevocation", "stolen", "-n", tenant.namespace)
    for plane in gateway.planes:
        # Both channels must let it go, and the ConfigMap is written some 10 s apart.
        await eventually(partial(opens, plane, tenant.host, "/echo", stolen), "the token is good again", 20)


@asynchronous
async def test_a_token_is_revoked_by_its_text_which_no_process_list_shows(
    gateway: Gateway, tenant: Tenant
) -> None:
    gateway.route(tenant.namespace)
    token = gateway.services.token()
    clients = [await open_session(plane, tenant.host, "/echo", token) for plane in gateway.planes]
    await closed_within_a_second(clients, kubectl_create(tenant, "leaked", "--token-file", "-", stdin=token))
    made = tenant.kubectl("get", "tokenrevocation", "leaked", "-n", tenant.namespace, "-o", "yaml")
    assert "tokenSHA256" in made and token not in made
    for plane in gateway.planes:
        assert (await refusal(plane, tenant.host, "/echo", token)).reason == "token-revoked"


@asynchronous
async def test_a_kick_admits_newer_logins_and_a_ban_does_not(gateway: Gateway, tenant: Tenant) -> None:
    gateway.route(tenant.namespace)
    plane = gateway.planes[0]
    async with connect(plane, tenant.host, "/echo", gateway.services.token("bob")) as client:
        await closed_within_a_second([client], kubectl_create(tenant, "kick", "--subject", "bob"))
    # Within the leeway: a kick covers the whole second in which it happens.
    newer = gateway.services.token("bob", iat=int(time.time()) + 2)
    async with connect(plane, tenant.host, "/echo", newer) as client:
        assert await echoes(client)
        await closed_within_a_second([client], kubectl_create(tenant, "ban", "--subject", "bob", "--ban"))
    newest = gateway.services.token("bob", iat=int(time.time()) + 5)
    assert (await refusal(plane, tenant.host, "/echo", newest)).reason == "token-revoked"


def test_a_dry_run_prints_the_object_and_creates_nothing(gateway: Gateway, tenant: Tenant) -> None:
    words = ("create", "tokenrevocation", "try", "-n", tenant.namespace, "--subject", "bob", "--for", "24h")
    shown = tenant.kubectl(*words, "--reason", "Logout", "--dry-run=client", "-o", "json")
    spec = json.loads(shown)["spec"]
    assert spec["subject"] == "bob" and spec["issuedBefore"] < spec["expiresAt"]
    assert "NotFound" in tenant.kubectl.refusal("get", "tokenrevocation", "try", "-n", tenant.namespace)


@asynchronous
async def test_a_revocation_without_routes_in_scope_says_so(gateway: Gateway, tenant: Tenant) -> None:
    words = ("create", "tokenrevocation", "nobody", "-n", tenant.namespace, "--subject", "bob", "--ban")
    done = tenant.kubectl.run(*words)
    assert done.returncode == 0
    condition = gateway.refused("tokenrevocation", tenant.namespace, "nobody", "Active")
    assert condition["reason"] == "NoRoutesInScope"


@pytest.mark.parametrize(("on_change", "ending"), [("Close", 1012), ("Drain", 1012), ("Keep", None)])
@asynchronous
async def test_live_sessions_of_a_changed_route_follow_its_on_change(
    gateway: Gateway, tenant: Tenant, on_change: str, ending: int | None
) -> None:
    gateway.route(tenant.namespace, onChange=on_change)
    gateway.route(tenant.namespace, "other")
    token = gateway.services.token()
    async with (
        connect(gateway.planes[0], tenant.host, "/echo", token) as client,
        connect(gateway.planes[0], tenant.host, "/other", token) as bystander,
    ):
        gateway.route(tenant.namespace, onChange=on_change, limits={"maxMessageBytes": 5})
        if ending is None:
            assert await echoes(client, "longer than five")
        else:
            assert (await closed(client)).code == ending
        assert await echoes(bystander)


@asynchronous
async def test_a_deleted_route_closes_its_sessions_and_is_not_found(gateway: Gateway, tenant: Tenant) -> None:
    gateway.route(tenant.namespace)
    token = gateway.services.token()
    async with connect(gateway.planes[0], tenant.host, "/echo", token) as client:
        tenant.kubectl("delete", "wsroute", "echo", "-n", tenant.namespace)
        assert (await closed(client)).code == 1012
    assert (await refusal(gateway.planes[0], tenant.host, "/echo", token)).status == 404


@asynchronous
async def test_the_admin_api_revokes_on_every_pod(gateway: Gateway, tenant: Tenant) -> None:
    gateway.route(tenant.namespace)
    first, second = gateway.planes
    token = gateway.services.token("carol", jti="c-1")
    async with (
        connect(first, tenant.host, "/echo", token) as here,
        connect(second, tenant.host, "/echo", token) as there,
    ):
        body = {"sub": "carol", "jti": "c-1"}
        assert first.admin("/admin/revoke", body, token="wrong")[0] == 401
        status, answer = await asyncio.to_thread(first.admin, "/admin/revoke", body)
        assert (status, answer["closed"]) == (202, 1)
        for client in (here, there):
            ended: Closed = await closed(client, CLOSE_SECONDS_MAX)
            assert (ended.code, ended.reason) == REVOKED
    assert (await refusal(second, tenant.host, "/echo", token)).reason == "token-revoked"


@asynchronous
async def test_the_verbs_show_routes_sessions_and_why_a_client_was_refused(
    gateway: Gateway, tenant: Tenant, tmp_path_factory: pytest.TempPathFactory
) -> None:
    gateway.route(tenant.namespace)
    token_file = tmp_path_factory.mktemp("admin") / "token"
    token_file.write_text(ADMIN_TOKEN)
    where = [word for plane in gateway.planes for word in ("--admin-url", plane.admin_url)]
    where += ["--admin-token-file", str(token_file)]
    stale = gateway.services.token("dave", seconds=-3600)
    assert (await refusal(gateway.planes[1], tenant.host, "/echo", stale)).reason == "token-expired"
    async with connect(gateway.planes[0], tenant.host, "/echo", gateway.services.token("dave")):
        sessions = await asyncio.to_thread(gateway.kubectl, "wsgate", "sessions", *where)
    assert "dave" in sessions and "plane-1" in sessions
    assert f"{tenant.namespace}/echo" in gateway.kubectl("wsgate", "routes", *where)
    assert "token-expired" in gateway.kubectl("wsgate", "why", "--sub", "dave", *where)
