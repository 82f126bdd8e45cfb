"""The PROXY protocol's header, versions 1 and 2: who the client is, said by the proxy before the request.

The specification is doc/proxy-protocol.txt of HAProxy. Pure.
"""

import ipaddress
from typing import NamedTuple

V1_BYTES_MAX = 107
"""The longest line that there can be, with its CRLF."""
V2_BYTES_MAX = 4096
"""The whole header: 16 bytes, addresses, and what a proxy adds of its own (TLVs), which is not read."""

_V1_BEGIN = b"PROXY "
_V2_SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"
_V2_FIXED_BYTES = 16
_V2_LOCAL = 0x20
_V2_PROXY = 0x21
_V2_UNSPECIFIED = 0x00
_V2_SOURCE_BYTES = {0x11: 4, 0x21: 16}
"""By family and transport: TCP over IPv4, TCP over IPv6."""
_V2_PORTS_BYTES = 4

_V1_VERSIONS = {b"TCP4": 4, b"TCP6": 6}
_PORT_MAX = 65_535
_SHOWN_BYTES = 8


class ProxyHeaderError(ValueError):
    """What arrived is no header, or none that is understood; the text says what was found instead."""


class ProxyHeader(NamedTuple):
    """A whole header."""

    size: int
    """Its bytes; what follows belongs to the client."""
    source: str | None
    """The client's address; None: the connection is the proxy's own, such as a health check."""


def read_proxy_header(received: bytes) -> ProxyHeader | None:
    """Read all that has arrived so far; None: more is needed.

    Raises ProxyHeaderError as soon as it cannot become a header.
    """
    if received.startswith(_V2_SIGNATURE[: len(received)]):
        return _read_v2(received)
    if received.startswith(_V1_BEGIN[: len(received)]):
        return _read_v1(received)
    raise ProxyHeaderError(f"it begins with {received[:_SHOWN_BYTES]!r}")


def _read_v1(received: bytes) -> ProxyHeader | None:
    end = received.find(b"\r\n", 0, V1_BYTES_MAX)
    if end < 0:
        if len(received) >= V1_BYTES_MAX:
            raise ProxyHeaderError(f"its line does not end within {V1_BYTES_MAX} bytes")
        return None
    size = end + 2
    kind, *fields = received[len(_V1_BEGIN) : end].split(b" ")
    if kind == b"UNKNOWN":
        return ProxyHeader(size, None)
    if kind not in _V1_VERSIONS:
        raise ProxyHeaderError("it is neither for TCP4 nor for TCP6 nor UNKNOWN")
    if len(fields) != 4:
        raise ProxyHeaderError(f"it has {len(fields)} fields behind the protocol, not 4")
    source, destination, *ports = fields
    _address(destination, _V1_VERSIONS[kind])
    for port in ports:
        _check_port(port)
    return ProxyHeader(size, _address(source, _V1_VERSIONS[kind]))


def _address(field: bytes, version: int) -> str:
    try:
        found = ipaddress.ip_address(field.decode("ascii"))
    except ValueError:
        found = None
    # A zone (fe80::1%eth0) is of the proxy's machine and means nothing here.
    if found is None or found.version != version or b"%" in field:
        raise ProxyHeaderError(f"it has an address that is none of IPv{version}")
    return _plain(found)


def _plain(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> str:
    """An IPv4 client of a listener for both is an IPv4 client."""
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return str(mapped or address)


def _check_port(field: bytes) -> None:
    # Not int() alone: it reads signs, spaces and underscores.
    is_number = field.isdigit() and len(field) <= len(str(_PORT_MAX)) and (field == b"0" or field[:1] != b"0")
    if not is_number or int(field) > _PORT_MAX:
        raise ProxyHeaderError("it has a port that is no number up to 65535")


def _read_v2(received: bytes) -> ProxyHeader | None:
    if len(received) < _V2_FIXED_BYTES:
        return None
    command, family = received[12], received[13]
    size = _V2_FIXED_BYTES + int.from_bytes(received[14:16], "big")
    if command not in (_V2_LOCAL, _V2_PROXY):
        raise ProxyHeaderError(f"its version and command are 0x{command:02x}, not 0x20 or 0x21")
    if size > V2_BYTES_MAX:
        raise ProxyHeaderError(f"it announces {size} bytes, {V2_BYTES_MAX} are read")
    has_source = command == _V2_PROXY and family != _V2_UNSPECIFIED
    if has_source and family not in _V2_SOURCE_BYTES:
        raise ProxyHeaderError(f"its family and transport are 0x{family:02x}, not TCP over IPv4 or IPv6")
    source_bytes = _V2_SOURCE_BYTES[family] if has_source else 0
    if has_source and size < _V2_FIXED_BYTES + 2 * source_bytes + _V2_PORTS_BYTES:
        raise ProxyHeaderError(f"its {size} bytes are too few for its addresses")
    if len(received) < size:
        return None
    if not has_source:
        return ProxyHeader(size, None)
    source = received[_V2_FIXED_BYTES : _V2_FIXED_BYTES + source_bytes]
    return ProxyHeader(size, _plain(ipaddress.ip_address(source)))
