"""As much of MQTT 3.1.1 as a client of the tests says, in whole packets."""

import struct

CONNECT, CONNACK, PUBLISH, SUBSCRIBE, SUBACK = 0x10, 0x20, 0x30, 0x82, 0x90
CONNECTED = bytes([CONNACK, 2, 0, 0])
SUBSCRIBED = bytes([SUBACK, 3, 0, 1, 0])
KEEP_ALIVE_SECONDS = 60


def connect(client_id: str) -> bytes:
    """CONNECT with a clean session, answered by CONNECTED."""
    return _packet(CONNECT, _text("MQTT") + struct.pack("!BBH", 4, 2, KEEP_ALIVE_SECONDS) + _text(client_id))


def subscribe(topic: str) -> bytes:
    """SUBSCRIBE at QoS 0 with packet id 1, answered by SUBSCRIBED."""
    return _packet(SUBSCRIBE, struct.pack("!H", 1) + _text(topic) + b"\0")


def publish(topic: str, payload: bytes) -> bytes:
    """PUBLISH at QoS 0; the broker sends subscribers the same bytes."""
    return _packet(PUBLISH, _text(topic) + payload)


def _packet(kind: int, body: bytes) -> bytes:
    assert len(body) < 128, "one byte of length is enough for the tests"
    return bytes([kind, len(body)]) + body


def _text(text: str) -> bytes:
    return struct.pack("!H", len(text.encode())) + text.encode()
