"""What somebody with rights in one namespace cannot do to others."""

import json
import time

import pytest

from e2e.client import asynchronous, connect, echoes, refusal
from e2e.gateway import Gateway
from e2e.objects import config_map, tokenrevocation
from e2e.processes import NAMESPACE
from e2e.tenants import Tenant
from wsgate_cli.devkey import AUDIENCE, ISSUER, DevelopmentKey


@asynchronous
async def test_anothers_host_is_refused_with_its_owners_name(
    gateway: Gateway, tenant: Tenant, other_tenant: Tenant
) -> None:
    gateway.route(tenant.namespace)
    attack = gateway.echo_route(
        other_tenant.namespace, "grab", hostnames=[tenant.host], upstream="ws://evil.example"
    )
    other_tenant.kubectl.apply(attack)
    condition = gateway.refused("wsroute", other_tenant.namespace, "grab", "Accepted")
    assert condition["reason"] == "HostClaimed"
    assert tenant.host in condition["message"] and tenant.namespace in condition["message"]
    async with connect(gateway.planes[0], tenant.host, "/echo", gateway.services.token()) as client:
        assert await echoes(client)
    assert (await refusal(gateway.planes[0], tenant.host, "/grab")).reason == "route-not-found"


def test_a_host_below_anothers_wildcard_counts_as_claimed(
    gateway: Gateway, tenant: Tenant, other_tenant: Tenant
) -> None:
    gateway.route(tenant.namespace, hostnames=[f"*.{tenant.host}"])
    other_tenant.kubectl.apply(gateway.echo_route(other_tenant.namespace, hostnames=[f"shop.{tenant.host}"]))
    assert gateway.refused("wsroute", other_tenant.namespace, "echo", "Accepted")["reason"] == "HostClaimed"


@asynchronous
async def test_a_route_for_any_host_takes_no_sessions_from_a_named_one(
    gateway: Gateway, tenant: Tenant, other_tenant: Tenant
) -> None:
    gateway.route(other_tenant.namespace, hostnames=[], prefix="/echo/deeper", upstream="ws://evil.invalid")
    gateway.route(tenant.namespace)
    async with connect(gateway.planes[0], tenant.host, "/echo/deeper", gateway.services.token()) as client:
        assert await echoes(client)
    elsewhere = await refusal(gateway.planes[0], "elsewhere.test", "/echo/deeper", gateway.services.token())
    assert elsewhere.reason == "upstream-unreachable"


@asynchronous
async def test_an_old_route_that_is_edited_takes_no_host_that_another_has(
    gateway: Gateway, tenant: Tenant, other_tenant: Tenant
) -> None:
    gateway.route(other_tenant.namespace, "old", hostnames=[f"unused.{other_tenant.host}"])
    gateway.route(tenant.namespace)
    edited = gateway.echo_route(other_tenant.namespace, "old", prefix="/echo", hostnames=[tenant.host])
    other_tenant.kubectl.apply(edited)
    assert gateway.refused("wsroute", other_tenant.namespace, "old", "Accepted")["reason"] == "HostClaimed"
    assert gateway.condition("wsroute", tenant.namespace, "echo", "Accepted")["status"] == "True"
    async with connect(gateway.planes[0], tenant.host, "/echo", gateway.services.token()) as client:
        assert await echoes(client)


@pytest.mark.parametrize(
    "url",
    [
        "ws://chat.{other}.svc:80",
        "ws://chat.{other}.svc.cluster.local:80",
        "ws://chat.{other}:80",
        "ws://chat:80",
        "ws://127.0.0.1:9090",
        "ws://[::ffff:127.0.0.1]:9090",
        "ws://169.254.169.254/latest",
        "ws://10.0.0.1:443",
        "ws://kubernetes.default.svc:443",
    ],
)
def test_anothers_service_is_no_upstream(gateway: Gateway, tenant: Tenant, other_tenant: Tenant, url: str) -> None:
    upstream = url.format(other=other_tenant.namespace)
    tenant.kubectl.apply(gateway.echo_route(tenant.namespace, upstream=upstream))
    condition = gateway.refused("wsroute", tenant.namespace, "echo", "ResolvedRefs")
    assert condition["reason"] == "RefNotPermitted"
    assert "spec.upstream" in condition["message"]
    rendered = gateway.config_map("wsgate-routes")
    assert rendered is not None and upstream not in rendered["routes.yaml"]


def test_anothers_service_is_no_source_of_keys(gateway: Gateway, tenant: Tenant, other_tenant: Tenant) -> None:
    uri = f"http://idp.{other_tenant.namespace}.svc/certs"
    provider = {"issuer": ISSUER, "audiences": [AUDIENCE], "jwks": {"uri": uri}}
    tenant.kubectl.apply(gateway.echo_route(tenant.namespace, auth={"providers": [provider]}))
    condition = gateway.refused("wsroute", tenant.namespace, "echo", "ResolvedRefs")
    assert condition["reason"] == "RefNotPermitted"
    assert "jwks.uri" in condition["message"] and other_tenant.namespace in condition["message"]


@asynchronous
async def test_a_revocation_reaches_no_further_than_its_namespace(
    gateway: Gateway, tenant: Tenant, other_tenant: Tenant
) -> None:
    gateway.route(tenant.namespace)
    gateway.route(other_tenant.namespace)
    token = gateway.services.token("alice", jti="shared")
    async with connect(gateway.planes[0], tenant.host, "/echo", token) as client:
        gateway.revoke(other_tenant.namespace, "attack", subject="alice")
        refused = await refusal(gateway.planes[0], other_tenant.host, "/echo", token)
        assert refused.reason == "token-revoked"
        assert await echoes(client)
    async with connect(gateway.planes[1], tenant.host, "/echo", token) as client:
        assert await echoes(client)


@pytest.mark.parametrize("where", ["other", "root"])
def test_revoking_elsewhere_is_forbidden_and_kubectl_says_so(
    gateway: Gateway, tenant: Tenant, other_tenant: Tenant, where: str
) -> None:
    elsewhere = other_tenant.namespace if where == "other" else NAMESPACE
    said = tenant.kubectl.refusal("create", "tokenrevocation", "x", "-n", elsewhere, "--subject", "alice", "--ban")
    assert "forbidden" in said.lower() and elsewhere in said


def test_all_tokens_of_an_issuer_are_the_platforms_to_revoke(gateway: Gateway, tenant: Tenant) -> None:
    gateway.route(tenant.namespace)
    everybody = {"issuer": ISSUER, "issuedBefore": "2100-01-01T00:00:00Z"}
    tenant.kubectl.apply(tokenrevocation(tenant.namespace, "all", **everybody))
    condition = gateway.refused("tokenrevocation", tenant.namespace, "all", "Accepted")
    assert "root" in condition["message"] or NAMESPACE in condition["message"]


@asynchronous
async def test_a_revocation_in_the_root_namespace_reaches_every_tenant(
    gateway: Gateway, tenant: Tenant, other_tenant: Tenant
) -> None:
    gateway.route(tenant.namespace)
    gateway.route(other_tenant.namespace)
    gateway.revoke(NAMESPACE, "erin", subject="erin")
    assert gateway.condition("tokenrevocation", NAMESPACE, "erin", "Active")["status"] == "True"
    token = gateway.services.token("erin")
    for plane in gateway.planes:
        for each in (tenant, other_tenant):
            assert (await refusal(plane, each.host, "/echo", token)).reason == "token-revoked"
    gateway.kubectl("delete", "tokenrevocation", "erin", "-n", NAMESPACE)


@asynchronous
async def test_a_token_of_ones_own_key_opens_no_other_tenants_route(
    gateway: Gateway, tenant: Tenant, other_tenant: Tenant
) -> None:
    gateway.route(tenant.namespace)
    forger = DevelopmentKey.create()
    # The same issuer string as the victim's provider.
    own = {"issuer": ISSUER, "audiences": [AUDIENCE], "jwks": {"inline": json.dumps(forger.jwks())}}
    gateway.route(other_tenant.namespace, auth={"providers": [own]})
    token = forger.token({"sub": "alice"}, int(time.time()), 3600)
    async with connect(gateway.planes[0], other_tenant.host, "/echo", token) as client:
        assert await echoes(client)
    assert (await refusal(gateway.planes[0], tenant.host, "/echo", token)).reason == "token-key-unknown"


def test_what_the_gateway_keeps_is_out_of_a_tenants_reach(gateway: Gateway, tenant: Tenant) -> None:
    for name in ("wsgate-routes", "wsgate-revocations"):
        assert "Forbidden" in tenant.kubectl.refusal("get", "configmap", name, "-n", NAMESPACE)
        assert "Forbidden" in tenant.kubectl.apply_refusal(config_map(NAMESPACE, name, {}))
    assert "Forbidden" in tenant.kubectl.refusal("get", "secrets", "-n", NAMESPACE)
    assert "Forbidden" in tenant.kubectl.refusal("delete", "pod", "plane-1", "-n", NAMESPACE)


@asynchronous
async def test_an_object_of_another_gateway_is_left_alone(gateway: Gateway, tenant: Tenant) -> None:
    tenant.kubectl.apply(gateway.echo_route(tenant.namespace, "foreign", gatewayName="internal"))
    gateway.route(tenant.namespace)
    assert gateway.condition("wsroute", tenant.namespace, "foreign", "Accepted")["reason"] == "Pending"
    assert (await refusal(gateway.planes[0], tenant.host, "/foreign")).reason == "route-not-found"
