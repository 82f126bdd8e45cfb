"""What is not built is refused, since ignoring it would be unsafe."""

from typing import Any

import pytest

from tests.operator.objects import wsroute
from wsgate_operator.translate.unsupported import REFUSED, refusal_of


def auth_with(**provider: Any) -> dict[str, Any]:
    given = {"issuer": "https://id", "audiences": ["a"], "jwks": {"uri": "https://id/keys"}, **provider}
    return {"providers": [given]}


ASKS_FOR_REFUSED = [
    {"mqtt": {"topics": {"publish": ["a/#"]}}},
    {"auth": {"replay": "OncePerToken"}},
    {"auth": auth_with(introspection={"url": "https://id/i", "credentialsRef": {"name": "s"}})},
]


@pytest.mark.parametrize(("row", "spec"), list(zip(REFUSED, ASKS_FOR_REFUSED, strict=True)))
def test_each_refused_feature_is_named_with_advice(row: Any, spec: dict[str, Any]) -> None:
    assert refusal_of(wsroute(**spec).spec) == f"{row.field} is not supported yet: {row.advice}"


def test_a_plain_route_needs_no_word() -> None:
    spec = wsroute(auth=auth_with(jwks={"inline": "{}"})).spec
    assert refusal_of(spec) is None


def test_several_refused_features_are_named_at_once() -> None:
    refusal = refusal_of(wsroute(mqtt={"topics": {"publish": ["a"]}}, auth={"replay": "BindToIP"}).spec)
    assert refusal is not None
    assert refusal.count("is not supported yet") == 2
