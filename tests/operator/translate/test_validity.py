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
            "checks no token, yet providers or claims are given",
        ),
        (
            {"auth": {"mode": "Anonymous", "providers": [provider(uri="https://id/keys")]}},
            "remove them, or the mode",
        ),
        (
            {"auth": {"providers": [provider(uri="https://id/keys"), provider(inline="{}")]}},
            "spec.auth.providers[1].jwks.inline is not a JSON Web Key Set",
        ),
        ({"auth": {"providers": [provider(inline="[" * 60000)]}}, "is not a JSON Web Key Set"),
        ({"upstreams": [{"url": "ws://a", "weight": 0}]}, "give one a weight of 1"),
        ({"protocol": "MQTT"}, "is not supported yet"),
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
