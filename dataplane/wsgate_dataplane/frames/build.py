"""The frames that the gateway itself says: Close and Ping."""

CLOSE_WORDS_BYTES_MAX = 123
"""A control frame carries 125 bytes, two of them the code (RFC 6455 5.5)."""


def close_frame(code: int, words: str, mask: bytes | None = None) -> bytes:
    """A Close frame; mask is four random bytes towards an upstream and None towards a client."""
    payload = code.to_bytes(2, "big") + words.encode()[:CLOSE_WORDS_BYTES_MAX]
    return _control_frame(0x88, payload, mask)


def ping_frame(mask: bytes | None = None) -> bytes:
    """A Ping frame without payload."""
    return _control_frame(0x89, b"", mask)


def _control_frame(first: int, payload: bytes, mask: bytes | None) -> bytes:
    if mask is None:
        return bytes((first, len(payload))) + payload
    masked = bytes(byte ^ mask[index & 3] for index, byte in enumerate(payload))
    return bytes((first, 0x80 | len(payload))) + mask + masked
