"""The upstream is sent an allowlist, the client what the upstream chose."""

from collections.abc import Iterable
from typing import Any

import pytest

from wsgate_contract.route import Route
from wsgate_dataplane.handshake.forward import (
    check_loop,
    echoed_subprotocol,
    in_band_offer,
    passed_headers,
    switching_protocols,
    switching_protocols_early,
    upstream_head,
    upstream_offer,
)
from wsgate_dataplane.handshake.request import Request, WebSocketOffer
from wsgate_dataplane.identity.sources import BEARER_IN_BASE64URL
from wsgate_dataplane.outcomes.refusal import Refused
from wsgate_dataplane.outcomes.table import Reason
from wsgate_dataplane.protocols.detect import Protocol
from wsgate_dataplane.upstreams.answer import Answer
from wsgate_dataplane.upstreams.dial import Target
from wsgate_dataplane.values import changed

OFFER = WebSocketOffer("key", "accept", ("chat", "mqtt"), ("permessage-deflate",))
PLAIN = WebSocketOffer("key", "accept", (), ())
TARGET = Target.from_url("ws://backend.test:9000/ws")


def route(**fields: Any) -> Route:
    document = {"namespace": "shop", "name": "chat", "prefix": "/chat", "upstream": "ws://backend.test:9000/ws"}
    return Route.from_document(document | fields)


def request(*headers: tuple[str, str], is_secure: bool = False) -> Request:
    kept = (("Host", "gateway.test"), *headers)
    return Request("GET", "/chat", "", kept, "198.51.100.7", "r-1", is_secure=is_secure)


def sent(
    *headers: tuple[str, str],
    to: Route | None = None,
    offer: WebSocketOffer = PLAIN,
    cookie_name: str | None = None,
    is_secure: bool = False,
    is_checked: bool = True,
) -> list[tuple[str, str]]:
    """What goes upstream of a request with these headers."""
    asked = request(*headers, is_secure=is_secure)
    served = to or route()
    passed = passed_headers(served)
    narrowed = upstream_offer(served, "raw", offer)
    head = upstream_head("/ws?q=1", served, TARGET, asked, narrowed, cookie_name, passed, is_checked=is_checked)
    line, *lines = head.decode("utf-8", "surrogateescape").removesuffix("\r\n\r\n").split("\r\n")
    assert line == "GET /ws?q=1 HTTP/1.1"
    return [(name, value) for name, _, value in (each.partition(": ") for each in lines)]


def values(headers: Iterable[tuple[str, str]], name: str) -> list[str]:
    return [value for found, value in headers if found.lower() == name.lower()]


OWN = [
    ("Host", "backend.test:9000"),
    ("Upgrade", "websocket"),
    ("Connection", "Upgrade"),
    ("Sec-WebSocket-Version", "13"),
    ("Sec-WebSocket-Key", "key"),
    ("X-Request-Id", "r-1"),
    ("X-Forwarded-For", "198.51.100.7"),
    ("X-Forwarded-Host", "gateway.test"),
    ("X-Forwarded-Proto", "http"),
    ("Via", "1.1 wsgate"),
]


def test_a_bare_request_goes_upstream_with_the_gateways_own_headers_alone() -> None:
    assert sent() == OWN


def test_the_headers_of_the_allowlist_pass_as_they_are() -> None:
    passed = [
        ("Origin", "https://app.test"),
        ("user-agent", "browser/1 (ä)"),
        ("Accept-Language", "de"),
        ("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
        ("tracestate", "a=1"),
    ]
    assert sent(*passed) == OWN + passed


HOSTILE = [
    "X-User-Roles",
    "X_User_Roles",
    "X-Forwarded-For",
    "X_Forwarded_For",
    "X-Forwarded-Host",
    "X-Forwarded-Proto",
    "Forwarded",
    "X-Request-Id",
    "X-Real-IP",
    "X-Remote-User",
    "Connection",
    "Keep-Alive",
    "TE",
    "Trailer",
    "Transfer-Encoding",
    "Content-Length",
    "Proxy-Authorization",
    "Proxy-Connection",
    "Sec-WebSocket-Key",
    "Sec-WebSocket-Version",
    "Sec-WebSocket-Accept",
    "Sec-WebSocket-Protocol",
    "Sec-WebSocket-Extensions",
    "Accept",
    "X-Anything",
]


@pytest.mark.parametrize("name", HOSTILE)
def test_whatever_is_not_allowed_does_not_pass(name: str) -> None:
    assert sent((name, "forged"), (name.upper(), "forged"), (name.lower(), "forged")) == OWN


@pytest.mark.parametrize(
    "name", [name for name in HOSTILE if not name.startswith(("X-Re", "X-A", "Acc")) and "_" not in name]
)
def test_naming_a_header_of_the_gateway_or_of_one_hop_does_not_bring_it_back(name: str) -> None:
    named = route(auth={"forward": {"requestHeaders": [name]}})
    assert sent((name, "forged"), (name.replace("-", "_"), "forged"), to=named) == OWN


def test_a_named_header_passes_in_any_case_with_its_duplicates_but_not_in_another_spelling() -> None:
    named = route(auth={"forward": {"requestHeaders": ["X-Tenant"]}})
    headers = sent(("x-tenant", "a"), ("X-TENANT", "b"), ("X_Tenant", "c"), ("X-Tenants", "d"), to=named)
    assert headers == [*OWN, ("x-tenant", "a"), ("X-TENANT", "b")]


@pytest.mark.parametrize("name", ["X-Roles", "x-plan", "X_Roles", "X_PLAN", "x_user_roles", "X-User-Roles"])
def test_a_client_cannot_send_an_identity_header_in_either_spelling_even_if_it_is_named(name: str) -> None:
    forward = {
        "roles": {"header": "X-Roles"},
        "claimToHeaders": [{"claim": "plan", "header": "X-Plan"}],
        "requestHeaders": ["X-Roles", "X-Plan", "X-User-Roles"],
    }
    assert sent((name, "admin"), to=route(auth={"forward": forward})) == OWN


def test_an_identity_header_that_would_pass_by_itself_is_dropped() -> None:
    forward = {"roles": {"header": "User-Agent"}, "claimToHeaders": [{"claim": "t", "header": "Tracestate"}]}
    assert sent(("User-Agent", "admin"), ("tracestate", "t=1"), to=route(auth={"forward": forward})) == OWN


def test_the_tokens_cookie_is_removed_and_the_others_are_kept() -> None:
    headers = sent(("Cookie", "a=1; session=ey.J.x; b=2"), ("cookie", "session=ey.J.x"), cookie_name="session")
    (kept,) = values(headers, "cookie")
    assert [pair.strip() for pair in kept.split(";")] == ["a=1", "b=2"]


def test_without_a_token_cookie_all_cookies_are_kept() -> None:
    assert values(sent(("Cookie", "a=1; session=x")), "cookie") == ["a=1; session=x"]


def test_authorization_is_forwarded_unless_the_route_strips_it() -> None:
    assert values(sent(("authorization", "Bearer t")), "Authorization") == ["Bearer t"]
    stripping = route(auth={"forward": {"authorization": "Strip", "requestHeaders": ["Authorization"]}})
    assert sent(("authorization", "Bearer t"), ("AUTHORIZATION", "Basic x"), to=stripping) == OWN


def test_the_host_is_the_upstreams_or_the_clients() -> None:
    assert values(sent(), "Host") == ["backend.test:9000"]
    original = sent(to=route(hostHeader="Original"))
    assert values(original, "Host") == values(original, "X-Forwarded-Host") == ["gateway.test"]


def test_the_clients_own_tls_is_told_upstream() -> None:
    assert values(sent(is_secure=True), "X-Forwarded-Proto") == ["https"]


def test_what_is_not_utf8_arrives_as_it_came() -> None:
    asked = request(("User-Agent", "\u00e4\udcff"))
    head = upstream_head("/", route(), TARGET, asked, PLAIN, None, passed_headers(route()), is_checked=True)
    assert head.endswith(b"\r\nVia: 1.1 wsgate\r\nUser-Agent: \xc3\xa4\xff\r\n\r\n")


def test_the_offer_goes_upstream_in_order() -> None:
    headers = sent(offer=OFFER)
    assert values(headers, "Sec-WebSocket-Protocol") == ["chat, mqtt"]
    assert values(headers, "Sec-WebSocket-Extensions") == ["permessage-deflate"]
    assert upstream_offer(route(), "raw", OFFER).subprotocols == ("chat", "mqtt")


def test_without_copying_no_subprotocol_is_offered_upstream() -> None:
    keeping = route(copySubProtocol=False)
    assert values(sent(offer=OFFER, to=keeping), "Sec-WebSocket-Protocol") == []
    assert upstream_offer(keeping, "raw", OFFER).subprotocols == ()
    assert upstream_offer(keeping, "raw", OFFER).extensions == ("permessage-deflate",)


def head_of(answer: bytes) -> tuple[str, dict[str, list[str]]]:
    """Status line and header values of an answer; nothing follows its blank line."""
    head, _, rest = answer.partition(b"\r\n\r\n")
    assert rest == b""
    status, *lines = head.decode("latin-1").split("\r\n")
    fields: dict[str, list[str]] = {}
    for line in lines:
        name, _, value = line.partition(": ")
        fields.setdefault(name, []).append(value)
    return status, fields


PLAIN_101 = {
    "Upgrade": ["websocket"],
    "Connection": ["Upgrade"],
    "Sec-WebSocket-Accept": ["accept"],
    "X-Request-Id": ["r-1"],
}


def test_the_clients_101_proves_the_clients_key() -> None:
    status, fields = head_of(switching_protocols(route(), "raw", PLAIN, Answer(None, None), "r-1"))
    assert status == "HTTP/1.1 101 Switching Protocols"
    assert fields == PLAIN_101


def test_the_clients_101_says_what_the_upstream_chose_and_hands_on_its_cookies() -> None:
    answer = Answer("mqtt", "permessage-deflate; x=1", ("node=\xe4", "zone=b; Path=/"))
    _, fields = head_of(switching_protocols(route(), "raw", OFFER, answer, "r-1"))
    assert fields == PLAIN_101 | {
        "Set-Cookie": ["node=\xe4", "zone=b; Path=/"],
        "Sec-WebSocket-Protocol": ["mqtt"],
        "Sec-WebSocket-Extensions": ["permessage-deflate; x=1"],
    }


def test_an_upstream_that_chose_no_subprotocol_is_not_overruled() -> None:
    assert head_of(switching_protocols(route(), "raw", OFFER, Answer(None, None), "r-1"))[1] == PLAIN_101


@pytest.mark.parametrize(("offer", "chosen"), [(OFFER, ["chat"]), (PLAIN, [])], ids=["some", "none"])
def test_without_copying_the_client_is_answered_with_its_first_subprotocol(
    offer: WebSocketOffer, chosen: list[str]
) -> None:
    _, fields = head_of(switching_protocols(route(copySubProtocol=False), "raw", offer, Answer(None, None), "r-1"))
    assert fields.get("Sec-WebSocket-Protocol", []) == chosen


def test_a_101_before_the_upstreams_echoes_the_first_subprotocol_and_no_extension() -> None:
    _, fields = head_of(switching_protocols_early("raw", OFFER, "r-1"))
    assert fields == PLAIN_101 | {"Sec-WebSocket-Protocol": ["chat"]}
    assert head_of(switching_protocols_early("raw", PLAIN, "r-1"))[1] == PLAIN_101


def test_an_authorization_header_that_nobody_checked_is_not_sent_upstream() -> None:
    assert values(sent(("Authorization", "Bearer forged"), is_checked=False), "authorization") == []
    assert values(sent(("Authorization", "Bearer good")), "authorization") == ["Bearer good"]


def test_a_subprotocol_that_carries_a_token_is_never_echoed() -> None:
    for only, echoed in ((("bearer.secret", "chat.v1"), "chat.v1"), ((f"{BEARER_IN_BASE64URL}c2VjcmV0",), None)):
        assert echoed_subprotocol("raw", changed(PLAIN, subprotocols=only)) == echoed


MQTT_OFFERS = [
    # offered, offered upstream, told to the client in band
    (("mqtt",), ("mqtt",), "mqtt"),
    (("chat", "mqttv3.1", "mqtt"), ("chat", "mqttv3.1", "mqtt"), "mqttv3.1"),
    (("chat",), ("chat", "mqtt"), "chat"),
    ((), ("mqtt",), None),
]


@pytest.mark.parametrize(("offered", "sent_upstream", "told"), MQTT_OFFERS, ids=str)
def test_a_broker_is_offered_its_own_subprotocol_and_no_extension(
    offered: tuple[str, ...], sent_upstream: tuple[str, ...], told: str | None
) -> None:
    offer = changed(OFFER, subprotocols=offered)
    asked = upstream_offer(route(), "mqtt", offer)
    assert (asked.subprotocols, asked.extensions) == (sent_upstream, ())
    alone = upstream_offer(route(copySubProtocol=False), "mqtt", offer).subprotocols
    assert alone == (next((each for each in offered if each.startswith("mqtt")), "mqtt"),)
    assert echoed_subprotocol("mqtt", offer) == told


@pytest.mark.parametrize(
    ("offered", "protocol", "sent_upstream"),
    [
        (("a", "b"), "raw", ("a",)),
        ((), "raw", ()),
        (("a", "mqtt"), "mqtt", ("mqtt",)),
        ((), "mqtt", ("mqtt",)),
    ],
    ids=str,
)
def test_in_band_the_upstream_is_offered_what_the_client_was_told(
    offered: tuple[str, ...], protocol: Protocol, sent_upstream: tuple[str, ...]
) -> None:
    asked = in_band_offer(route(), protocol, changed(OFFER, subprotocols=offered))
    assert (asked.subprotocols, asked.extensions) == (sent_upstream, ())


def test_a_client_is_not_told_of_a_subprotocol_that_it_did_not_offer() -> None:
    _, fields = head_of(switching_protocols(route(), "mqtt", PLAIN, Answer("mqtt", None), "r-1"))
    assert fields == PLAIN_101


def test_the_gateway_adds_itself_to_the_via_that_came() -> None:
    named = route(auth={"forward": {"requestHeaders": ["Via"]}})
    found = sent(("via", "1.0 fred, 1.1 p.example.net (a comment)"), ("Via", "1.1 wsgate"), to=named)
    assert values(found, "via") == ["1.0 fred, 1.1 p.example.net (a comment), 1.1 wsgate, 1.1 wsgate"]


@pytest.mark.parametrize(
    "via", [(), ("1.1 wsgate, 1.1 wsgate", "1.1 wsgate"), ("1.1 a, 1.1 wsgates, wsgate, x, ",)]
)
def test_a_request_may_come_through_several_gateways(via: tuple[str, ...]) -> None:
    check_loop(request(*(("Via", value) for value in via)))


@pytest.mark.parametrize(
    "via", [("1.1 wsgate",) * 4, ("1.1 wsgate, 1.1 p,1.1 wsgate (x)", "1.1  wsgate", "2 wsgate")]
)
def test_a_request_that_gateways_have_sent_round_is_refused(via: tuple[str, ...]) -> None:
    with pytest.raises(Refused) as caught:
        check_loop(request(*(("Via", value) for value in via)))
    assert caught.value.reason is Reason.LOOP_DETECTED
