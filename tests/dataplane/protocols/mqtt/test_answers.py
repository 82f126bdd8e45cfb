"""What the gateway says itself, byte for byte, and as paho reads it."""

from typing import Any

import pytest
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties as PahoProperties

from wsgate_dataplane.protocols.mqtt.answers import connack, disconnect
from wsgate_dataplane.protocols.mqtt.fields import MQTTError


@pytest.mark.parametrize("level", [3, 4])
def test_a_refusal_before_mqtt_5_is_a_return_code(level: int) -> None:
    assert connack(level, 0x87, 5, "unauthorized") == b"\x20\x02\x00\x05"


def test_a_refusal_of_mqtt_5_tells_the_reason() -> None:
    packet = connack(5, 0x87, 5, "unauthorized")
    assert packet == b"\x20\x12\x00\x87\x0f\x1f\x00\x0cunauthorized"
    assert reason_as_paho_reads_it(PacketTypes.CONNACK, packet[4:]) == "unauthorized"


def test_a_disconnect_tells_the_reason() -> None:
    packet = disconnect(0x98, "token revoked")
    assert packet == b"\xe0\x12\x98\x10\x1f\x00\x0dtoken revoked"
    assert reason_as_paho_reads_it(PacketTypes.DISCONNECT, packet[3:]) == "token revoked"


def reason_as_paho_reads_it(kind: int, encoded: bytes) -> Any:
    read: Any = PahoProperties(kind)  # type: ignore[no-untyped-call]  # paho leaves it so
    _, size = read.unpack(encoded)
    assert size == len(encoded)
    return read.ReasonString


def test_without_words_there_is_the_code_alone() -> None:
    assert connack(5, 0x87, 5, "") == b"\x20\x03\x00\x87\x00"
    assert disconnect(0x98, "") == b"\xe0\x01\x98"


def test_the_reason_is_left_out_where_the_client_takes_no_packet_of_that_size() -> None:
    # MQTT 5, 3.2.2-19 and 3.14.2-3.
    assert connack(5, 0x87, 5, "unauthorized", max_bytes=20) == connack(5, 0x87, 5, "unauthorized")
    assert connack(5, 0x87, 5, "unauthorized", max_bytes=19) == connack(5, 0x87, 5, "")
    assert disconnect(0x98, "token revoked", max_bytes=19) == disconnect(0x98, "")


def test_a_reason_that_may_not_stand_in_a_packet_is_an_error() -> None:
    with pytest.raises(MQTTError, match="the reason holds a control character"):
        disconnect(0x98, "a\nb")
