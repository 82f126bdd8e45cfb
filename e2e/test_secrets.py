"""Client certificates from Secrets: granted, shown, renewed, taken back, and nobody else's."""

import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from e2e.client import asynchronous, closed, connect, echoes, eventually, opens, refusal
from e2e.cluster import Cluster
from e2e.daemon import wait_until
from e2e.gateway import Gateway
from e2e.processes import NAMESPACE, SECRET
from e2e.services import SECURED_NAME, Services
from e2e.tenants import Tenant
from wsgate_contract.client_certificate import certificate_id, file_name

POLL_SECONDS = "1"
REF_FIELD = "spec.upstreamTLS.clientCertificateRef"


@pytest.fixture(scope="module")
def gateway(cluster: Cluster, services: Services, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """One whose operator looks at Secrets often."""
    settings = {"WSGATE_SECRET_POLL_SECONDS": POLL_SECONDS}
    with Gateway(cluster, services, tmp_path_factory.mktemp("gateway"), operator=settings) as gateway:
        yield gateway


def secured(gateway: Gateway, namespace: str, **spec: Any) -> dict[str, Any]:
    """A route that shows the certificate of Secret client to the upstream that asks for one."""
    tls = {
        "clientCertificateRef": {"name": "client"},
        "serverName": SECURED_NAME,
        "caBundle": gateway.services.authority.certificate.read_text(),
    }
    return gateway.echo_route(namespace, upstream=gateway.services.secured_url, upstreamTLS=tls, **spec)


def put_secret(gateway: Gateway, tenant: Tenant, common_name: str) -> Path:
    """Write Secret client as its tenant, with a new certificate; the file of its key."""
    certificate, key = gateway.services.authority.client(common_name)
    files = (f"--cert={certificate}", f"--key={key}", "--dry-run=client", "-o", "yaml")
    tenant.kubectl(
        "apply",
        "-f",
        "-",
        stdin=tenant.kubectl("create", "secret", "tls", "client", "-n", tenant.namespace, *files),
    )
    return key


def grant(gateway: Gateway, tenant: Tenant, verb: str = "apply") -> None:
    """What the message says, by somebody who may grant rights there."""
    printed = tenant.kubectl("wsgate", "grant-secret", "client", "-n", tenant.namespace)
    gateway.kubectl(verb, "-f", "-", stdin=printed)


def serve(gateway: Gateway, tenant: Tenant, common_name: str) -> Path:
    """A route with a granted Secret, served by every pod; the file of the key."""
    key = put_secret(gateway, tenant, common_name)
    grant(gateway, tenant)
    tenant.kubectl.apply(secured(gateway, tenant.namespace))
    gateway.wait_served(tenant.namespace, "echo")
    return key


@asynchronous
async def test_a_route_says_which_grant_is_missing_and_is_served_with_it(gateway: Gateway, tenant: Tenant) -> None:
    put_secret(gateway, tenant, f"client-of-{tenant.namespace}")
    tenant.kubectl.apply(secured(gateway, tenant.namespace))
    condition = gateway.refused("wsroute", tenant.namespace, "echo", "ResolvedRefs")
    assert condition["reason"] == "RefNotPermitted"
    assert f"{REF_FIELD}: the operator may not read Secret {tenant.namespace}/client" in condition["message"]
    command = f"kubectl wsgate grant-secret client -n {tenant.namespace} | kubectl apply -f -"
    assert command in condition["message"]
    grant(gateway, tenant)
    gateway.wait_served(tenant.namespace, "echo")
    token = gateway.services.token()
    for plane in gateway.planes:
        await eventually(partial(opens, plane, tenant.host, "/echo", token), "the pod has the certificate")
        async with connect(plane, tenant.host, "/echo", token) as client:
            assert await echoes(client)
    assert set(gateway.services.shown[-4:]) == {f"client-of-{tenant.namespace}"}
    assert gateway.condition("wsroute", tenant.namespace, "echo", "ResolvedRefs")["status"] == "True"


@asynchronous
async def test_a_renewed_secret_is_shown_to_new_sessions_and_ends_none(gateway: Gateway, tenant: Tenant) -> None:
    serve(gateway, tenant, "first")
    plane, token = gateway.planes[0], gateway.services.token()
    await eventually(partial(opens, plane, tenant.host, "/echo", token), "the pod has the certificate")
    version = gateway.kubectl.json("get", "wsroute", "echo", "-n", tenant.namespace)["status"]["programmedVersion"]
    async with connect(plane, tenant.host, "/echo", token) as old:
        put_secret(gateway, tenant, "second")

        async def shows_second() -> bool:
            await opens(plane, tenant.host, "/echo", token)
            return gateway.services.shown[-1] == "second"

        await eventually(shows_second, "the new certificate is shown")
        assert await echoes(old)
    status = gateway.kubectl.json("get", "wsroute", "echo", "-n", tenant.namespace)["status"]
    assert status["programmedVersion"] == version, "the route is as before"


@asynchronous
async def test_a_secret_that_breaks_is_told_and_its_last_good_certificate_shown(
    gateway: Gateway, tenant: Tenant
) -> None:
    serve(gateway, tenant, "good")
    plane, token = gateway.planes[0], gateway.services.token()
    await eventually(partial(opens, plane, tenant.host, "/echo", token), "the pod has the certificate")
    broken = json.dumps({"data": {"tls.crt": "anVuaw=="}})
    tenant.kubectl("patch", "secret", "client", "-n", tenant.namespace, "-p", broken)
    condition = gateway.refused("wsroute", tenant.namespace, "echo", "ResolvedRefs")
    assert condition["reason"] == "InvalidCertificateRef"
    assert "tls.crt holds no certificates in PEM" in condition["message"]
    async with connect(plane, tenant.host, "/echo", token) as client:
        assert await echoes(client)


@pytest.mark.parametrize("how", ["grant", "secret"])
@asynchronous
async def test_what_is_taken_back_ends_its_route_and_leaves_no_copy(
    gateway: Gateway, tenant: Tenant, how: str
) -> None:
    serve(gateway, tenant, "leaving")
    gateway.route(tenant.namespace, "other")
    plane, token = gateway.planes[0], gateway.services.token()
    await eventually(partial(opens, plane, tenant.host, "/echo", token), "the pod has the certificate")
    before = gateway.copies()
    async with (
        connect(plane, tenant.host, "/echo", token) as client,
        connect(plane, tenant.host, "/other", token) as bystander,
    ):
        if how == "grant":
            grant(gateway, tenant, "delete")
        else:
            tenant.kubectl("delete", "secret", "client", "-n", tenant.namespace)
        assert (await closed(client)).code == 1012
        assert await echoes(bystander)
    wait_until(lambda: len(gateway.copies()) == len(before) - 1, "its copy is gone")
    reason = {"grant": "RefNotPermitted", "secret": "InvalidCertificateRef"}[how]
    assert gateway.condition("wsroute", tenant.namespace, "echo", "ResolvedRefs")["reason"] == reason
    assert (await refusal(plane, tenant.host, "/echo", token)).status in (404, 503)


@asynchronous
async def test_anothers_secret_is_neither_read_nor_shown(
    gateway: Gateway, tenant: Tenant, other_tenant: Tenant
) -> None:
    serve(gateway, tenant, "victim")
    other_tenant.kubectl.apply(secured(gateway, other_tenant.namespace))
    condition = gateway.refused("wsroute", other_tenant.namespace, "echo", "ResolvedRefs")
    assert condition["reason"] == "RefNotPermitted"
    assert f"Secret {other_tenant.namespace}/client" in condition["message"]
    assert tenant.namespace not in condition["message"]
    shown = len(gateway.services.shown)
    assert (await refusal(gateway.planes[0], other_tenant.host, "/echo", gateway.services.token())).status == 404
    assert len(gateway.services.shown) == shown
    for spec in ({"name": f"../{tenant.namespace}/client"}, {"name": "client", "namespace": tenant.namespace}):
        route = secured(gateway, other_tenant.namespace)
        route["spec"]["upstreamTLS"]["clientCertificateRef"] = spec
        assert "clientCertificateRef" in other_tenant.kubectl.apply_refusal(route)
    (copy,) = {name.removesuffix(".pem") for name in _copies_of(gateway, tenant)}
    route = secured(gateway, other_tenant.namespace)
    route["spec"]["clientCertificate"] = copy
    assert "clientCertificate" in other_tenant.kubectl.apply_refusal(route)


def test_nothing_of_a_secret_stands_where_others_read(gateway: Gateway, tenant: Tenant) -> None:
    path = serve(gateway, tenant, "quiet")
    # From the middle, where no certificate is like another.
    key, certificate = path.read_text().splitlines()[2], path.with_suffix(".crt").read_text().splitlines()[5]
    rendered = json.dumps(gateway.config_map("wsgate-routes"))
    route = tenant.kubectl("get", "wsroute", "echo", "-n", tenant.namespace, "-o", "yaml")
    events = gateway.kubectl("get", "events", "-A", "-o", "yaml")
    logs = "".join(daemon.text() for daemon in gateway.daemons)
    for text in (rendered, route, events, logs):
        assert key not in text and certificate not in text
    assert "Forbidden" in tenant.kubectl.refusal("get", "secret", SECRET, "-n", NAMESPACE)


def test_the_operator_may_read_no_secret_that_was_not_granted(gateway: Gateway, tenant: Tenant) -> None:
    serve(gateway, tenant, "granted")
    operator = f"--as=system:serviceaccount:{gateway.operator.SERVICE_ACCOUNT}"
    for verb, what, namespace in (
        ("get", "secrets/other", tenant.namespace),
        ("list", "secrets", tenant.namespace),
        ("watch", "secrets", tenant.namespace),
        ("update", "secrets/client", tenant.namespace),
        ("get", "secrets/wsgate-redis", NAMESPACE),
        ("list", "secrets", NAMESPACE),
    ):
        assert gateway.kubectl.run("auth", "can-i", verb, what, "-n", namespace, operator).stdout.strip() == "no"
    can = gateway.kubectl.run("auth", "can-i", "get", "secrets/client", "-n", tenant.namespace, operator)
    assert can.stdout.strip() == "yes"


def _copies_of(gateway: Gateway, tenant: Tenant) -> set[str]:
    """Names of the copies that the routes of a tenant name."""
    return gateway.copies().keys() & {file_name(certificate_id(tenant.namespace, "client"))}
