"""CONNECT, the first packet of a client (MQTT 5, 3.1): read, given another identity, written anew.

Reading accepts one spelling of each packet only, so that writing gives the same bytes and no broker
reads them in another way.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from wsgate_dataplane.protocols.mqtt.fields import (
    CLIENT_ID_INVALID,
    MALFORMED,
    PACKET_TOO_LARGE,
    PROTOCOL_ERROR,
    UNSUPPORTED_VERSION,
    VARIABLE_BYTES_MAX,
    VARIABLE_MAX,
    Reader,
    check_binary,
    check_text,
    check_topic_name,
    read_variable,
    write_binary,
    write_text,
    write_variable,
)
from wsgate_dataplane.protocols.mqtt.fields import MQTTError as MQTTError
from wsgate_dataplane.protocols.mqtt.properties import (
    AUTHENTICATION_DATA,
    AUTHENTICATION_METHOD,
    CONNECT_PROPERTIES,
    MAXIMUM_PACKET_SIZE,
    USER_PROPERTY,
    WILL_PROPERTIES,
    Properties,
    check_properties,
    read_properties,
    write_properties,
)

CONNECT = 0x10
"""First byte: packet type 1, flags 0 (3.1.1)."""

PROTOCOL_NAMES: Mapping[int, bytes] = {3: b"MQIsdp", 4: b"MQTT", 5: b"MQTT"}
"""What stands before each level."""

# Connect flags (3.1.2.3).
_RESERVED, _CLEAN_START, _WILL, _WILL_QOS, _WILL_RETAIN = 0x01, 0x02, 0x04, 0x18, 0x20
_PASSWORD, _USER_NAME = 0x40, 0x80

PACKET_BYTES_MAX = 1 + VARIABLE_BYTES_MAX + VARIABLE_MAX


@dataclass(frozen=True)
class Will:
    """The message that the broker publishes where the client goes without a word; checked when made."""

    topic: str
    payload: bytes = field(repr=False)
    qos: int = 0
    retain: bool = False
    properties: Properties = field(default=(), repr=False)

    def __post_init__(self) -> None:
        """Raises MQTTError for what may not stand in a packet."""
        check_topic_name(self.topic, "the will's topic")
        check_binary(self.payload, "the will's payload")
        if not 0 <= self.qos <= 2:
            raise MQTTError(MALFORMED, f"the will's QoS is {self.qos}")
        check_properties(self.properties, WILL_PROPERTIES, "will")


@dataclass(frozen=True)
class Connect:
    """A CONNECT that its version allows; checked when made.

    Client ids of MQTT 3.1 may be longer than the 23 characters of its text: clients and brokers have
    long agreed on that. What may be secret stays out of repr.
    """

    level: int
    """3 is MQTT 3.1, 4 is 3.1.1, 5 is 5."""
    clean_start: bool
    """Named clean session before MQTT 5."""
    keep_alive: int
    """Seconds; 0: none."""
    client_id: str
    user_name: str | None = None
    password: bytes | None = field(default=None, repr=False)
    will: Will | None = None
    properties: Properties = field(default=(), repr=False)
    """Empty before MQTT 5."""

    def __post_init__(self) -> None:
        """Raises MQTTError for what the version does not allow."""
        if self.level not in PROTOCOL_NAMES:
            raise MQTTError(UNSUPPORTED_VERSION, f"protocol level {self.level} is not 3, 4 or 5")
        if not 0 <= self.keep_alive <= 0xFFFF:
            raise MQTTError(MALFORMED, f"keep alive is {self.keep_alive}")
        check_text(self.client_id, "the client id")
        # MQTT 3.1, 3.1; MQTT 3.1.1, 3.1.3-8. A broker of MQTT 5 assigns one.
        if not self.client_id and (self.level == 3 or (self.level == 4 and not self.clean_start)):
            raise MQTTError(CLIENT_ID_INVALID, "the client id is empty, and the session not clean or MQTT 3.1")
        if self.user_name is not None:
            check_text(self.user_name, "the user name")
        if self.password is not None:
            check_binary(self.password, "the password")
        has_user_name = self.user_name is not None
        _check_password(self.level, is_given=self.password is not None, has_user_name=has_user_name)
        if self.level < 5 and (self.properties or (self.will and self.will.properties)):
            raise MQTTError(PROTOCOL_ERROR, "properties, which MQTT 5 alone allows")
        check_properties(self.properties, CONNECT_PROPERTIES, "CONNECT")
        identifiers = {identifier for identifier, _ in self.properties}
        if AUTHENTICATION_DATA in identifiers and AUTHENTICATION_METHOD not in identifiers:
            raise MQTTError(PROTOCOL_ERROR, "authentication data without a method")

    @property
    def max_packet_bytes(self) -> int | None:
        """The largest packet that the client takes; None: any."""
        for identifier, value in self.properties:
            if identifier == MAXIMUM_PACKET_SIZE and isinstance(value, int):
                return value
        return None


def read_connect(data: bytes, *, max_bytes: int = PACKET_BYTES_MAX) -> tuple[Connect, int] | None:
    """The CONNECT at the beginning of data and where it ends; None: more bytes are needed.

    Raises MQTTError as soon as fixed header, protocol name, level or flags tell. The rest is read once,
    when all of it is there: a client that sends single bytes shall not make it be read again and again.
    max_bytes is for the whole packet.
    """
    if not data:
        return None
    if data[0] != CONNECT:
        kind = "flags of CONNECT are not 0" if data[0] & 0xF0 == CONNECT else "the first packet is no CONNECT"
        raise MQTTError(MALFORMED if data[0] & 0xF0 == CONNECT else PROTOCOL_ERROR, kind)
    found = read_variable(data, 1, len(data))
    if found is None:
        return None
    remaining, start = found
    end = start + remaining
    if end > max_bytes:
        raise MQTTError(PACKET_TOO_LARGE, f"CONNECT has {end} bytes, allowed are {max_bytes}")
    _check_beginning(data[start : min(end, start + 10)])
    if end > len(data):
        return None
    return _read_body(Reader(data, start, end)), end


def _check_beginning(beginning: bytes) -> None:
    """Raises MQTTError for a wrong protocol name, level or flags, of which only a part may be there yet."""
    for level, name in PROTOCOL_NAMES.items():
        expected = write_binary(name) + bytes((level,))
        if expected.startswith(beginning):
            return
        if beginning.startswith(expected):
            if len(beginning) > len(expected):
                _check_flags(beginning[len(expected)], level)
            return
    raise MQTTError(UNSUPPORTED_VERSION, "protocol name and level are not those of MQTT 3.1, 3.1.1 or 5")


def _check_flags(flags: int, level: int) -> None:
    if flags & _RESERVED:
        raise MQTTError(MALFORMED, "the reserved connect flag is set")
    if not flags & _WILL and flags & (_WILL_QOS | _WILL_RETAIN):
        raise MQTTError(MALFORMED, "QoS or retain of a will without a will")
    if flags & _WILL_QOS == _WILL_QOS:
        raise MQTTError(MALFORMED, "the will's QoS is 3")
    _check_password(level, is_given=bool(flags & _PASSWORD), has_user_name=bool(flags & _USER_NAME))


def _check_password(level: int, *, is_given: bool, has_user_name: bool) -> None:
    # MQTT 3.1.1, 3.1.2-22.
    if is_given and not has_user_name and level < 5:
        raise MQTTError(PROTOCOL_ERROR, "a password without a user name, which MQTT 5 alone allows")


def _read_body(reader: Reader) -> Connect:
    """From the protocol name on; name, level and flags were checked unless the packet ends before them."""
    reader.binary("the protocol name")
    level = reader.number(1, "the protocol level")
    flags = reader.number(1, "connect flags")
    keep_alive = reader.number(2, "keep alive")
    properties = read_properties(reader, CONNECT_PROPERTIES, "CONNECT") if level == 5 else ()
    client_id = reader.text("the client id")
    will = None
    if flags & _WILL:
        will_properties = read_properties(reader, WILL_PROPERTIES, "will") if level == 5 else ()
        will = Will(
            topic=reader.text("the will's topic"),
            payload=reader.binary("the will's payload"),
            qos=(flags & _WILL_QOS) >> 3,
            retain=bool(flags & _WILL_RETAIN),
            properties=will_properties,
        )
    user_name = reader.text("the user name") if flags & _USER_NAME else None
    password = reader.binary("the password") if flags & _PASSWORD else None
    if not reader.is_done:
        raise MQTTError(MALFORMED, "CONNECT goes on behind its last field")
    return Connect(
        level=level,
        clean_start=bool(flags & _CLEAN_START),
        keep_alive=keep_alive,
        client_id=client_id,
        user_name=user_name,
        password=password,
        will=will,
        properties=properties,
    )


def write_connect(connect: Connect) -> bytes:
    """The packet; of what read_connect gave, the very bytes. Raises MQTTError(PACKET_TOO_LARGE)."""
    flags = _CLEAN_START if connect.clean_start else 0
    fields = [write_text(connect.client_id)]
    if connect.will is not None:
        will = connect.will
        flags |= _WILL | will.qos << 3 | (_WILL_RETAIN if will.retain else 0)
        if connect.level == 5:
            fields.append(write_properties(will.properties, WILL_PROPERTIES))
        fields += [write_text(will.topic), write_binary(will.payload)]
    if connect.user_name is not None:
        flags |= _USER_NAME
        fields.append(write_text(connect.user_name))
    if connect.password is not None:
        flags |= _PASSWORD
        fields.append(write_binary(connect.password))
    head = write_binary(PROTOCOL_NAMES[connect.level]) + bytes((connect.level, flags))
    head += connect.keep_alive.to_bytes(2, "big")
    if connect.level == 5:
        head += write_properties(connect.properties, CONNECT_PROPERTIES)
    body = head + b"".join(fields)
    return bytes((CONNECT,)) + write_variable(len(body)) + body


def with_identity(
    connect: Connect,
    *,
    client_id: str | None,
    user_name: str | None,
    strip_password: bool,
    user_property: str,
    values: Sequence[str],
) -> Connect:
    """What goes to the broker: connect with what the gateway knows of the client. None keeps what is there.

    On MQTT 5 each value becomes a user property behind the others. Those of that name which the client
    sent are removed with or without values, in any case, with - and _ as one, and with white space
    around: a reader that forgives shall not find a forged one. Before MQTT 5 there are none.
    Raises MQTTError where the outcome may not stand in a packet.
    """
    properties = connect.properties
    if connect.level == 5:
        forged = _folded(user_property)
        kept = [each for each in properties if not (isinstance(each[1], tuple) and _folded(each[1][0]) == forged)]
        properties = (*kept, *((USER_PROPERTY, (user_property, value)) for value in values))
    return replace(
        connect,
        client_id=connect.client_id if client_id is None else client_id,
        user_name=connect.user_name if user_name is None else user_name,
        password=None if strip_password else connect.password,
        properties=properties,
    )


def _folded(name: str) -> str:
    return name.strip().casefold().replace("-", "_")
