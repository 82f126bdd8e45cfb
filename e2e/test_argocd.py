"""Argo CD's health checks over objects as the API server holds them."""

import time

from tests.manifests.health import health

from e2e.gateway import Gateway
from e2e.objects import tokenrevocation
from e2e.tenants import Tenant


def seen(gateway: Gateway, kind: str, namespace: str, name: str) -> tuple[str, str]:
    """Status and message that Argo CD shows for the object as it stands now."""
    return health(kind, gateway.kubectl.json("get", kind.lower(), name, "-n", namespace))


def test_what_is_served_and_revoked_is_healthy(gateway: Gateway, tenant: Tenant) -> None:
    gateway.route(tenant.namespace)
    gateway.revoke(tenant.namespace, "out", subject="mallory")
    assert seen(gateway, "WsRoute", tenant.namespace, "echo")[0] == "Healthy"
    assert seen(gateway, "TokenRevocation", tenant.namespace, "out")[0] == "Healthy"


def test_what_is_refused_is_degraded_and_says_why(gateway: Gateway, tenant: Tenant, other_tenant: Tenant) -> None:
    gateway.route(tenant.namespace)
    other_tenant.kubectl.apply(gateway.echo_route(other_tenant.namespace, hostnames=[tenant.host]))
    other_tenant.kubectl.apply(gateway.echo_route(other_tenant.namespace, "far", upstream="ws://chat.default.svc"))
    everybody = {"issuer": "https://idp.test", "issuedBefore": "2026-01-01T00:00:00Z"}
    gateway.kubectl.apply(tokenrevocation(tenant.namespace, "everybody", **everybody))
    gateway.refused("wsroute", other_tenant.namespace, "echo", "Accepted")
    gateway.refused("wsroute", other_tenant.namespace, "far", "ResolvedRefs")
    gateway.refused("tokenrevocation", tenant.namespace, "everybody", "Accepted")
    claimed = seen(gateway, "WsRoute", other_tenant.namespace, "echo")
    assert claimed[0] == "Degraded" and tenant.namespace in claimed[1]
    assert seen(gateway, "WsRoute", other_tenant.namespace, "far")[0] == "Degraded"
    assert seen(gateway, "TokenRevocation", tenant.namespace, "everybody")[0] == "Degraded"


def test_a_revocation_that_has_ended_or_touches_nothing(gateway: Gateway, tenant: Tenant) -> None:
    expired = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - 60))
    gateway.kubectl.apply(tokenrevocation(tenant.namespace, "nothing", subject="nobody"))
    gateway.kubectl.apply(tokenrevocation(tenant.namespace, "ended", subject="nobody", expiresAt=expired))
    for name in ("nothing", "ended"):
        gateway.refused("tokenrevocation", tenant.namespace, name, "Active")
    nothing = seen(gateway, "TokenRevocation", tenant.namespace, "nothing")
    ended = seen(gateway, "TokenRevocation", tenant.namespace, "ended")
    assert nothing[0] == ended[0] == "Healthy"
    assert nothing[1].startswith("NoRoutesInScope") and ended[1].startswith("Expired")
