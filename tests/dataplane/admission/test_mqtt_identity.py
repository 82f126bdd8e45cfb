"""What a broker is told of a client cannot be another client's, whatever the token says."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsgate_contract.route import Route
from wsgate_dataplane.admission.claims import Claims
from wsgate_dataplane.admission.mqtt_identity import identified
from wsgate_dataplane.outcomes.refusal import Refused
from wsgate_dataplane.outcomes.table import Reason
from wsgate_dataplane.protocols.mqtt.connect import Connect
from wsgate_dataplane.protocols.mqtt.properties import USER_PROPERTY

CONNECT = Connect(5, clean_start=True, keep_alive=60, client_id="robot", user_name="u", password=b"p")


def route(**fields: Any) -> Route:
    return Route.from_document({"namespace": "n", "name": "m", "prefix": "/m", "upstream": "ws://b/", **fields})


def claims(**payload: Any) -> Claims:
    return Claims.from_payload({"exp": 1, **payload})


def client_id(rule: str, token: Claims | None, sent: str = "robot") -> str:
    connect = Connect(5, clean_start=True, keep_alive=60, client_id=sent)
    return identified(connect, route(mqtt={"clientID": rule}), token, (), "Header").client_id


def test_by_default_nothing_is_changed() -> None:
    assert identified(CONNECT, route(), claims(sub="a"), (), "MQTTPassword") == CONNECT


def test_only_a_password_that_was_the_token_is_taken_out() -> None:
    strict = route(auth={"forward": {"mqttPassword": "Strip"}})
    assert identified(CONNECT, strict, claims(), (), "MQTTPassword").password is None
    assert identified(CONNECT, strict, claims(), (), "Header").password == b"p"


def test_roles_are_user_properties_under_the_routes_name() -> None:
    named = route(auth={"forward": {"roles": {"userProperty": "groups"}}})
    forged = Connect(
        5, clean_start=True, keep_alive=0, client_id="c", properties=((USER_PROPERTY, ("GROUPS", "admin")),)
    )
    got = identified(forged, named, claims(), ("a", "b"), "Header")
    assert got.properties == ((USER_PROPERTY, ("groups", "a")), (USER_PROPERTY, ("groups", "b")))
    assert identified(forged, named, None, (), "Header").properties == ()


TEXT = st.text(st.characters(exclude_categories=["C"]), max_size=20)


@given(TEXT, TEXT.filter(bool), TEXT, TEXT.filter(bool))
def test_prefixed_client_ids_of_two_subjects_are_never_equal(a: str, x: str, b: str, y: str) -> None:
    if a != b:
        assert client_id("Prefix", claims(sub=a), x) != client_id("Prefix", claims(sub=b), y)


def test_a_prefix_keeps_an_id_that_the_broker_shall_choose() -> None:
    assert client_id("Prefix", claims(sub="a"), "") == ""


@pytest.mark.parametrize(
    ("rule", "token"),
    [
        ("Prefix", claims()),
        ("Prefix", None),
        ("{sub}", claims()),
        ("{roles}", claims(roles=["a", "b"])),
        ("{a.b}", claims(a={"b": {}})),
        ("{sub}", None),
    ],
)
def test_without_exactly_one_value_the_client_is_refused(rule: str, token: Claims | None) -> None:
    with pytest.raises(Refused) as refused:
        client_id(rule, token)
    assert refused.value.reason is Reason.TOKEN_CLAIM_MISSING


@pytest.mark.parametrize("value", ["a\0b", "\ud800", "x" * 70_000, "a\u0007"])
def test_a_claim_that_no_packet_may_hold_refuses_the_client(value: str) -> None:
    with pytest.raises(Refused) as refused:
        client_id("{nick}", claims(nick=value))
    assert refused.value.reason is Reason.MQTT_CLIENT_ID
