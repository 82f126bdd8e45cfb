"""Properties of MQTT 5 packets (2.2.2): which may stand in a CONNECT and its will, and what they hold."""

from collections.abc import Mapping, Set
from dataclasses import dataclass
from enum import Enum

from wsgate_dataplane.protocols.mqtt.fields import (
    MALFORMED,
    PACKET_TOO_LARGE,
    PROTOCOL_ERROR,
    MQTTError,
    Reader,
    check_binary,
    check_text,
    check_topic_name,
    write_binary,
    write_text,
    write_variable,
)

PropertyValue = int | str | bytes | tuple[str, str]
"""A number, text, binary data, or the name and the value of a user property."""
Properties = tuple[tuple[int, PropertyValue], ...]
"""Identifier and value of each, in the order of the packet."""

PAYLOAD_FORMAT, MESSAGE_EXPIRY, CONTENT_TYPE, RESPONSE_TOPIC, CORRELATION_DATA = 0x01, 0x02, 0x03, 0x08, 0x09
SESSION_EXPIRY, AUTHENTICATION_METHOD, AUTHENTICATION_DATA = 0x11, 0x15, 0x16
REQUEST_PROBLEM_INFORMATION, WILL_DELAY, REQUEST_RESPONSE_INFORMATION = 0x17, 0x18, 0x19
REASON_STRING, RECEIVE_MAXIMUM, TOPIC_ALIAS_MAXIMUM, USER_PROPERTY, MAXIMUM_PACKET_SIZE = (
    0x1F,
    0x21,
    0x22,
    0x26,
    0x27,
)


COUNT_MAX = 1000
"""Properties in one place; 64 KiB hold 13,000, which take a tenth of a second."""


class Encoding(Enum):
    """How a value stands on the wire; of numbers, in how many bytes."""

    BYTE = 1
    TWO_BYTES = 2
    FOUR_BYTES = 4
    TEXT = "text"
    TOPIC = "topic"
    BINARY = "binary"
    PAIR = "pair"


@dataclass(frozen=True)
class Property:
    """What the standard says of one identifier; least and most hold for numbers."""

    name: str
    encoding: Encoding
    least: int = 0
    most: int = 0xFFFF_FFFF


CONNECT_PROPERTIES: Mapping[int, Property] = {
    SESSION_EXPIRY: Property("session expiry interval", Encoding.FOUR_BYTES),
    AUTHENTICATION_METHOD: Property("authentication method", Encoding.TEXT),
    AUTHENTICATION_DATA: Property("authentication data", Encoding.BINARY),
    REQUEST_PROBLEM_INFORMATION: Property("request problem information", Encoding.BYTE, most=1),
    REQUEST_RESPONSE_INFORMATION: Property("request response information", Encoding.BYTE, most=1),
    RECEIVE_MAXIMUM: Property("receive maximum", Encoding.TWO_BYTES, least=1, most=0xFFFF),
    TOPIC_ALIAS_MAXIMUM: Property("topic alias maximum", Encoding.TWO_BYTES, most=0xFFFF),
    USER_PROPERTY: Property("user property", Encoding.PAIR),
    MAXIMUM_PACKET_SIZE: Property("maximum packet size", Encoding.FOUR_BYTES, least=1),
}
"""MQTT 5, 3.1.2.11."""

WILL_PROPERTIES: Mapping[int, Property] = {
    PAYLOAD_FORMAT: Property("payload format indicator", Encoding.BYTE, most=1),
    MESSAGE_EXPIRY: Property("message expiry interval", Encoding.FOUR_BYTES),
    CONTENT_TYPE: Property("content type", Encoding.TEXT),
    RESPONSE_TOPIC: Property("response topic", Encoding.TOPIC),
    CORRELATION_DATA: Property("correlation data", Encoding.BINARY),
    WILL_DELAY: Property("will delay interval", Encoding.FOUR_BYTES),
    USER_PROPERTY: Property("user property", Encoding.PAIR),
}
"""MQTT 5, 3.1.3.2."""

_MAY_REPEAT: Set[int] = frozenset({USER_PROPERTY})


def read_properties(reader: Reader, allowed: Mapping[int, Property], owner: str) -> Properties:
    """The properties at the reader's position, behind their length. owner says whose, in words for an error.

    Raises MQTTError for what is not laid out as the standard says, and for more than COUNT_MAX; check_properties
    looks at the values.
    """
    field = f"properties of the {owner}"
    part = reader.part(reader.variable(field), field)
    found: list[tuple[int, PropertyValue]] = []
    while not part.is_done:
        if len(found) >= COUNT_MAX:
            raise MQTTError(PACKET_TOO_LARGE, f"more than {COUNT_MAX} {field}")
        identifier = part.variable(field)
        found.append((identifier, _read_value(part, _known(identifier, allowed, owner))))
    return tuple(found)


def _known(identifier: int, allowed: Mapping[int, Property], owner: str) -> Property:
    if identifier not in allowed:
        raise MQTTError(MALFORMED, f"property 0x{identifier:02x} is not one of the {owner}")
    return allowed[identifier]


def _read_value(reader: Reader, expected: Property) -> PropertyValue:
    field = expected.name
    match expected.encoding:
        case Encoding.TEXT | Encoding.TOPIC:
            return reader.text(field)
        case Encoding.BINARY:
            return reader.binary(field)
        case Encoding.PAIR:
            return reader.text(field), reader.text(field)
        case number:
            return reader.number(number.value, field)


def check_properties(properties: Properties, allowed: Mapping[int, Property], owner: str) -> None:
    """Raises MQTTError for an identifier that may not stand there or not twice, and for values out of range."""
    seen: set[int] = set()
    for identifier, value in properties:
        expected = _known(identifier, allowed, owner)
        if identifier in seen and identifier not in _MAY_REPEAT:
            raise MQTTError(PROTOCOL_ERROR, f"{expected.name} stands twice in the {owner}")
        seen.add(identifier)
        _check_value(value, expected)


def _check_value(value: PropertyValue, expected: Property) -> None:
    field = expected.name
    match expected.encoding, value:
        case Encoding.TEXT, str():
            check_text(value, field)
        case Encoding.TOPIC, str():
            check_topic_name(value, field)
        case Encoding.BINARY, bytes():
            check_binary(value, field)
        case Encoding.PAIR, (str() as name, str() as text):
            check_text(name, field)
            check_text(text, field)
        case Encoding.BYTE | Encoding.TWO_BYTES | Encoding.FOUR_BYTES, int():
            if not expected.least <= value <= expected.most:
                raise MQTTError(PROTOCOL_ERROR, f"{field} is {value}: not {expected.least} to {expected.most}")
        case _:
            raise MQTTError(MALFORMED, f"{field} does not hold {expected.encoding.name.lower()}")


def write_properties(properties: Properties, allowed: Mapping[int, Property]) -> bytes:
    """What read_properties read; they have passed check_properties."""
    body = b"".join(
        write_variable(identifier) + _write_value(value, allowed[identifier]) for identifier, value in properties
    )
    return write_variable(len(body)) + body


def _write_value(value: PropertyValue, expected: Property) -> bytes:
    if isinstance(value, int):
        return value.to_bytes(int(expected.encoding.value), "big")
    if isinstance(value, tuple):
        return write_text(value[0]) + write_text(value[1])
    return write_text(value) if isinstance(value, str) else write_binary(value)
