"""Building WebSocket frames (RFC 6455 section 5.2) and the opening request, all outside the measured time."""

import base64
import os

BINARY = 0x82
CLOSE = 0x88
MASK_BIT = 0x80
NORMAL_CLOSURE = (1000).to_bytes(2, "big")


def header(first_byte: int, payload_bytes: int, *, is_masked: bool = False) -> bytes:
    """A frame's header without the masking key."""
    bit = MASK_BIT if is_masked else 0
    if payload_bytes < 126:
        return bytes((first_byte, bit | payload_bytes))
    if payload_bytes < 65536:
        return bytes((first_byte, bit | 126)) + payload_bytes.to_bytes(2, "big")
    return bytes((first_byte, bit | 127)) + payload_bytes.to_bytes(8, "big")


def masked(first_byte: int, payload: bytes) -> bytes:
    """A client's frame under a random key."""
    key = os.urandom(4)
    pad = (key * (len(payload) // 4 + 1))[: len(payload)]
    body = int.from_bytes(payload, "big") ^ int.from_bytes(pad, "big")
    return header(first_byte, len(payload), is_masked=True) + key + body.to_bytes(len(payload), "big")


def unmasked(first_byte: int, payload: bytes) -> bytes:
    """A server's frame."""
    return header(first_byte, len(payload)) + payload


def opening_request(host: str, path: str, token: str) -> bytes:
    """The handshake's request with a bearer token; every peer gets the same, also those that do not look."""
    key = base64.b64encode(os.urandom(16)).decode()
    lines = (
        f"GET {path} HTTP/1.1",
        f"Host: {host}",
        "Upgrade: websocket",
        "Connection: Upgrade",
        f"Sec-WebSocket-Key: {key}",
        "Sec-WebSocket-Version: 13",
        f"Authorization: Bearer {token}",
        "",
        "",
    )
    return "\r\n".join(lines).encode()
