"""The follower against a plain reading of the whole stream, at any cut into frames and reads."""

import sys
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.dataplane.frames.test_scanner import cut
from tests.dataplane.protocols.mqtt.samples import packet, streams
from wsgate_dataplane.protocols.mqtt.fields import MALFORMED, PACKET_TOO_LARGE, PROTOCOL_ERROR
from wsgate_dataplane.protocols.mqtt.follower import PacketFollower
from wsgate_dataplane.protocols.mqtt.packets import allowed_packets

LIMIT = 20_000

PUBLISH, SUBSCRIBE, UNSUBSCRIBE = packet(0x30, b"\0\1ahello"), packet(0x82, bytes(7)), packet(0xA2, bytes(6))
PINGREQ, DISCONNECT = packet(0xC0), packet(0xE0)


class Verdict(NamedTuple):
    messages: int
    is_at_boundary: bool
    """False where something is wrong."""
    reason: int | None


def wrong(messages: int, reason: int) -> Verdict:
    return Verdict(messages, is_at_boundary=False, reason=reason)


def right(messages: int, *, is_at_boundary: bool = True) -> Verdict:
    return Verdict(messages, is_at_boundary, None)


def follower(*, from_client: bool = True, level: int = 4, max_packet_bytes: int = LIMIT) -> PacketFollower:
    return PacketFollower(from_client=from_client, level=level, max_packet_bytes=max_packet_bytes)


def verdict(follower: PacketFollower) -> Verdict:
    if follower.violation is not None:
        return wrong(follower.messages, follower.violation.reason)
    return right(follower.messages, is_at_boundary=follower.is_at_boundary)


def read_plainly(stream: bytes, level: int, limit: int, *, from_client: bool) -> Verdict:
    """One packet after the other, all bytes at hand."""
    allowed, counted = allowed_packets(level, from_client=from_client), {3, 8, 10} if from_client else {3}
    place = messages = 0
    is_over = False
    while place < len(stream):
        first = stream[place]
        if is_over or first not in allowed:
            is_known_type = not is_over and first >> 4 in {each >> 4 for each in allowed}
            return wrong(messages, MALFORMED if is_known_type else PROTOCOL_ERROR)
        digits = [byte & 0x7F for byte in stream[place + 1 : place + 5]]
        size = next((i + 1 for i, byte in enumerate(stream[place + 1 : place + 5]) if byte < 0x80), None)
        if size is None:
            return wrong(messages, MALFORMED) if len(digits) == 4 else right(messages, is_at_boundary=False)
        length = sum(digit << 7 * i for i, digit in enumerate(digits[:size]))
        if (size > 1 and not digits[size - 1]) or not allowed[first].least <= length <= allowed[first].most:
            return wrong(messages, MALFORMED)
        if 1 + size + length > limit:
            return wrong(messages, PACKET_TOO_LARGE)
        messages += first >> 4 in counted
        is_over = first >> 4 == 14
        place += 1 + size + length
    return right(messages, is_at_boundary=place == len(stream))


def masked(data: bytes, mask: bytes) -> bytes:
    return bytes(byte ^ mask[i & 3] for i, byte in enumerate(data))


masks = st.none() | st.binary(min_size=4, max_size=4)
places = st.lists(st.integers(0, 10**6), max_size=8)


@given(
    data=st.data(),
    level=st.sampled_from([3, 4, 5]),
    from_client=st.booleans(),
    limit=st.sampled_from([4, 60, 129, 130, LIMIT]),
)
def test_any_cut_into_frames_and_reads_gives_the_verdict_of_a_plain_reading(
    *, data: st.DataObject, level: int, from_client: bool, limit: int
) -> None:
    stream = data.draw(streams(level, from_client=from_client))
    tested = follower(from_client=from_client, level=level, max_packet_bytes=limit)
    for payload in cut(stream, data.draw(places)):
        mask = data.draw(masks)
        wire, phase = masked(payload, mask) if mask else payload, 0
        for piece in cut(wire, data.draw(places)):
            before = data.draw(st.binary(max_size=3))
            tested.follow(before + piece + b"behind", len(before), len(before) + len(piece), mask, phase)
            phase = (phase + len(piece)) & 3
    assert verdict(tested) == read_plainly(stream, level, limit, from_client=from_client)


def test_publish_subscribe_and_unsubscribe_of_a_client_are_messages() -> None:
    tested = follower()
    stream = PUBLISH + PINGREQ + SUBSCRIBE + packet(0x40, b"\0\1") + UNSUBSCRIBE + DISCONNECT
    tested.follow(stream, 0, len(stream), None, 0)
    assert verdict(tested) == right(3)


def test_of_a_broker_publish_alone_is_a_message() -> None:
    tested = follower(from_client=False)
    stream = packet(0x20, b"\0\0") + packet(0x90, b"\0\1\0") + PUBLISH + packet(0xD0) + PUBLISH
    tested.follow(stream, 0, len(stream), None, 0)
    assert verdict(tested) == right(2)


@pytest.mark.parametrize(
    ("stream", "reason", "detail"),
    [
        (packet(0x10, b"\0\4MQTT\4\2\0\0\0\0"), PROTOCOL_ERROR, "CONNECT from a client inside"),
        (packet(0x20, b"\0\0"), PROTOCOL_ERROR, "CONNACK from a client inside"),
        (packet(0xF0), PROTOCOL_ERROR, "AUTH from a client inside"),
        (packet(0x36, b"\0\1axx"), MALFORMED, "PUBLISH with flags 0x6"),
        (packet(0x38, b"\0\1axx"), MALFORMED, "PUBLISH with flags 0x8"),
        (packet(0x80, bytes(7)), MALFORMED, "SUBSCRIBE with flags 0x0"),
        (packet(0x60, b"\0\1"), MALFORMED, "PUBREL with flags 0x0"),
        (b"\x30\x85\x00\0\1abc", MALFORMED, "a length is not in its shortest form"),
        (b"\x30\xff\xff\xff\xff\x01", MALFORMED, "a length has more than 4 bytes"),
        (packet(0xC0, b"x"), MALFORMED, "PINGREQ with a length of 1"),
        (packet(0x30, b"\0\1"), MALFORMED, "PUBLISH with a length of 2"),
        (packet(0x30, bytes(LIMIT - 3)), PACKET_TOO_LARGE, f"PUBLISH has {LIMIT + 1} bytes, allowed are {LIMIT}"),
        (DISCONNECT + PINGREQ, PROTOCOL_ERROR, "PINGREQ behind a DISCONNECT"),
    ],
)
def test_a_packet_that_may_not_come_is_a_violation_in_one_piece_and_byte_by_byte(
    stream: bytes, reason: int, detail: str
) -> None:
    for size in (len(stream), 1):
        tested = follower()
        tested.follow(PUBLISH, 0, len(PUBLISH), None, 0)
        for start in range(0, len(stream), size):
            tested.follow(stream, start, start + size, None, 0)
        assert tested.violation is not None
        assert tested.violation.reason == reason
        assert tested.violation.detail.startswith(detail)
        tested.follow(PUBLISH, 0, len(PUBLISH), None, 0)
        assert tested.messages == 1


def test_a_packet_of_the_limit_passes() -> None:
    tested = follower()
    whole = packet(0x30, bytes(LIMIT - 4))
    assert len(whole) == LIMIT
    tested.follow(whole, 0, LIMIT, None, 0)
    assert verdict(tested) == right(1)


@pytest.mark.parametrize("size", [10, 129, 131, 1000])
def test_a_new_limit_counts_from_the_next_header_on(size: int) -> None:
    tested = follower()
    length = size - (2 if size <= 129 else 3)
    whole = packet(0x30, bytes(length))
    tested.follow(whole, 0, 5, None, 0)
    tested.set_limit(size - 1)
    tested.follow(whole, 5, size, None, 0)
    assert verdict(tested) == right(1)
    tested.follow(whole, 0, size, None, 0)
    assert verdict(tested) == wrong(1, PACKET_TOO_LARGE)


def test_a_new_limit_does_not_reopen_what_a_disconnect_has_closed() -> None:
    tested = follower()
    tested.follow(DISCONNECT, 0, 2, None, 0)
    tested.set_limit(100)
    tested.follow(PUBLISH, 0, len(PUBLISH), None, 0)
    assert verdict(tested) == wrong(0, PROTOCOL_ERROR)


@pytest.mark.parametrize("begun", [b"", b"\x30", b"\x30\x85", PUBLISH[:-1]])
def test_where_a_packet_is_wrong_the_boundary_is_that_of_the_call_before(begun: bytes) -> None:
    tested = follower()
    tested.follow(begun, 0, len(begun), None, 0)
    wrong = PUBLISH[len(begun) :] if begun != b"\x30\x85" else b"\0"
    wrong += b"\0"
    tested.follow(wrong, 0, len(wrong), None, 0)
    assert tested.violation is not None
    assert tested.is_at_boundary is (begun == b"")


def test_what_is_kept_between_calls_is_a_header_at_most() -> None:
    tested = follower()
    for begun in (b"\x30", b"\x85", b"\x9c\x01" + bytes(10_000)):
        tested.follow(begun, 0, len(begun), None, 0)
        kept = [getattr(tested, slot) for slot in tested.__slots__ if slot not in ("_allowed", "tables")]
        assert sum(sys.getsizeof(each) for each in kept if isinstance(each, bytes) and len(each) != 256) < 50
