"""Properties of MQTT 5, as they stand and as they may."""

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.dataplane.protocols.mqtt.samples import properties
from wsgate_dataplane.protocols.mqtt.fields import (
    MALFORMED,
    PACKET_TOO_LARGE,
    PROTOCOL_ERROR,
    TOPIC_INVALID,
    MQTTError,
    Reader,
)
from wsgate_dataplane.protocols.mqtt.properties import (
    CONNECT_PROPERTIES,
    COUNT_MAX,
    USER_PROPERTY,
    WILL_PROPERTIES,
    Properties,
    Property,
    PropertyValue,
    check_properties,
    read_properties,
    write_properties,
)

KINDS: list[Mapping[int, Property]] = [CONNECT_PROPERTIES, WILL_PROPERTIES]


@given(st.data(), st.sampled_from([0, 1]))
def test_properties_are_read_as_they_were_written(data: st.DataObject, kind: int) -> None:
    allowed = KINDS[kind]
    given_: Properties = data.draw(properties(of_will=allowed is WILL_PROPERTIES))
    check_properties(given_, allowed, "sample")
    written = write_properties(given_, allowed)
    reader = Reader(written, 0, len(written))
    assert read_properties(reader, allowed, "sample") == given_
    assert reader.is_done


def test_more_properties_than_anybody_needs_are_refused_before_they_are_read() -> None:
    for count, is_read in ((COUNT_MAX, True), (COUNT_MAX + 1, False)):
        written = write_properties(((USER_PROPERTY, ("", "")),) * count, CONNECT_PROPERTIES)
        reader = Reader(written, 0, len(written))
        if is_read:
            assert len(read_properties(reader, CONNECT_PROPERTIES, "CONNECT")) == count
            continue
        with pytest.raises(MQTTError) as error:
            read_properties(reader, CONNECT_PROPERTIES, "CONNECT")
        assert error.value.reason == PACKET_TOO_LARGE


@given(st.binary(max_size=40), st.sampled_from([0, 1]))
def test_any_bytes_are_properties_or_malformed(body: bytes, kind: int) -> None:
    allowed, data = KINDS[kind], bytes((len(body),)) + body
    try:
        found = read_properties(Reader(data, 0, len(data)), allowed, "sample")
    except MQTTError as error:
        assert error.reason == MALFORMED
    else:
        assert write_properties(found, allowed) == data


@pytest.mark.parametrize(
    ("hexadecimal", "detail"),
    [
        ("05 11 00000001 ff", None),
        ("02 01 00", "property 0x01 is not one of the CONNECT"),
        ("02 80 01", "property 0x80 is not one of the CONNECT"),
        ("03 9100 00", "a length is not in its shortest form"),
        ("04 11 000000", "session expiry interval goes on behind the end"),
        ("05 26 0001 61 00", "user property goes on behind the end"),
        ("09 11 00000001", "properties of the CONNECT goes on behind the end"),
    ],
)
def test_what_the_properties_of_a_connect_may_look_like(hexadecimal: str, detail: str | None) -> None:
    data = bytes.fromhex(hexadecimal)
    if detail is None:
        assert read_properties(Reader(data, 0, len(data)), CONNECT_PROPERTIES, "CONNECT") == ((0x11, 1),)
        return
    with pytest.raises(MQTTError, match=detail):
        read_properties(Reader(data, 0, len(data)), CONNECT_PROPERTIES, "CONNECT")


@pytest.mark.parametrize(
    ("identifier", "value", "reason"),
    [
        (0x21, 0, PROTOCOL_ERROR),
        (0x21, 65_536, PROTOCOL_ERROR),
        (0x27, 0, PROTOCOL_ERROR),
        (0x17, 2, PROTOCOL_ERROR),
        (0x19, 2, PROTOCOL_ERROR),
        (0x11, -1, PROTOCOL_ERROR),
        (0x11, "text", MALFORMED),
        (0x15, b"binary", MALFORMED),
        (0x15, "\0", MALFORMED),
        (0x16, bytes(70_000), MALFORMED),
        (0x26, ("name", "\0"), MALFORMED),
        (0x26, ("\n", "value"), MALFORMED),
        (0x18, 1, MALFORMED),
    ],
)
def test_a_value_that_a_connect_may_not_have_is_refused(
    identifier: int, value: PropertyValue, reason: int
) -> None:
    with pytest.raises(MQTTError) as caught:
        check_properties(((identifier, value),), CONNECT_PROPERTIES, "CONNECT")
    assert caught.value.reason == reason


def test_a_will_answers_to_a_topic_without_wildcards() -> None:
    with pytest.raises(MQTTError) as caught:
        check_properties(((0x08, "answers/#"),), WILL_PROPERTIES, "will")
    assert caught.value.reason == TOPIC_INVALID


def test_only_a_user_property_may_stand_twice() -> None:
    check_properties(((0x26, ("a", "b")), (0x26, ("a", "b"))), CONNECT_PROPERTIES, "CONNECT")
    with pytest.raises(MQTTError, match="receive maximum stands twice") as caught:
        check_properties(((0x21, 1), (0x26, ("a", "b")), (0x21, 1)), CONNECT_PROPERTIES, "CONNECT")
    assert caught.value.reason == PROTOCOL_ERROR
