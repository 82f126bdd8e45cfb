"""An upstream's answer is a correct 101 or a refusal that names what was wrong."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsgate_dataplane.handshake.request import WebSocketOffer
from wsgate_dataplane.outcomes.refusal import Refused
from wsgate_dataplane.outcomes.table import Reason
from wsgate_dataplane.upstreams.answer import Answer, Offer, read_answer

ACCEPT = "ICX+Yqv66kxgM0FcWaLWlFLwTAI="
OFFER = WebSocketOffer("key", ACCEPT, ("chat", "mqtt"), ("permessage-deflate; client_max_window_bits",))
NOTHING = WebSocketOffer("key", ACCEPT, (), ())
NEEDED = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Accept": ACCEPT}


def head(*lines: str, status: str = "HTTP/1.1 101 Switching Protocols", **changed: str | None) -> bytes:
    """A good answer with some fields changed (None: left out) and further lines."""
    fields = NEEDED | {name.replace("_", "-"): value for name, value in changed.items()}
    kept = [f"{name}: {value}" for name, value in fields.items() if value is not None]
    return "\r\n".join([status, *kept, *lines]).encode("latin-1")


def refusal(answer: bytes, offer: Offer = OFFER) -> Refused:
    with pytest.raises(Refused) as caught:
        read_answer(answer, offer)
    return caught.value


@pytest.mark.parametrize(
    "answer",
    [
        head(),
        head(status="HTTP/1.1 101"),
        head(status="HTTP/1.1 101 "),
        head(Upgrade="WebSocket", Connection="upgrade"),
        head(Connection="keep-alive, Upgrade"),
        head("Connection: Upgrade", Connection="keep-alive"),
        head(Connection=" \tUPGRADE ,, close"),
        head("X-Empty:", "Server:nginx", "Date: Mon, 01 Jan 2026 00:00:00 GMT"),
        head().replace(b"Upgrade:", b"uPGRADE:").replace(b"Sec-WebSocket-Accept: ", b"SEC-WEBSOCKET-ACCEPT:\t"),
    ],
)
def test_a_correct_101_is_good_in_any_case_and_with_several_connection_tokens(answer: bytes) -> None:
    assert read_answer(answer, OFFER) == Answer(None, None)


def test_what_the_upstream_chose_and_its_cookies_are_kept() -> None:
    answer = head(
        "sec-websocket-protocol: mqtt",
        "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits=12",
        "Set-Cookie: node=a; Path=/",
        "set-cookie: zone=b",
    )
    expected = Answer("mqtt", "permessage-deflate; client_max_window_bits=12", ("node=a; Path=/", "zone=b"))
    assert read_answer(answer, OFFER) == expected


def test_an_empty_extensions_header_chooses_none() -> None:
    assert read_answer(head("Sec-WebSocket-Extensions:"), OFFER).extensions is None


@pytest.mark.parametrize(
    "status",
    [
        "HTTP/1.1 200 OK",
        "HTTP/1.1 401 Unauthorized",
        "HTTP/1.1 1011 Odd",
        "HTTP/1.1 101Odd",
        "HTTP/1.0 101 Switching Protocols",
        "HTTP/2 101",
        "ICY 101",
        "",
    ],
)
def test_any_other_status_line_is_a_refusal_that_shows_it(status: str) -> None:
    refused = refusal(head(status=status))
    assert refused.reason is Reason.UPSTREAM_REFUSED_UPGRADE
    assert status in refused.detail


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (head(Upgrade=None), "no Upgrade: websocket"),
        (head(Upgrade="h2c"), "no Upgrade: websocket"),
        (head("Upgrade: h2c"), "no Upgrade: websocket"),
        (head(Connection=None), "no Connection: Upgrade"),
        (head(Connection="keep-alive"), "no Connection: Upgrade"),
        (head(Connection="Upgraded"), "no Connection: Upgrade"),
        (head(Sec_WebSocket_Accept=None), "Sec-WebSocket-Accept"),
        (head(Sec_WebSocket_Accept="AAAAAAAAAAAAAAAAAAAAAAAAAAA="), "Sec-WebSocket-Accept"),
        (head(Sec_WebSocket_Accept=ACCEPT.lower()), "Sec-WebSocket-Accept"),
        (head(f"Sec-WebSocket-Accept: {ACCEPT}"), "Sec-WebSocket-Accept"),
    ],
)
def test_a_missing_or_wrong_proof_of_the_upgrade_is_a_refusal(answer: bytes, told: str) -> None:
    refused = refusal(answer)
    assert refused.reason is Reason.UPSTREAM_REFUSED_UPGRADE
    assert told in refused.detail


@pytest.mark.parametrize(
    "line",
    [
        "no colon",
        ": no name",
        "Space : before colon",
        " continued: line",
        "\tcontinued",
        "Set-Cookie: a=b\nSet-Cookie: injected=1",
        "Set-Cookie: a=b\rX: y",
        "Set-Cookie: a=\0b",
    ],
)
def test_a_malformed_header_line_is_a_refusal(line: str) -> None:
    # What is passed on to the client must not hold a line break of its own.
    assert "malformed header line" in refusal(head(line)).detail


@pytest.mark.parametrize("lines", [["stomp"], ["chat, mqtt"], ["chat", "mqtt"], ["Chat"], [""]], ids=str)
def test_a_subprotocol_that_was_not_offered_or_two_of_them_are_refused(lines: list[str]) -> None:
    refused = refusal(head(*(f"Sec-WebSocket-Protocol: {value}" for value in lines)))
    assert refused.reason is Reason.UPSTREAM_SUBPROTOCOL


def test_a_subprotocol_where_none_was_offered_is_refused() -> None:
    refused = refusal(head("Sec-WebSocket-Protocol: chat"), NOTHING)
    assert refused.reason is Reason.UPSTREAM_SUBPROTOCOL


@pytest.mark.parametrize(
    "value", ["x-webkit-deflate-frame", "permessage-deflate, permessage-bzip2", "permessage-deflatex"]
)
def test_an_extension_that_was_not_offered_is_refused(value: str) -> None:
    refused = refusal(head(f"Sec-WebSocket-Extensions: {value}"))
    assert refused.reason is Reason.UPSTREAM_REFUSED_UPGRADE
    assert "was not offered" in refused.detail


def test_an_extension_where_none_was_offered_is_refused() -> None:
    assert "was not offered" in refusal(head("Sec-WebSocket-Extensions: permessage-deflate"), NOTHING).detail


def test_a_hostile_answer_does_not_fill_the_log() -> None:
    long = "x" * 10_000
    answers = [head(status=long), head(long), head(f"Sec-WebSocket-Protocol: {long}")]
    answers.append(head(f"Sec-WebSocket-Extensions: {long}"))
    assert all(len(refusal(answer).detail) < 300 for answer in answers)


def outcome(answer: bytes) -> Answer | Refused:
    try:
        return read_answer(answer, OFFER)
    except Refused as refused:
        return refused


@given(st.binary(max_size=300))
def test_any_bytes_give_an_answer_or_a_refusal(answer: bytes) -> None:
    assert isinstance(outcome(answer), Refused)


@given(st.data())
def test_any_lines_behind_a_good_answer_give_an_answer_without_line_breaks_or_a_refusal(
    data: st.DataObject,
) -> None:
    names = st.sampled_from(
        ["Set-Cookie", "Connection", "Sec-WebSocket-Protocol", "Sec-WebSocket-Extensions", "X"]
    )
    text = st.text(st.characters(max_codepoint=255), max_size=20) | st.sampled_from(
        ["chat", "permessage-deflate", "Upgrade"]
    )
    lines = data.draw(st.lists(st.tuples(names, text).map(": ".join) | text, max_size=4))
    found = outcome(head(*lines))
    if isinstance(found, Answer):
        passed_on = (found.subprotocol or "", found.extensions or "", *found.set_cookies)
        assert not set("".join(passed_on)) & set("\r\n\0")
        assert found.subprotocol in (None, *OFFER.subprotocols)
    else:
        assert found.reason in (Reason.UPSTREAM_REFUSED_UPGRADE, Reason.UPSTREAM_SUBPROTOCOL)
