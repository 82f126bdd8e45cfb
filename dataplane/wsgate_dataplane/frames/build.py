"""The frames that the gateway itself says, and those that it writes anew in a client's place."""

CLOSE_WORDS_BYTES_MAX = 123
"""A control frame carries 125 bytes, two of them the code (RFC 6455 5.5)."""


def close_frame(code: int, words: str, mask: bytes | None = None) -> bytes:
    """A Close frame; mask is four random bytes towards an upstream and None towards a client."""
    payload = code.to_bytes(2, "big") + words.encode()[:CLOSE_WORDS_BYTES_MAX]
    return _control_frame(0x88, payload, mask)


def ping_frame(mask: bytes | None = None) -> bytes:
    """A Ping frame without payload."""
    return _control_frame(0x89, b"", mask)


def pong_frame(payload: bytes) -> bytes:
    """A Pong to a client, with its Ping's payload."""
    return _control_frame(0x8A, payload, None)


def data_frame(opcode: int, payload: bytes, mask: bytes | None = None, *, is_final: bool = True) -> bytes:
    """A data frame of any size; mask as for close_frame."""
    length = len(payload)
    size, extended = length, b""
    if length > 0xFFFF:
        size, extended = 127, length.to_bytes(8, "big")
    elif length > 125:
        size, extended = 126, length.to_bytes(2, "big")
    first = opcode | (0x80 if is_final else 0)
    if mask is None:
        return bytes((first, size)) + extended + payload
    return bytes((first, 0x80 | size)) + extended + mask + masked(payload, mask)


def as_last_fragment(frame: bytes) -> bytes:
    """A whole message's frame as the end of a message that others began (RFC 6455 5.4); empty stays so."""
    return bytes((frame[0] & 0xF0,)) + frame[1:] if frame else frame


def masked(payload: bytes, mask: bytes) -> bytes:
    """Mask a payload, or take its mask off (RFC 6455 5.3)."""
    # As one number each: a loop over the bytes would take a hundred times as long.
    size = len(payload)
    key = (mask * (size // 4 + 1))[:size]
    return (int.from_bytes(payload, "big") ^ int.from_bytes(key, "big")).to_bytes(size, "big")


def _control_frame(first: int, payload: bytes, mask: bytes | None) -> bytes:
    if mask is None:
        return bytes((first, len(payload))) + payload
    return bytes((first, 0x80 | len(payload))) + mask + masked(payload, mask)
