"""A route that would be served wrongly is invalid, with the way out."""

from dataclasses import replace
from typing import Any

import pytest

from tests.operator.objects import STANDALONE, wsroute
from wsgate_operator.translate.validity import invalidity_of


def provider(**jwks: str) -> dict[str, Any]:
    return {"issuer": "https://id", "audiences": ["a"], "jwks": jwks}


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        (
            {"auth": {"mode": "Anonymous", "claims": [{"claim": "a", "anyOf": ["b"]}]}},
            "checks no token, yet spec.auth.claims would need one",
        ),
        (
            {"auth": {"mode": "Anonymous", "providers": [provider(uri="https://id/keys")]}},
            "remove that, or the mode",
        ),
        (
            {
                "auth": {
                    "mode": "Anonymous",
                    "forward": {"claimToHeaders": [{"claim": "sub", "header": "X-Id"}]},
                },
                "limits": {"maxConnectionsPerSubject": 1},
            },
            "yet spec.auth.forward.claimToHeaders and spec.limits.maxConnectionsPerSubject would need one",
        ),
        (
            {"auth": {"providers": [provider(uri="https://id/keys"), provider(inline="{}")]}},
            "spec.auth.providers[1].jwks.inline is not a JSON Web Key Set",
        ),
        ({"auth": {"providers": [provider(inline="[" * 60000)]}}, "is not a JSON Web Key Set"),
        ({"upstreams": [{"url": "ws://a", "weight": 0}]}, "give one a weight of 1"),
        ({"auth": {"replay": "BindToIP"}}, "is not supported yet"),
        (
            {
                "upstreams": [{"url": "wss://a"}, {"url": "ws://b"}],
                "upstreamTLS": {"clientCertificateRef": {"name": "client"}},
            },
            "a ws:// upstream is shown no certificate: write wss:// everywhere",
        ),
    ],
)
def test_a_route_that_would_be_served_wrongly_is_invalid(spec: dict[str, Any], says: str) -> None:
    assert says in (invalidity_of(wsroute(**spec).spec, STANDALONE) or "")


def test_without_any_provider_both_ways_out_are_named() -> None:
    without = replace(STANDALONE, has_environment_provider=False)
    fault = invalidity_of(wsroute().spec, without) or ""
    assert "spec.auth.providers" in fault
    assert "JWKS_URL" in fault


def test_a_good_route_has_no_fault() -> None:
    assert invalidity_of(wsroute().spec, STANDALONE) is None
    inline = wsroute(auth={"providers": [provider(inline='{"keys": []}')]})
    assert invalidity_of(inline.spec, STANDALONE) is None


@pytest.mark.parametrize(
    ("forward", "field"),
    [
        ({"roles": {"header": "Host"}}, "spec.auth.forward.roles.header: Host"),
        ({"roles": {"header": "Sec-WebSocket-Key"}}, "spec.auth.forward.roles.header: Sec-WebSocket-Key"),
        (
            {"claimToHeaders": [{"claim": "sub", "header": "X-Id"}, {"claim": "sub", "header": "authorization"}]},
            "spec.auth.forward.claimToHeaders[1].header: authorization",
        ),
        (
            {"claimToHeaders": [{"claim": "sub", "header": "x-user-roles"}]},
            "is also that of spec.auth.forward.roles",
        ),
    ],
)
def test_an_identity_header_is_no_header_of_the_gateways_and_no_other_ones(
    forward: dict[str, Any], field: str
) -> None:
    found = invalidity_of(wsroute(auth={"forward": forward}).spec, STANDALONE)
    assert found is not None and field in found


def test_identity_headers_of_ones_own_names_are_fine() -> None:
    forward = {"roles": {"header": "X-Roles"}, "claimToHeaders": [{"claim": "sub", "header": "X-User-Roles"}]}
    assert invalidity_of(wsroute(auth={"forward": forward}).spec, STANDALONE) is None
