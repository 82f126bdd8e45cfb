"""What paho writes is read with the fields that paho was given: an independent reading of the standard."""

import socket
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties as PahoProperties

from tests.dataplane.protocols.mqtt.samples import connects
from wsgate_dataplane.protocols.mqtt.connect import Connect, read_connect, write_connect
from wsgate_dataplane.protocols.mqtt.fields import VARIABLE_MAX
from wsgate_dataplane.protocols.mqtt.properties import (
    CONNECT_PROPERTIES,
    MAXIMUM_PACKET_SIZE,
    WILL_PROPERTIES,
    Properties,
)

TIMEOUT_SECONDS = 5

PAHO_NAMES = {
    "session expiry interval": "SessionExpiryInterval",
    "authentication method": "AuthenticationMethod",
    "authentication data": "AuthenticationData",
    "request problem information": "RequestProblemInformation",
    "request response information": "RequestResponseInformation",
    "receive maximum": "ReceiveMaximum",
    "topic alias maximum": "TopicAliasMaximum",
    "user property": "UserProperty",
    "maximum packet size": "MaximumPacketSize",
    "payload format indicator": "PayloadFormatIndicator",
    "message expiry interval": "MessageExpiryInterval",
    "content type": "ContentType",
    "response topic": "ResponseTopic",
    "correlation data": "CorrelationData",
    "will delay interval": "WillDelayInterval",
}


@pytest.fixture(scope="module")
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(TIMEOUT_SECONDS)
        yield listening


def paho_properties(kind: int, properties: Properties) -> PahoProperties | None:
    names = CONNECT_PROPERTIES if kind == PacketTypes.CONNECT else WILL_PROPERTIES
    made = PahoProperties(kind)  # type: ignore[no-untyped-call]  # paho leaves it so
    for identifier, value in properties:
        setattr(made, PAHO_NAMES[names[identifier].name], value)
    return made if properties else None


def written_by_paho(connect: Connect, listener: socket.socket) -> bytes:
    """The CONNECT as paho sends it."""
    options: dict[str, Any] = {} if connect.level == 5 else {"clean_session": connect.clean_start}
    client = Client(
        CallbackAPIVersion.VERSION2,
        client_id=connect.client_id,
        protocol=MQTTProtocolVersion(connect.level),
        **options,
    )
    if connect.user_name is not None or connect.password is not None:
        client.username_pw_set(connect.user_name, connect.password.decode() if connect.password else None)
    if connect.will is not None:
        will = connect.will
        properties = paho_properties(PacketTypes.WILLMESSAGE, will.properties) if connect.level == 5 else None
        client.will_set(will.topic, will.payload, will.qos, will.retain, properties)
    options = {}
    if connect.level == 5:
        options = {
            "clean_start": connect.clean_start,
            "properties": paho_properties(PacketTypes.CONNECT, connect.properties),
        }
    host, port = listener.getsockname()
    client.connect(host, port, connect.keep_alive, **options)
    connection, _ = listener.accept()
    ours = client.socket()
    assert ours is not None
    with connection, closing(ours):
        connection.settimeout(TIMEOUT_SECONDS)
        data = b""
        while read_connect(data) is None:
            data += connection.recv(65_536)
        return data


def sorted_properties(properties: Properties) -> list[Any]:
    # paho writes them in an order of its own, user properties in the order given.
    return sorted(properties, key=lambda each: each[0])


def is_for_paho(connect: Connect) -> bool:
    """paho takes no keep alive of 0, no password without a user name or that is no text, and not every number."""
    is_text = connect.password is None or (connect.password != b"" and connect.password.isascii())
    has_user_name = connect.user_name is not None or connect.password is None
    sizes = [value for identifier, value in connect.properties if identifier == MAXIMUM_PACKET_SIZE]
    is_in_range = all(isinstance(size, int) and size <= VARIABLE_MAX for size in sizes)
    return bool(connect.keep_alive and is_text and has_user_name and is_in_range)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(connects().filter(is_for_paho))
def test_what_paho_writes_is_read_with_the_same_fields(listener: socket.socket, connect: Connect) -> None:
    written = written_by_paho(connect, listener)
    found = read_connect(written)
    assert found is not None
    read, end = found
    assert end == len(written)
    assert write_connect(read) == written
    assert (read.level, read.clean_start, read.keep_alive) == (
        connect.level,
        connect.clean_start,
        connect.keep_alive,
    )
    assert (read.client_id, read.user_name, read.password) == (
        connect.client_id,
        connect.user_name,
        connect.password,
    )
    assert sorted_properties(read.properties) == sorted_properties(connect.properties)
    assert (read.will is None) == (connect.will is None)
    if read.will is not None and connect.will is not None:
        fields = [(each.topic, each.payload, each.qos, each.retain) for each in (read.will, connect.will)]
        assert fields[0] == fields[1]
        assert sorted_properties(read.will.properties) == sorted_properties(connect.will.properties)
