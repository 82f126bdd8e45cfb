"""A handshake is read by RFC 6455 4.2.1 into an offer, or refused with the rule it broke."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsgate_dataplane.handshake.request import Headers, Request, WebSocketOffer, accept_of, read_offer
from wsgate_dataplane.outcomes.refusal import Refused
from wsgate_dataplane.outcomes.table import Reason

KEY = "dGhlIHNhbXBsZSBub25jZQ=="
ACCEPT = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
"""The example of RFC 6455 1.3."""
NEEDED = {
    "Host": "gateway.test",
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": KEY,
}


def request(
    *further: tuple[str, str], method: str = "GET", has_body: bool = False, **changed: str | None
) -> Request:
    """A good handshake with some headers changed (None: left out) and further ones."""
    fields = NEEDED | {name.replace("_", "-"): value for name, value in changed.items()}
    kept = tuple((name, value) for name, value in fields.items() if value is not None)
    return Request(method, "/chat", "", (*kept, *further), "192.0.2.1", "r-1", has_body=has_body)


def refusal(asked: Request) -> Reason:
    with pytest.raises(Refused) as caught:
        read_offer(asked)
    return caught.value.reason


def test_a_minimal_handshake_offers_nothing_but_its_key() -> None:
    assert read_offer(request()) == WebSocketOffer(KEY, ACCEPT, (), ())


def test_the_accept_is_the_one_of_the_rfcs_example() -> None:
    assert accept_of(KEY) == ACCEPT


@pytest.mark.parametrize(
    "asked",
    [
        request(Upgrade="WebSocket", Connection="upgrade"),
        request(Connection="keep-alive, Upgrade"),
        request(("connection", "UPGRADE"), Connection="keep-alive"),
        request(upgrade="websocket", Upgrade=None),
    ],
)
def test_names_and_tokens_count_in_any_case_and_in_lists(asked: Request) -> None:
    assert read_offer(asked).accept == ACCEPT


@pytest.mark.parametrize(
    ("asked", "reason"),
    [
        (request(method="POST"), Reason.METHOD_NOT_ALLOWED),
        (request(method="HEAD"), Reason.METHOD_NOT_ALLOWED),
        (request(method="get"), Reason.METHOD_NOT_ALLOWED),
        (request(Upgrade=None), Reason.UPGRADE_REQUIRED),
        (request(Upgrade="h2c"), Reason.UPGRADE_REQUIRED),
        (request(Connection=None), Reason.UPGRADE_REQUIRED),
        (request(Connection="keep-alive"), Reason.UPGRADE_REQUIRED),
        (request(has_body=True), Reason.REQUEST_MALFORMED),
        (request(Sec_WebSocket_Version=None), Reason.WEBSOCKET_VERSION),
        (request(Sec_WebSocket_Version="8"), Reason.WEBSOCKET_VERSION),
        (request(Sec_WebSocket_Version="13, 8"), Reason.WEBSOCKET_VERSION),
        (request(("Sec-WebSocket-Version", "13")), Reason.REQUEST_MALFORMED),
        (request(("sec-websocket-key", KEY)), Reason.REQUEST_MALFORMED),
        (request(Sec_WebSocket_Key=None), Reason.REQUEST_MALFORMED),
        (request(Sec_WebSocket_Key=""), Reason.REQUEST_MALFORMED),
        (request(Sec_WebSocket_Key="c2hvcnQ="), Reason.REQUEST_MALFORMED),
        (request(Sec_WebSocket_Key=KEY + "AAAA"), Reason.REQUEST_MALFORMED),
        (request(Sec_WebSocket_Key=KEY[:-1]), Reason.REQUEST_MALFORMED),
        (request(Sec_WebSocket_Key="-" + KEY[1:]), Reason.REQUEST_MALFORMED),
        (request(Sec_WebSocket_Key="ä" + KEY[1:]), Reason.REQUEST_MALFORMED),
    ],
)
def test_each_broken_rule_has_its_reason(asked: Request, reason: Reason) -> None:
    assert refusal(asked) is reason


def test_subprotocols_keep_their_order_over_several_headers() -> None:
    asked = request(("Sec-WebSocket-Protocol", "mqtt, ,chat"), ("sec-websocket-protocol", "v1.stomp"))
    assert read_offer(asked).subprotocols == ("mqtt", "chat", "v1.stomp")


def test_a_subprotocol_offered_twice_is_malformed() -> None:
    assert refusal(request(Sec_WebSocket_Protocol="chat, mqtt, chat")) is Reason.REQUEST_MALFORMED


@pytest.mark.parametrize("value", ["€", "ü", "a b", "a\tb", "a\x01", "\udcff", "chat, €", "\x7f"])
def test_a_subprotocol_outside_of_printable_ascii_is_malformed(value: str) -> None:
    # It is written into the 101 when the connection has left aiohttp already: no error may come there.
    assert refusal(request(Sec_WebSocket_Protocol=value)) is Reason.REQUEST_MALFORMED


def test_only_permessage_deflate_is_taken_over_of_the_extensions() -> None:
    offered = "x-webkit-deflate-frame, permessage-deflate; client_max_window_bits, permessage-deflate"
    expected = ("permessage-deflate; client_max_window_bits", "permessage-deflate")
    assert read_offer(request(Sec_WebSocket_Extensions=offered)).extensions == expected


def test_a_header_that_may_stand_once_is_malformed_when_it_stands_twice() -> None:
    with pytest.raises(Refused) as caught:
        request(("host", "other.test")).one("host")
    assert caught.value.reason is Reason.REQUEST_MALFORMED


def test_headers_are_found_in_any_case_and_keep_their_order() -> None:
    asked = request(("X-A", "1"), ("x-a", "2"))
    assert list(asked.all("x-a")) == ["1", "2"]
    assert asked.one("x-b") is None
    assert asked.items("x-b") == ()


@given(
    st.lists(
        st.tuples(
            st.sampled_from(
                [
                    "Sec-WebSocket-Protocol",
                    "Sec-WebSocket-Extensions",
                    "Sec-WebSocket-Key",
                    "Upgrade",
                    "Connection",
                ]
            ),
            st.text(max_size=30) | st.sampled_from(["Upgrade", "websocket", KEY, "chat", "permessage-deflate"]),
        ),
        max_size=5,
    ),
    st.sampled_from([request().headers, ()]),
)
def test_any_headers_give_an_offer_that_fits_on_the_wire_or_a_refusal(
    headers: list[tuple[str, str]], before: Headers
) -> None:
    asked = Request("GET", "/", "", (*before, *headers), "192.0.2.1", "r-1")
    try:
        offer = read_offer(asked)
    except Refused:
        return
    " ".join((offer.key, offer.accept, *offer.subprotocols)).encode("ascii")


def test_another_protocol_beside_websocket_is_refused() -> None:
    # aiohttp would not see an upgrade and read early frames as HTTP.
    with pytest.raises(Refused) as refused:
        read_offer(request(Upgrade="h2c, websocket"))
    assert refused.value.reason is Reason.UPGRADE_REQUIRED
