"""Fuzz target: any bytes are a CONNECT or an MQTTError, and any session is forwarded as a prefix of itself.

`make fuzz` runs it under atheris, which is guided by coverage; tests/fuzz/test_mqtt.py runs it on
what Hypothesis finds.
"""

import sys

from wsgate_dataplane.frames.scanner import FrameLimits, Rule
from wsgate_dataplane.protocols.mqtt.connect import MQTTError, read_connect, with_identity, write_connect
from wsgate_dataplane.protocols.mqtt.scanner import MQTTScanner


def one_input(data: bytes) -> None:
    """The first byte chooses the direction and the version, the second the size of the pieces."""
    if len(data) < 2:
        return
    mode, piece, stream = data[0], data[1] % 64 + 1, data[2:]
    read_one(stream)
    scan(stream, piece, 3 + (mode >> 1) % 3, masked=bool(mode & 1))


def read_one(stream: bytes) -> None:
    """A CONNECT, its bytes again, and one with another identity that is as valid."""
    try:
        found = read_connect(stream)
    except MQTTError as error:
        assert 0x80 <= error.reason <= 0xFF
        assert error.detail
        return
    if found is None:
        return
    connect, end = found
    assert write_connect(connect) == stream[:end]
    changed = with_identity(
        connect, client_id="c", user_name="u", strip_password=True, user_property="roles", values=["r"]
    )
    written = write_connect(changed)
    assert read_connect(written) == (changed, len(written))


def scan(stream: bytes, piece: int, level: int, *, masked: bool) -> None:
    """Pieces of the stream against all of it at once."""
    limits = FrameLimits(max_message_bytes=1000, max_fragments=4, max_control_frames_per_second=8)
    whole, scanner = (MQTTScanner(limits, lambda: 0.0, masked=masked, level=level) for _ in range(2))
    at_once = whole.feed(stream)
    forwarded = b""
    for start in range(0, len(stream), piece):
        forwarded += scanner.feed(stream[start : start + piece])
    assert stream.startswith(forwarded) and forwarded.startswith(at_once)
    assert (whole.violation, whole.close_code, whole.messages) == (
        scanner.violation,
        scanner.close_code,
        scanner.messages,
    )
    if scanner.violation is None:
        assert forwarded == at_once
        assert whole.is_at_packet_boundary == scanner.is_at_packet_boundary
    else:
        assert scanner.is_stopped
        assert whole.is_at_boundary
        assert scanner.violation.rule in Rule


if __name__ == "__main__":
    import atheris

    atheris.instrument_all()
    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()
