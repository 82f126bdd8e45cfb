"""parse_object and parse_legacy: a value, or the documented error."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.operator.objects import document
from wsgate_operator.resources.invalid import InvalidObject
from wsgate_operator.resources.legacy import LegacyRoute
from wsgate_operator.resources.parse import is_foreign, parse_legacy, parse_object
from wsgate_operator.resources.tokenrevocation import TokenRevocation
from wsgate_operator.resources.wsroute import WsRoute

JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
KNOWN_FIELDS = (
    *("hostnames", "prefix", "upstream", "upstreams", "auth", "origins", "limits", "timeouts", "gatewayName"),
    *("jti", "subject", "tokenSHA256", "issuer", "issuedBefore", "expiresAt", "claim", "reason"),
)
TEXTS = st.sampled_from(["/a", "ws://a", "2026-01-31T18:00:00Z", "9999-12-31T23:59:60-23:59", "*.a", ""])
NEARLY_RIGHT = st.builds(
    document,
    st.sampled_from(["WsRoute", "TokenRevocation"]),
    st.just("a") | st.text(),
    st.dictionaries(st.sampled_from(KNOWN_FIELDS), TEXTS | JSON),
)


@given(JSON | NEARLY_RIGHT)
def test_any_document_ends_in_an_object_or_in_errors_with_words(anything: Any) -> None:
    try:
        found = parse_object(anything)
    except InvalidObject as error:
        assert error.errors
        assert all(fault.message for fault in error.errors)
    else:
        assert isinstance(found, WsRoute | TokenRevocation)


@given(st.lists(JSON | st.fixed_dictionaries({"prefix": st.text() | TEXTS, "upstream": TEXTS})))
def test_any_list_ends_in_legacy_routes_or_in_errors_with_words(anything: list[Any]) -> None:
    try:
        assert all(isinstance(found, LegacyRoute) for found in parse_legacy(anything))
    except InvalidObject as error:
        assert error.errors


@pytest.mark.parametrize("value", [object(), {1, 2}, 10**5000, {"a": {(1, 2): 3}}, "\ud800"], ids=lambda _: "")
def test_what_json_cannot_express_is_the_documented_error(value: object) -> None:
    with pytest.raises(InvalidObject):
        parse_object(document("WsRoute", "a", {"prefix": value}))


def test_a_bottomless_document_is_the_documented_error() -> None:
    bottomless: list[Any] = []
    for _ in range(100_000):
        bottomless = [bottomless]
    with pytest.raises(InvalidObject):
        parse_object(document("WsRoute", "a", {"prefix": bottomless}))


def test_an_object_as_the_api_server_shows_it_is_accepted() -> None:
    exported = document(
        *("WsRoute", "chat", {"prefix": "/chat", "upstream": "ws://chat"}),
        uid="4b0c",
        managedFields=[{"manager": "kubectl"}],
        labels={"a": "b"},
        creationTimestamp="2026-01-31T18:00:00Z",
    )
    exported["status"] = {"conditions": [{"type": "Accepted", "status": "True", "severity": "x"}], "later": 1}
    assert parse_object(exported).key == "default/chat"


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"kind": None}, 'kind: expected WsRoute or TokenRevocation, found nothing; write "WsRoute"'),
        ({"kind": "TokenRevocaton"}, 'write "TokenRevocation"'),
        ({"apiVersion": "v1"}, "apiVersion: expected wsgate.dev/v1alpha1"),
        ({"sepc": {}}, 'sepc: unknown field; did you mean "spec"?'),
        (
            {"metadata": {"name": "A_b"}},
            'metadata.name: expected a Kubernetes object name such as chat-route, found "A_b"',
        ),
    ],
)
def test_a_fault_outside_the_spec_names_field_and_fix(change: dict[str, Any], says: str) -> None:
    good = document("WsRoute", "a", {"prefix": "/a", "upstream": "ws://a"})
    with pytest.raises(InvalidObject) as caught:
        parse_object({**good, **change})
    assert says in str(caught.value)


def test_a_document_without_kind_names_what_to_add() -> None:
    with pytest.raises(InvalidObject, match=r"^kind: is missing; add apiVersion: wsgate\.dev/v1alpha1"):
        parse_object({"spec": {}})


def test_a_rendered_file_is_told_from_an_object() -> None:
    with pytest.raises(InvalidObject, match="rendered file"):
        parse_object({"format": 1, "version": 1, "sha256": "", "routes": []})


@pytest.mark.parametrize(
    ("found", "foreign"),
    [
        ({"apiVersion": "v1", "kind": "ConfigMap"}, True),
        ({"kind": "Deployment"}, False),
        ({"apiVersion": "wsgate.dev/v1alpha1", "kind": "WsRout"}, False),
        ({"apiVersion": "v1", "kind": "wsroute"}, False),
        ({"kind": 5}, False),
        ({}, False),
    ],
)
def test_only_what_is_surely_not_ours_is_foreign(found: dict[str, Any], *, foreign: bool) -> None:
    assert is_foreign(found) is foreign
