"""A head becomes a request, or a refusal that quotes nothing of it."""

import asyncio
import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsgate_dataplane.handshake.head import FIELD_BYTES_MAX, HEADERS_MAX, read_request, unreadable_request
from wsgate_dataplane.handshake.request import Request
from wsgate_dataplane.outcomes.refusal import Refused
from wsgate_dataplane.outcomes.table import Reason

GET = b"GET /chat?room=1 HTTP/1.1\r\nHost: gateway.test\r\n\r\n"
PROXIES = (ipaddress.ip_network("10.0.0.0/8"),)


def read(head: bytes, peer: str = "192.0.2.1") -> Request:
    loop = asyncio.new_event_loop()
    try:
        return read_request(head, peer, PROXIES, loop)
    finally:
        loop.close()


def with_headers(*lines: bytes) -> bytes:
    return GET.replace(b"\r\n\r\n", b"\r\n" + b"".join(line + b"\r\n" for line in lines) + b"\r\n")


def test_path_query_and_headers_are_read_as_sent() -> None:
    request = read(with_headers(b"X-Name: a", b"x-name: b", "X-Latin: \xe9".encode()))
    assert (request.method, request.path, request.query) == ("GET", "/chat", "room=1")
    assert request.headers == (("Host", "gateway.test"), ("X-Name", "a"), ("x-name", "b"), ("X-Latin", "\xe9"))
    assert request.all("x-name") == ["a", "b"]
    assert not request.has_body


def test_what_a_stranger_says_of_its_origin_is_not_believed() -> None:
    head = with_headers(b"X-Forwarded-For: 198.51.100.7", b"X-Forwarded-Proto: https", b"X-Request-Id: r-1")
    stranger, proxied = read(head), read(head, peer="10.1.2.3")
    assert (stranger.address, stranger.is_secure) == ("192.0.2.1", False)
    assert stranger.request_id != "r-1"
    assert (proxied.address, proxied.is_secure, proxied.request_id) == ("198.51.100.7", True, "r-1")


@pytest.mark.parametrize("line", [b"Content-Length: 1", b"Transfer-Encoding: chunked"])
def test_an_announced_body_is_seen(line: bytes) -> None:
    assert read(with_headers(line)).has_body


def test_the_most_allowed_headers_are_read() -> None:
    lines = [b"X-%d: x" % number for number in range(HEADERS_MAX)]
    assert len(read(with_headers(*lines[1:])).headers) == HEADERS_MAX
    with pytest.raises(Refused):
        read(with_headers(*lines))


@pytest.mark.parametrize(
    "head",
    [
        with_headers(b"X-Huge: " + b"x" * (FIELD_BYTES_MAX + 1)),
        b"GET /" + b"x" * 9000 + b" HTTP/1.1\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 a TLS hello\r\n\r\n",
        b"GET /\0 HTTP/1.1\r\n\r\n",
        b"NONSENSE\r\n\r\n",
        b"\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: no end",
        b"GET http://[::1]:99999@/ HTTP/1.1\r\nHost: a\r\n\r\n",
        GET.replace(b"Host", b"Bad Name"),
        with_headers(b"Content-Length: 1", b"Transfer-Encoding: chunked"),
        with_headers(b"X-Bare: a\nAuthorization: Bearer secret"),
    ],
    ids=[
        "huge header",
        "huge line",
        "TLS",
        "NUL",
        "nonsense",
        "empty",
        "no end",
        "authority",
        "bad name",
        "smuggling",
        "bare LF",
    ],
)
def test_what_is_no_request_is_refused_without_quoting_it(head: bytes) -> None:
    with pytest.raises(Refused) as caught:
        read(head)
    assert caught.value.reason is Reason.REQUEST_MALFORMED
    assert "secret" not in caught.value.detail
    assert "x" * 20 not in caught.value.detail


@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_refused_as_malformed(noise: bytes) -> None:
    try:
        request = read(noise + b"\r\n\r\n")
    except Refused as refused:
        assert refused.reason is Reason.REQUEST_MALFORMED
    else:
        assert request.method


def test_a_method_that_is_none_of_ours_is_read_as_sent() -> None:
    request = read(b"CONNECT gateway.test:443 HTTP/1.1\r\nHost: gateway.test\r\n\r\n")
    assert (request.method, request.path) == ("CONNECT", "gateway.test:443")


def test_a_request_that_cannot_be_read_still_has_an_id_and_an_address() -> None:
    request = unreadable_request("192.0.2.1")
    assert request.address == "192.0.2.1"
    assert len(request.request_id) == 32
