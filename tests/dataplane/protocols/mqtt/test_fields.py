"""Numbers, text and binary data have one spelling."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.dataplane.protocols.mqtt.samples import texts
from wsgate_dataplane.protocols.mqtt.fields import (
    MALFORMED,
    PACKET_TOO_LARGE,
    TOPIC_INVALID,
    VARIABLE_MAX,
    MQTTError,
    Reader,
    check_binary,
    check_text,
    check_topic_name,
    read_variable,
    write_binary,
    write_text,
    write_variable,
)


# MQTT 5, table 1-1.
@pytest.mark.parametrize(
    ("value", "spelling"),
    [
        (0, "00"),
        (127, "7f"),
        (128, "8001"),
        (16_383, "ff7f"),
        (16_384, "808001"),
        (2_097_151, "ffff7f"),
        (2_097_152, "80808001"),
        (VARIABLE_MAX, "ffffff7f"),
    ],
)
def test_variable_byte_integers_stand_as_in_the_standards_table(value: int, spelling: str) -> None:
    data = bytes.fromhex(spelling)
    assert write_variable(value) == data
    assert read_variable(b"\xff" + data, 1, 9) == (value, 1 + len(data))
    assert all(read_variable(data, 0, stop) is None for stop in range(len(data)))


@given(st.integers(0, VARIABLE_MAX))
def test_what_is_written_is_read_as_the_same_number(value: int) -> None:
    data = write_variable(value)
    assert read_variable(data, 0, len(data)) == (value, len(data))


@pytest.mark.parametrize("spelling", ["8000", "808000", "80808000", "ff00", "ffffffff", "80808080"])
def test_a_number_in_a_longer_spelling_than_needed_is_malformed(spelling: str) -> None:
    data = bytes.fromhex(spelling)
    with pytest.raises(MQTTError) as caught:
        read_variable(data, 0, len(data))
    assert caught.value.reason == MALFORMED


def test_a_number_beyond_four_bytes_is_not_written() -> None:
    with pytest.raises(MQTTError) as caught:
        write_variable(VARIABLE_MAX + 1)
    assert caught.value.reason == PACKET_TOO_LARGE


@given(st.lists(texts | st.binary(max_size=300), max_size=5))
def test_fields_are_read_as_they_were_written(fields: list[str | bytes]) -> None:
    data = b"".join(write_text(each) if isinstance(each, str) else write_binary(each) for each in fields)
    reader = Reader(data, 0, len(data))
    assert [reader.text("it") if isinstance(each, str) else reader.binary("it") for each in fields] == fields
    assert reader.is_done


@pytest.mark.parametrize("data", [b"", b"\0", b"\0\1", b"\0\3ab"])
def test_a_field_that_goes_on_behind_the_end_is_malformed(data: bytes) -> None:
    reader = Reader(data + b"more", 0, len(data))
    with pytest.raises(MQTTError, match="the name goes on behind the end"):
        reader.binary("the name")


def test_a_number_that_goes_on_behind_the_end_is_malformed() -> None:
    with pytest.raises(MQTTError, match="the length goes on"):
        Reader(b"\x80\x01", 0, 1).variable("the length")


def test_a_part_ends_where_it_was_told_to() -> None:
    reader = Reader(b"abcdef", 0, 6)
    part = reader.part(2, "the part")
    assert (part.take(2, "it"), part.is_done, reader.take(4, "it"), reader.is_done) == (b"ab", True, b"cdef", True)
    with pytest.raises(MQTTError):
        part.take(1, "it")


# Overlong, a surrogate, cut, beyond Unicode (MQTT 5, 1.5.4-1).
@pytest.mark.parametrize("encoded", [b"\xc0\x80", b"\xed\xa0\x80", b"\xe2\x82", b"\xf4\x90\x80\x80", b"\xff"])
def test_what_is_not_utf8_is_malformed(encoded: bytes) -> None:
    data = write_binary(encoded)
    with pytest.raises(MQTTError, match="the name is not UTF-8") as caught:
        Reader(data, 0, len(data)).text("the name")
    assert caught.value.reason == MALFORMED


@pytest.mark.parametrize(
    "value", ["\0", "a\nb", "\x7f", "\x9f", "\ufdd0", "\uffff", "\U0010fffe", "\ud800", "é" * 40_000]
)
def test_text_that_a_broker_may_refuse_is_refused(value: str) -> None:
    with pytest.raises(MQTTError, match="the name h") as caught:
        check_text(value, "the name")
    assert caught.value.reason == MALFORMED


@pytest.mark.parametrize("value", ["", "plain", "ÄÖ 漢字 🙂", "\ufeffmark", "é" * 32_767])
def test_other_text_is_allowed_and_kept(value: str) -> None:
    check_text(value, "the name")
    data = write_text(value)
    assert Reader(data, 0, len(data)).text("the name") == value


def test_binary_data_fits_behind_two_bytes() -> None:
    check_binary(bytes(65_535), "it")
    with pytest.raises(MQTTError, match="it has 65536 bytes"):
        check_binary(bytes(65_536), "it")


@pytest.mark.parametrize("value", ["", "a/+/b", "a/#"])
def test_a_topic_to_publish_to_has_no_wildcard(value: str) -> None:
    with pytest.raises(MQTTError) as caught:
        check_topic_name(value, "the topic")
    assert caught.value.reason == TOPIC_INVALID
    check_topic_name("a/b", "the topic")
