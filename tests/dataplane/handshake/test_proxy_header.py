"""A PROXY protocol header is read whole and in any pieces, or refused in words; nothing else happens."""

import ipaddress
import struct

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from wsgate_dataplane.handshake.proxy_header import (
    V1_BYTES_MAX,
    V2_BYTES_MAX,
    ProxyHeader,
    ProxyHeaderError,
    read_proxy_header,
)

SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"
V1 = b"PROXY TCP4 192.0.2.7 198.51.100.1 51234 443\r\n"
V1_LONGEST = b"PROXY UNKNOWN " + b" ".join([b":".join([b"ffff"] * 8)] * 2) + b" 65535 65535\r\n"


def v2(command: int = 0x21, family: int = 0x11, body: bytes = b"") -> bytes:
    """A header of version 2."""
    return SIGNATURE + bytes([command, family]) + struct.pack(">H", len(body)) + body


def addresses(source: str, destination: str = "") -> bytes:
    """The body that says who the client is."""
    packed = [ipaddress.ip_address(each).packed for each in (source, destination or source)]
    return b"".join(packed) + struct.pack(">HH", 51234, 443)


V2 = v2(body=addresses("192.0.2.7"))
V2_6 = v2(family=0x21, body=addresses("2001:db8::7") + b"\x04\x00\x03abc")


@pytest.mark.parametrize(
    ("header", "source"),
    [
        (V1, "192.0.2.7"),
        (b"PROXY TCP6 2001:DB8::7 ::1 0 65535\r\n", "2001:db8::7"),
        (b"PROXY TCP6 ::ffff:192.0.2.7 ::1 1 2\r\n", "192.0.2.7"),
        (b"PROXY UNKNOWN\r\n", None),
        (V1_LONGEST, None),
        (V2, "192.0.2.7"),
        (V2_6, "2001:db8::7"),
        (v2(family=0x21, body=addresses("::ffff:192.0.2.7", "::1")), "192.0.2.7"),
        (v2(0x20, 0x00), None),
        (v2(0x20, 0x31, bytes(216)), None),
        (v2(0x21, 0x00, b"whatever it is"), None),
        (v2(body=addresses("192.0.2.7") + bytes(V2_BYTES_MAX - 28)), "192.0.2.7"),
    ],
)
def test_a_header_says_the_client_or_that_it_is_the_proxys_own(header: bytes, source: str | None) -> None:
    assert len(header) <= (V1_BYTES_MAX if header.startswith(b"PROXY") else V2_BYTES_MAX)
    for follows in (b"", b"GET / HTTP/1.1\r\n", header):
        assert read_proxy_header(header + follows) == ProxyHeader(len(header), source)
    for size in range(len(header)):
        assert read_proxy_header(header[:size]) is None


@pytest.mark.parametrize(
    ("received", "words"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", "it begins with b'GET / HT'"),
        (b"\x16\x03\x01", "it begins with"),
        (b"proxy TCP4", "it begins with"),
        (b"\r\n\r\n\x00\r\nQUIZ", "it begins with"),
        (b"PROXY " + b"x" * 101, "does not end within 107 bytes"),
        (V1_LONGEST[:-2] + b"5\r\n", "does not end within 107 bytes"),
        (b"PROXY UDP4 192.0.2.7 192.0.2.8 1 2\r\n", "neither for TCP4"),
        (b"PROXY  TCP4 192.0.2.7 192.0.2.8 1 2\r\n", "neither for TCP4"),
        (b"PROXY TCP4\r\n", "0 fields"),
        (b"PROXY TCP4 192.0.2.7 192.0.2.8 1\r\n", "3 fields"),
        (b"PROXY TCP4 192.0.2.7  192.0.2.8 1 2\r\n", "5 fields"),
        (b"PROXY TCP4 192.0.2.7 192.0.2.8 1 2 \r\n", "5 fields"),
        (b"PROXY TCP4 192.0.2.07 192.0.2.8 1 2\r\n", "none of IPv4"),
        (b"PROXY TCP4 ::1 ::1 1 2\r\n", "none of IPv4"),
        (b"PROXY TCP4 192.0.2.7 gateway 1 2\r\n", "none of IPv4"),
        (b"PROXY TCP6 192.0.2.7 192.0.2.8 1 2\r\n", "none of IPv6"),
        (b"PROXY TCP6 fe80::1%eth0 ::1 1 2\r\n", "none of IPv6"),
        (b"PROXY TCP4 192.0.2.7 192.0.2.8 01 2\r\n", "no number"),
        (b"PROXY TCP4 192.0.2.7 192.0.2.8 1 65536\r\n", "no number"),
        (b"PROXY TCP4 192.0.2.7 192.0.2.8 +1 2\r\n", "no number"),
        (b"PROXY TCP4 192.0.2.7 192.0.2.8 1 2\n\r\n", "no number"),
        (v2(0x11), "0x11, not 0x20 or 0x21"),
        (v2(0x22), "0x22, not 0x20 or 0x21"),
        (v2(family=0x12, body=bytes(12)), "0x12, not TCP"),
        (v2(family=0x31, body=bytes(216)), "0x31, not TCP"),
        (v2(family=0x11, body=bytes(11)), "too few"),
        (v2(family=0x21, body=bytes(12)), "too few"),
        (v2(body=bytes(V2_BYTES_MAX)), "4096 are read"),
    ],
)
def test_anything_else_is_refused_and_told(received: bytes, words: str) -> None:
    with pytest.raises(ProxyHeaderError, match=words.replace("+", r"\+")):
        read_proxy_header(received)


def test_what_is_too_long_is_refused_before_it_has_arrived() -> None:
    with pytest.raises(ProxyHeaderError):
        read_proxy_header(SIGNATURE + b"\x20\x00\xff\xff")


@given(
    st.ip_addresses(), st.ip_addresses(), st.integers(0, 65535), st.binary(max_size=300), st.binary(max_size=40)
)
def test_what_a_proxy_writes_is_read_back(
    source: ipaddress.IPv4Address | ipaddress.IPv6Address,
    other: ipaddress.IPv4Address | ipaddress.IPv6Address,
    port: int,
    extra: bytes,
    follows: bytes,
) -> None:
    kind = type(source)
    destination = kind(int(other) % 2**32)
    mapped = source.ipv4_mapped if isinstance(source, ipaddress.IPv6Address) else None
    expected = str(mapped or source)
    line = f"PROXY TCP{source.version} {source} {destination} {port} {port}\r\n".encode()
    assert read_proxy_header(line + follows) == ProxyHeader(len(line), expected)
    body = source.packed + destination.packed + struct.pack(">HH", port, port) + extra
    header = v2(family=0x11 if source.version == 4 else 0x21, body=body)
    assert read_proxy_header(header + follows) == ProxyHeader(len(header), expected)


hostile = st.one_of(
    st.binary(max_size=300),
    st.binary(max_size=120).map(lambda tail: b"PROXY " + tail),
    st.tuples(
        st.sampled_from([b"TCP4", b"TCP6", b"UNKNOWN", b""]), st.text(" .:%0123456789abcdefx\r\n", max_size=90)
    ).map(lambda parts: b"PROXY " + parts[0] + b" " + parts[1].encode() + b"\r\n"),
    st.binary(max_size=300).map(lambda tail: SIGNATURE + tail),
    st.tuples(st.integers(0x1F, 0x22), st.integers(0, 255), st.binary(max_size=300)).map(lambda each: v2(*each)),
)


@given(hostile)
@example(b"")
def test_hostile_bytes_are_a_header_or_refused_and_never_held_beyond_the_limit(received: bytes) -> None:
    outcomes: list[ProxyHeader | str | None] = []
    for size in range(len(received) + 1):
        try:
            outcomes.append(read_proxy_header(received[:size]))
        except ProxyHeaderError as error:
            outcomes.append(str(error))
    settled = [each for each in outcomes if each is not None]
    # One verdict, reached once: it does not depend on how the bytes were cut.
    verdicts = {each if isinstance(each, ProxyHeader) else "refused" for each in settled}
    assert len(verdicts) <= 1
    assert outcomes == [None] * (len(outcomes) - len(settled)) + settled
    for verdict in verdicts:
        if isinstance(verdict, ProxyHeader):
            assert verdict.size == len(outcomes) - len(settled)
            assert verdict.source is None or str(ipaddress.ip_address(verdict.source)) == verdict.source
