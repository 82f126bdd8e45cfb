"""CONNECT, read strictly and written byte for byte; test_connect_paho.py has what another writer makes of it."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.dataplane.protocols.mqtt.samples import connects, packet
from wsgate_dataplane.protocols.mqtt.connect import (
    Connect,
    MQTTError,
    Will,
    read_connect,
    with_identity,
    write_connect,
)
from wsgate_dataplane.protocols.mqtt.fields import (
    CLIENT_ID_INVALID,
    MALFORMED,
    PACKET_TOO_LARGE,
    PROTOCOL_ERROR,
    TOPIC_INVALID,
    UNSUPPORTED_VERSION,
)
from wsgate_dataplane.protocols.mqtt.properties import AUTHENTICATION_DATA, MAXIMUM_PACKET_SIZE, USER_PROPERTY

WILL = Will(topic="gone", payload=b"bye")
PLAIN = Connect(level=4, clean_start=True, keep_alive=60, client_id="sensor")


def connect_bytes(level: int, flags: int, *fields: bytes, properties: str = "00") -> bytes:
    """A CONNECT by hand: each field gets its length."""
    name = b"\0\6MQIsdp" if level == 3 else b"\0\4MQTT"
    body = name + bytes((level, flags)) + b"\0\x3c" + (bytes.fromhex(properties) if level == 5 else b"")
    return packet(0x10, body + b"".join(len(each).to_bytes(2, "big") + each for each in fields))


def refusal(data: bytes, **limits: int) -> MQTTError:
    with pytest.raises(MQTTError) as caught:
        read_connect(data, **limits)
    return caught.value


@given(connects(), st.binary(max_size=20))
def test_what_is_written_is_read_as_the_same_and_ends_at_its_end(connect: Connect, later: bytes) -> None:
    data = write_connect(connect)
    assert read_connect(data + later) == (connect, len(data))


@given(connects(), st.data())
def test_bytes_that_are_accepted_are_written_unchanged(connect: Connect, data: st.DataObject) -> None:
    hostile = bytearray(write_connect(connect))
    for place in data.draw(st.lists(st.integers(0, len(hostile) - 1), max_size=4)):
        hostile[place] = data.draw(st.integers(0, 255))
    try:
        found = read_connect(bytes(hostile))
    except MQTTError:
        return
    if found is not None:
        assert write_connect(found[0]) == hostile[: found[1]]


@given(st.binary(max_size=60), st.sampled_from([b"", b"\x10", b"\x10\x20\0\4MQTT\5", b"\x10\x20\0\4MQTT\4"]))
def test_hostile_bytes_are_accepted_or_refused_and_nothing_else(tail: bytes, head: bytes) -> None:
    try:
        found = read_connect(head + tail)
    except MQTTError as error:
        assert error.reason >= 0x80
    else:
        assert found is None or write_connect(found[0]) == (head + tail)[: found[1]]


@given(connects())
def test_every_beginning_of_a_connect_asks_for_more(connect: Connect) -> None:
    data = write_connect(connect)
    assert all(read_connect(data[:size]) is None for size in range(len(data)))


def test_fields_of_a_packet_made_by_hand_are_found() -> None:
    data = connect_bytes(
        5,
        0b1110_1110,
        b"sensor",
        properties="0b 11 00000e10 21 000a 22 0005",
    )
    # The will's properties stand between client id and topic.
    will = bytes.fromhex("05 18 0000001e") + b"\0\4gone\0\3bye"
    data = packet(0x10, data[2:] + will + b"\0\4anna\0\6secret")
    assert read_connect(data) == (
        Connect(
            level=5,
            clean_start=True,
            keep_alive=60,
            client_id="sensor",
            user_name="anna",
            password=b"secret",
            will=Will("gone", b"bye", qos=1, retain=True, properties=((0x18, 30),)),
            properties=((0x11, 3600), (0x21, 10), (0x22, 5)),
        ),
        len(data),
    )


def test_defect_3_clean_session_is_not_taken_for_a_will() -> None:
    # The original tested 0x02, which is Clean Session, and took the user name of such a client for a topic.
    found = read_connect(connect_bytes(4, 0b1100_0010, b"sensor", b"anna", b"secret"))
    assert found is not None
    assert (found[0].clean_start, found[0].will) == (True, None)
    assert (found[0].user_name, found[0].password) == ("anna", b"secret")


@pytest.mark.parametrize("level", [3, 4, 5])
def test_defect_3_a_will_without_clean_session_is_found(level: int) -> None:
    will_properties = b"\0" if level == 5 else b""
    data = connect_bytes(level, 0b1000_0100, b"sensor")
    data = packet(0x10, data[2:] + will_properties + b"\0\4gone\0\3bye\0\4anna")
    found = read_connect(data)
    assert found is not None
    assert (found[0].clean_start, found[0].will, found[0].user_name) == (False, WILL, "anna")


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"\x11", MALFORMED),
        (b"\x20", PROTOCOL_ERROR),
        (b"\x30\x05", PROTOCOL_ERROR),
        (b"GET / HTTP/1.1", PROTOCOL_ERROR),
        (b"\x10\x80\x00", MALFORMED),
        (b"\x10\xff\xff\xff\xff", MALFORMED),
        (b"\x10\x20\x01", UNSUPPORTED_VERSION),
        (b"\x10\x20\x00\x05", UNSUPPORTED_VERSION),
        (b"\x10\x20\x00\x04MQXX", UNSUPPORTED_VERSION),
        (b"\x10\x20\x00\x04MQTT\x03", UNSUPPORTED_VERSION),
        (b"\x10\x20\x00\x04MQTT\x06", UNSUPPORTED_VERSION),
        # A bridge of mosquitto says so in the level's first bit.
        (b"\x10\x20\x00\x04MQTT\x84", UNSUPPORTED_VERSION),
        (b"\x10\x20\x00\x06MQIsdp\x04", UNSUPPORTED_VERSION),
        (b"\x10\x20\x00\x04MQTT\x05\x01", MALFORMED),
        (b"\x10\x20\x00\x04MQTT\x05\x08", MALFORMED),
        (b"\x10\x20\x00\x04MQTT\x05\x20", MALFORMED),
        (b"\x10\x20\x00\x04MQTT\x05\x1c", MALFORMED),
        (b"\x10\x20\x00\x04MQTT\x04\x42", PROTOCOL_ERROR),
        (b"\x10\x20\x00\x06MQIsdp\x03\x42", PROTOCOL_ERROR),
    ],
)
def test_a_wrong_beginning_is_refused_before_the_rest_is_there(data: bytes, reason: int) -> None:
    assert refusal(data).reason == reason


def test_a_packet_above_the_limit_is_refused_by_its_header() -> None:
    data = write_connect(PLAIN)
    assert read_connect(data, max_bytes=len(data)) == (PLAIN, len(data))
    error = refusal(data[:2], max_bytes=len(data) - 1)
    assert (error.reason, error.detail) == (
        PACKET_TOO_LARGE,
        f"CONNECT has {len(data)} bytes, allowed are {len(data) - 1}",
    )


@pytest.mark.parametrize(
    ("data", "detail"),
    [
        (packet(0x10), "the protocol name goes on behind the end"),
        (packet(0x10, b"\0\4MQ"), "the protocol name goes on behind the end"),
        (packet(0x10, b"\0\4MQTT"), "the protocol level goes on behind the end"),
        (packet(0x10, b"\0\4MQTT\4\2\0"), "keep alive goes on behind the end"),
        (connect_bytes(4, 0x02), "the client id goes on behind the end"),
        (connect_bytes(4, 0x82, b"sensor"), "the user name goes on behind the end"),
        (connect_bytes(4, 0x02, b"sensor", b"more"), "CONNECT goes on behind its last field"),
        (connect_bytes(4, 0x04, b"sensor", b"", b""), "the will's topic is empty"),
        (connect_bytes(4, 0x02, b"\xff"), "the client id is not UTF-8"),
        (connect_bytes(4, 0x02, b"a\0b"), "the client id holds a control character"),
        (connect_bytes(4, 0x82, b"a", b"a\nb"), "the user name holds a control character"),
        (
            connect_bytes(5, 0x02, b"sensor", properties="0a 11 00000000 11 00000000"),
            "stands twice in the CONNECT",
        ),
        (connect_bytes(5, 0x02, b"sensor", properties="05 18 00000000"), "0x18 is not one of the CONNECT"),
        (connect_bytes(5, 0x02, b"sensor", properties="8000"), "not in its shortest form"),
    ],
)
def test_a_wrong_body_is_refused_with_the_name_of_the_field(data: bytes, detail: str) -> None:
    assert detail in refusal(data).detail


def test_no_word_of_the_client_stands_in_an_error_or_a_repr() -> None:
    connect = Connect(
        level=5,
        clean_start=True,
        keep_alive=0,
        client_id="sensor",
        password=b"hush",
        will=Will("gone", b"hush"),
        properties=((0x15, "any"), (AUTHENTICATION_DATA, b"hush")),
    )
    assert "hush" not in repr(connect)
    assert "hush" not in str(refusal(connect_bytes(4, 0xC2, b"a", b"hush\n", b"hush")))


def changed(**values: Any) -> Connect:
    return replace(PLAIN, **values)


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"level": 6}, UNSUPPORTED_VERSION),
        ({"keep_alive": 65_536}, MALFORMED),
        ({"client_id": "", "clean_start": False}, CLIENT_ID_INVALID),
        ({"client_id": "", "level": 3}, CLIENT_ID_INVALID),
        ({"client_id": "a\ud800"}, MALFORMED),
        ({"user_name": "a\0"}, MALFORMED),
        ({"password": b"secret"}, PROTOCOL_ERROR),
        ({"user_name": "anna", "password": bytes(65_536)}, MALFORMED),
        ({"properties": ((0x11, 0),)}, PROTOCOL_ERROR),
        ({"will": Will("gone", b"", properties=((0x18, 1),))}, PROTOCOL_ERROR),
        ({"level": 5, "properties": ((AUTHENTICATION_DATA, b"x"),)}, PROTOCOL_ERROR),
    ],
)
def test_a_connect_that_its_version_does_not_allow_cannot_be_made(values: dict[str, Any], reason: int) -> None:
    with pytest.raises(MQTTError) as caught:
        changed(**values)
    assert caught.value.reason == reason


@pytest.mark.parametrize(
    "values",
    [
        {"client_id": ""},
        {"client_id": "", "level": 5, "clean_start": False},
        {"client_id": "a" * 100, "level": 3},
        {"level": 5, "password": b"secret"},
        {"user_name": "anna"},
        {"user_name": ""},
    ],
)
def test_a_connect_that_its_version_allows_makes_the_round_trip(values: dict[str, Any]) -> None:
    connect = changed(**values)
    data = write_connect(connect)
    assert read_connect(data) == (connect, len(data))


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"topic": ""}, TOPIC_INVALID),
        ({"topic": "a/#"}, TOPIC_INVALID),
        ({"payload": bytes(65_536)}, MALFORMED),
        ({"qos": 3}, MALFORMED),
        ({"properties": ((0x11, 1),)}, MALFORMED),
    ],
)
def test_a_will_that_no_broker_takes_cannot_be_made(values: dict[str, Any], reason: int) -> None:
    with pytest.raises(MQTTError) as caught:
        replace(WILL, **values)
    assert caught.value.reason == reason


def test_the_largest_packet_that_a_client_takes_is_told() -> None:
    assert PLAIN.max_packet_bytes is None
    assert changed(level=5, properties=((MAXIMUM_PACKET_SIZE, 100),)).max_packet_bytes == 100


def identified(connect: Connect, **values: Any) -> Connect:
    nothing: dict[str, Any] = {
        "client_id": None,
        "user_name": None,
        "strip_password": False,
        "user_property": "roles",
        "values": (),
    }
    return with_identity(connect, **nothing | values)


@given(connects((3, 4)))
def test_nothing_is_changed_before_mqtt_5_where_nothing_is_asked_for(connect: Connect) -> None:
    assert identified(connect, values=["admin"]) == connect


@given(connect=connects(), strip=st.booleans(), values=st.lists(st.sampled_from(["reader", "writer"])))
def test_whatever_the_identity_the_packet_stays_one_that_its_version_allows(
    *, connect: Connect, strip: bool, values: list[str]
) -> None:
    changed = identified(connect, client_id="c", user_name="u", strip_password=strip, values=values)
    data = write_connect(changed)
    assert read_connect(data) == (changed, len(data))
    assert (changed.client_id, changed.user_name, changed.will) == ("c", "u", connect.will)
    assert changed.password == (None if strip else connect.password)
    if connect.level == 5:
        added = tuple((USER_PROPERTY, ("roles", value)) for value in values)
        assert changed.properties == connect.properties + added


# The last but one ends in LATIN SMALL LETTER LONG S, whose upper case is S.
FORGED = ["roles", "ROLES", "Roles", " roles ", "role\u017f", "roles\u00a0"]


@pytest.mark.parametrize("name", FORGED)
@pytest.mark.parametrize("values", [(), ("reader",)])
def test_forged_copies_of_the_user_property_are_removed_with_or_without_values(
    name: str, values: tuple[str, ...]
) -> None:
    kept = (0x11, 60), (USER_PROPERTY, ("role", "x")), (USER_PROPERTY, ("x-roles", "roles"))
    forged = (USER_PROPERTY, (name, "admin"))
    connect = changed(level=5, properties=(forged, kept[0], forged, kept[1], kept[2], forged))
    added = tuple((USER_PROPERTY, ("roles", value)) for value in values)
    assert identified(connect, values=values).properties == kept + added


@pytest.mark.parametrize("name", ["user-roles", "user_roles", "USER_Roles"])
def test_dash_and_underscore_are_one_in_a_forged_name(name: str) -> None:
    connect = changed(level=5, properties=((USER_PROPERTY, (name, "admin")),))
    assert identified(connect, user_property="User-Roles").properties == ()


def test_a_password_that_was_the_token_can_be_left_out() -> None:
    connect = changed(user_name="anna", password=b"secret")
    stripped = identified(connect, strip_password=True)
    assert stripped == changed(user_name="anna")
    assert b"secret" not in write_connect(stripped)


@pytest.mark.parametrize("values", [{"client_id": "a\0"}, {"user_name": "x" * 70_000}, {"values": ["a\nb"]}])
def test_an_identity_that_may_not_stand_in_a_packet_is_refused(values: dict[str, Any]) -> None:
    with pytest.raises(MQTTError):
        identified(changed(level=5), **values)
