"""The packets that the gateway itself says: a CONNACK that refuses, and DISCONNECT."""

from wsgate_dataplane.protocols.mqtt.fields import check_text, write_variable
from wsgate_dataplane.protocols.mqtt.properties import REASON_STRING, Encoding, Property, write_properties

REASON_STRING_PROPERTIES = {REASON_STRING: Property("reason string", Encoding.TEXT)}


def connack(level: int, code5: int, code311: int, reason: str, *, max_bytes: int | None = None) -> bytes:
    """A refusal in the form of that protocol level (3.2); reason is told on MQTT 5 only.

    The reason is left out where the packet would exceed max_bytes, the client's maximum packet size.
    """
    if level != 5:
        return bytes((0x20, 2, 0, code311))
    packet = _packet(0x20, bytes((0, code5)) + _reason_string(reason))
    if max_bytes is not None and len(packet) > max_bytes:
        packet = _packet(0x20, bytes((0, code5, 0)))
    return packet


def disconnect(code5: int, reason: str, *, max_bytes: int | None = None) -> bytes:
    """DISCONNECT of MQTT 5 (3.14); a server of an older version has none. max_bytes as in connack."""
    packet = _packet(0xE0, bytes((code5,)) + _reason_string(reason))
    if not reason or (max_bytes is not None and len(packet) > max_bytes):
        packet = _packet(0xE0, bytes((code5,)))
    return packet


def _reason_string(reason: str) -> bytes:
    check_text(reason, "the reason")
    return write_properties(((REASON_STRING, reason),) if reason else (), REASON_STRING_PROPERTIES)


def _packet(first: int, body: bytes) -> bytes:
    return bytes((first,)) + write_variable(len(body)) + body
