"""Which packet may come after a CONNECT, from whom, in which version."""

import pytest

from wsgate_dataplane.protocols.mqtt.fields import MALFORMED, PROTOCOL_ERROR, VARIABLE_MAX
from wsgate_dataplane.protocols.mqtt.packets import NAMES, allowed_packets, type_of, why_refused

CLIENT = {"PUBLISH", "PUBACK", "PUBREC", "PUBREL", "PUBCOMP", "SUBSCRIBE", "UNSUBSCRIBE", "PINGREQ", "DISCONNECT"}
BROKER = {"CONNACK", "PUBLISH", "PUBACK", "PUBREC", "PUBREL", "PUBCOMP", "SUBACK", "UNSUBACK", "PINGRESP"}


@pytest.mark.parametrize(
    ("level", "from_client", "names"),
    [
        (3, True, CLIENT),
        (4, True, CLIENT),
        (5, True, CLIENT | {"AUTH"}),
        (3, False, BROKER),
        (4, False, BROKER),
        (5, False, BROKER | {"AUTH", "DISCONNECT"}),
    ],
)
def test_each_side_sends_its_own_packet_types(level: int, names: set[str], *, from_client: bool) -> None:
    assert {NAMES[type_of(first)] for first in allowed_packets(level, from_client=from_client)} == names


@pytest.mark.parametrize("level", [4, 5])
def test_the_flags_of_a_first_byte_are_the_ones_of_its_type(level: int) -> None:
    publish = {0x30, 0x31, 0x32, 0x33, 0x34, 0x35, 0x3A, 0x3B, 0x3C, 0x3D}
    others = {0x40, 0x50, 0x62, 0x70, 0x82, 0xA2, 0xC0, 0xE0} | ({0xF0} if level == 5 else set())
    assert set(allowed_packets(level, from_client=True)) == publish | others


def test_mqtt_3_1_may_repeat_pubrel_subscribe_and_unsubscribe() -> None:
    more = set(allowed_packets(3, from_client=True)) - set(allowed_packets(4, from_client=True))
    assert more == {0x6A, 0x8A, 0xAA}


@pytest.mark.parametrize(
    ("first", "level", "from_client", "least", "most"),
    [
        (0x30, 4, True, 3, VARIABLE_MAX),
        (0x32, 4, True, 5, VARIABLE_MAX),
        (0x35, 5, True, 6, VARIABLE_MAX),
        (0x40, 4, True, 2, 2),
        (0x40, 5, True, 2, VARIABLE_MAX),
        (0x82, 4, True, 6, VARIABLE_MAX),
        (0x82, 5, True, 7, VARIABLE_MAX),
        (0xA2, 4, True, 5, VARIABLE_MAX),
        (0xC0, 5, True, 0, 0),
        (0xE0, 4, True, 0, 0),
        (0xE0, 5, True, 0, VARIABLE_MAX),
        (0xD0, 4, False, 0, 0),
        (0xB0, 4, False, 2, 2),
        (0xB0, 5, False, 4, VARIABLE_MAX),
        # A broker without MQTT 5 refuses a CONNECT of it with two bytes.
        (0x20, 5, False, 2, VARIABLE_MAX),
    ],
)
def test_a_packet_is_as_long_as_its_fixed_fields_at_least(
    first: int, level: int, least: int, most: int, *, from_client: bool
) -> None:
    assert allowed_packets(level, from_client=from_client)[first] == (least, most)


@pytest.mark.parametrize(
    ("first", "level", "from_client", "reason", "detail"),
    [
        (0x10, 4, True, PROTOCOL_ERROR, "CONNECT from a client inside a session of protocol level 4"),
        (0x20, 5, True, PROTOCOL_ERROR, "CONNACK from a client inside a session of protocol level 5"),
        (0xF0, 4, True, PROTOCOL_ERROR, "AUTH from a client inside a session of protocol level 4"),
        (0xE0, 4, False, PROTOCOL_ERROR, "DISCONNECT from a broker inside a session of protocol level 4"),
        (0x00, 4, True, PROTOCOL_ERROR, "reserved type 0 from a client inside a session of protocol level 4"),
        (0x36, 4, True, MALFORMED, "PUBLISH with flags 0x6"),
        (0x38, 4, True, MALFORMED, "PUBLISH with flags 0x8"),
        (0x80, 5, True, MALFORMED, "SUBSCRIBE with flags 0x0"),
    ],
)
def test_a_refusal_says_what_is_wrong_with_the_first_byte(
    first: int, level: int, reason: int, detail: str, *, from_client: bool
) -> None:
    assert first not in allowed_packets(level, from_client=from_client)
    error = why_refused(first, level, from_client=from_client)
    assert (error.reason, error.detail) == (reason, detail)
