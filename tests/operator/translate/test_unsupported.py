"""What is not built is refused where ignoring it would be unsafe, and else warned of."""

from typing import Any

import pytest

from tests.operator.objects import wsroute
from wsgate_operator.translate.unsupported import IGNORED, REFUSED, refusal_of, warnings_of


def auth_with(**provider: Any) -> dict[str, Any]:
    given = {"issuer": "https://id", "audiences": ["a"], "jwks": {"uri": "https://id/keys"}, **provider}
    return {"providers": [given]}


ASKS_FOR_REFUSED = [
    {"protocol": "MQTT"},
    {"mqtt": {"clientID": "Prefix"}},
    {"auth": {"tokenSources": ["MQTTPassword"]}},
    {"auth": {"replay": "OncePerToken"}},
    {"auth": auth_with(introspection={"url": "https://id/i", "credentialsRef": {"name": "s"}})},
    {"rateLimit": {}},
    {"upstreamTLS": {"clientCertificateRef": {"name": "s"}}},
]
ASKS_FOR_IGNORED = [
    {"auth": {"tokenSources": ["Header", "FirstMessage"]}},
    {"auth": {"forward": {"roles": {"userProperty": "r"}}}},
    {"auth": {"forward": {"mqttPassword": "Strip"}}},
    {"limits": {"firstMessageSeconds": 1}},
]


@pytest.mark.parametrize(("row", "spec"), list(zip(REFUSED, ASKS_FOR_REFUSED, strict=True)))
def test_each_refused_feature_is_named_with_advice(row: Any, spec: dict[str, Any]) -> None:
    assert refusal_of(wsroute(**spec).spec) == f"{row.field} is not supported yet: {row.advice}"


@pytest.mark.parametrize(("row", "spec"), list(zip(IGNORED, ASKS_FOR_IGNORED, strict=True)))
def test_each_ignored_feature_is_warned_of(row: Any, spec: dict[str, Any]) -> None:
    found = wsroute(**spec).spec
    assert refusal_of(found) is None
    assert warnings_of(found) == (f"{row.field} has no effect yet: {row.advice}",)


def test_a_plain_route_needs_no_word() -> None:
    spec = wsroute(auth=auth_with(jwks={"inline": "{}"})).spec
    assert (refusal_of(spec), warnings_of(spec)) == (None, ())


def test_several_refused_features_are_named_at_once() -> None:
    refusal = refusal_of(wsroute(protocol="MQTT", rateLimit={}).spec)
    assert refusal is not None
    assert refusal.count("is not supported yet") == 2
