"""Which packets may follow the CONNECT, by direction and version: their first byte and their length."""

import functools
from collections.abc import Mapping
from typing import NamedTuple

from wsgate_dataplane.protocols.mqtt.fields import MALFORMED, PROTOCOL_ERROR, VARIABLE_MAX, MQTTError

CONNECT, CONNACK, PUBLISH, PUBACK, PUBREC, PUBREL, PUBCOMP, SUBSCRIBE = range(1, 9)
SUBACK, UNSUBSCRIBE, UNSUBACK, PINGREQ, PINGRESP, DISCONNECT, AUTH = range(9, 16)
"""Packet types (2.1.2)."""

NAMES = (
    "reserved type 0",
    "CONNECT",
    "CONNACK",
    "PUBLISH",
    "PUBACK",
    "PUBREC",
    "PUBREL",
    "PUBCOMP",
    "SUBSCRIBE",
    "SUBACK",
    "UNSUBSCRIBE",
    "UNSUBACK",
    "PINGREQ",
    "PINGRESP",
    "DISCONNECT",
    "AUTH",
)


class Lengths(NamedTuple):
    """The shortest and the longest remaining length of a packet (2.1.4)."""

    least: int
    most: int


def type_of(first: int) -> int:
    """The packet type in a first byte."""
    return first >> 4


@functools.cache
def allowed_packets(level: int, *, from_client: bool) -> Mapping[int, Lengths]:
    """What may come after the CONNECT, by its first byte."""
    lengths = _lengths(level, from_client=from_client)
    return {
        type_ << 4 | flags: Lengths(least + 2, most) if _has_identifier(type_, flags) else Lengths(least, most)
        for type_, (least, most) in lengths.items()
        for flags in _flags(type_, level)
    }


def _has_identifier(type_: int, flags: int) -> bool:
    """Whether it is a PUBLISH of QoS 1 or 2, which has a packet identifier."""
    return type_ == PUBLISH and bool(flags & 0x06)


def _lengths(level: int, *, from_client: bool) -> Mapping[int, Lengths]:
    """By packet type. On MQTT 5 most packets may end in properties."""
    is_5 = level == 5
    # A packet identifier, on MQTT 5 perhaps a reason code and properties.
    acknowledgement = Lengths(2, VARIABLE_MAX if is_5 else 2)
    lengths = {
        # A topic of one byte; on MQTT 5 also the length of the properties.
        PUBLISH: Lengths(4 if is_5 else 3, VARIABLE_MAX),
        PUBACK: acknowledgement,
        PUBREC: acknowledgement,
        PUBREL: acknowledgement,
        PUBCOMP: acknowledgement,
    }
    if from_client:
        # An identifier, one filter of one byte, to SUBSCRIBE also its options.
        lengths[SUBSCRIBE] = Lengths(7 if is_5 else 6, VARIABLE_MAX)
        lengths[UNSUBSCRIBE] = Lengths(6 if is_5 else 5, VARIABLE_MAX)
        lengths[PINGREQ] = Lengths(0, 0)
        lengths[DISCONNECT] = Lengths(0, VARIABLE_MAX if is_5 else 0)
    else:
        # A broker that does not speak the client's version refuses in its own (MQTT 5, 3.1.2.2).
        lengths[CONNACK] = Lengths(2, VARIABLE_MAX)
        lengths[SUBACK] = Lengths(4 if is_5 else 3, VARIABLE_MAX)
        lengths[UNSUBACK] = Lengths(4, VARIABLE_MAX) if is_5 else Lengths(2, 2)
        lengths[PINGRESP] = Lengths(0, 0)
        if is_5:
            lengths[DISCONNECT] = Lengths(0, VARIABLE_MAX)
    if is_5:
        lengths[AUTH] = Lengths(0, VARIABLE_MAX)
    return lengths


def _flags(type_: int, level: int) -> tuple[int, ...]:
    """The low four bits that a packet type may have (2.1.3)."""
    if type_ == PUBLISH:
        # DUP without QoS means nothing (3.3.1-2), QoS 3 does not exist (3.3.1-4).
        return 0x0, 0x1, 0x2, 0x3, 0x4, 0x5, 0xA, 0xB, 0xC, 0xD
    if type_ in (PUBREL, SUBSCRIBE, UNSUBSCRIBE):
        # MQTT 3.1 (2.1) knows DUP for them.
        return (0x2, 0xA) if level == 3 else (0x2,)
    return (0x0,)


def why_refused(first: int, level: int, *, from_client: bool) -> MQTTError:
    """What is wrong with a first byte that allowed_packets does not hold."""
    type_ = type_of(first)
    name = NAMES[type_]
    if type_ in _lengths(level, from_client=from_client):
        return MQTTError(MALFORMED, f"{name} with flags 0x{first & 0x0F:x}")
    sender = "client" if from_client else "broker"
    return MQTTError(PROTOCOL_ERROR, f"{name} from a {sender} inside a session of protocol level {level}")
