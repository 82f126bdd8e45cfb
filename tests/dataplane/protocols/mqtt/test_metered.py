"""A metered MQTT client: what counts is packets, frames pass as wholes, and a close is exact."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.frames import Frame, Opcode

from tests.dataplane.frames.test_metered import Metered, Purse
from tests.dataplane.frames.test_scanner import cut
from tests.support.calls import calls_of
from wsgate_dataplane.frames.scanner import FrameLimits, Rule
from wsgate_dataplane.protocols.mqtt.metered import BUNDLE_MESSAGES_MAX, MeteredMQTTScanner

PUBLISH = b"\x30\x05\x00\x01a\x00x"
PINGREQ = b"\xc0\x00"


def frame(payload: bytes, *, fin: bool = True, opcode: Opcode = Opcode.BINARY) -> bytes:
    return Frame(opcode, payload, fin).serialize(mask=True)


class ClosingPurse(Purse):
    """Beyond it the session is to end."""

    closes = True


def metered(purse: Purse) -> Metered:
    limits = FrameLimits(max_message_bytes=100_000, max_control_frames_per_second=1000)
    return Metered(MeteredMQTTScanner(limits, lambda: 0.0, masked=True, level=5), purse)


def test_publishes_count_and_pings_and_acknowledgements_not() -> None:
    scanner = metered(ClosingPurse(messages=2))
    free = frame(PINGREQ) + frame(b"\x40\x02\x00\x01")
    assert scanner.feed(frame(PUBLISH) + free + frame(PUBLISH) + free) != b""
    assert (scanner.messages, scanner.is_held) == (2, False)
    assert scanner.feed(free) == free
    assert scanner.feed(frame(PUBLISH)) == b""
    assert scanner.is_held
    assert scanner.is_at_boundary


@pytest.mark.parametrize("payload", [b"", PINGREQ], ids=["empty", "PINGREQ"])
def test_frames_that_are_free_cost_little_where_nothing_is_left(payload: bytes) -> None:
    scanner = metered(Purse(messages=0))
    stream = frame(payload) * 500
    # To copy the follower for each of them took 39 calls.
    assert calls_of(lambda: scanner.feed(stream)) < 15 * 500
    assert scanner.feed(frame(PUBLISH)) == b""
    assert scanner.is_held


def test_a_frame_that_bundles_too_many_is_held_whole_where_the_limit_closes() -> None:
    scanner = metered(ClosingPurse(messages=3))
    bundle = frame(PUBLISH * 4)
    assert scanner.feed(frame(PUBLISH)) != b""
    assert scanner.feed(bundle) == b""
    assert (scanner.messages, scanner.is_held, scanner.is_at_boundary) == (1, True, True)


def test_where_the_limit_throttles_a_bundle_is_a_debt() -> None:
    purse = Purse(messages=1)
    scanner = metered(purse)
    bundle = frame(PUBLISH * 100)
    assert scanner.feed(bundle) == bundle
    assert purse.messages == -99
    assert scanner.feed(frame(PUBLISH)) == b""
    purse.messages = 1
    assert scanner.feed(b"") != b""
    assert scanner.messages == 101


def test_a_frame_cannot_make_a_debt_that_others_would_pay_for_hours() -> None:
    purse = Purse(messages=1)
    scanner = metered(purse)
    bundle = frame(PUBLISH * 20_000)
    out = b"".join(scanner.feed(bundle[at : at + 65_536]) for at in range(0, len(bundle), 65_536))
    assert len(out) < len(bundle)
    assert scanner.violation is not None
    assert scanner.violation.rule is Rule.RATE
    assert purse.messages > -2 * BUNDLE_MESSAGES_MAX


def test_a_large_frame_that_the_allowance_covers_passes() -> None:
    scanner = metered(Purse(messages=30_000))
    bundle = frame(PUBLISH * 20_000)
    assert b"".join(scanner.feed(bundle[at : at + 65_536]) for at in range(0, len(bundle), 65_536)) == bundle


def test_a_bundle_that_goes_on_beyond_a_closing_limit_stops_within_its_frame() -> None:
    scanner = metered(ClosingPurse(messages=5))
    bundle = frame(PUBLISH * 2000)
    first = scanner.feed(bundle[:30])
    assert first == bundle[:30]
    assert scanner.feed(bundle[30:]) == b""
    assert scanner.violation is not None
    assert scanner.violation.rule is Rule.RATE
    assert not scanner.is_at_boundary
    assert scanner.messages <= 5


def test_a_packet_whose_header_goes_on_in_a_read_of_one_byte_counts_too() -> None:
    scanner = metered(ClosingPurse(messages=1))
    bundle = frame(PUBLISH * 2)
    second_header = len(bundle) - len(PUBLISH) + 1
    assert scanner.feed(bundle[:second_header]) == bundle[:second_header]
    assert scanner.feed(bundle[second_header : second_header + 1]) == b""
    assert scanner.violation is not None
    assert scanner.messages == 1


def test_bytes_are_asked_for_at_the_beginning_of_a_frame() -> None:
    purse = ClosingPurse(size=1)
    scanner = metered(purse)
    large = frame(b"\x30\xb8\x17" + b"\x00\x01a\x00" + bytes(2996))
    assert scanner.feed(large) == large
    assert scanner.feed(frame(PUBLISH)) == b""
    assert scanner.is_held


@given(st.integers(0, 30), st.lists(st.integers(0, 10**6), max_size=8), st.lists(st.integers(1, 5), max_size=12))
def test_not_one_packet_passes_beyond_a_closing_limit(
    messages: int, places: list[int], bundles: list[int]
) -> None:
    stream = b"".join(frame(PUBLISH * count + PINGREQ) for count in bundles)
    scanner = metered(ClosingPurse(messages))
    forwarded = b"".join(scanner.feed(chunk) for chunk in cut(stream, places))
    assert scanner.messages <= max(messages, 0) or scanner.violation is not None
    follower = metered(Purse())
    follower.feed(forwarded)
    assert follower.messages <= messages
    assert stream.startswith(forwarded)
    if sum(bundles) <= messages:
        assert forwarded == stream


@given(st.lists(st.integers(0, 10**6), max_size=8), st.lists(st.integers(0, 5), max_size=8), st.booleans())
def test_with_time_everything_passes(places: list[int], bundles: list[int], is_split: bool) -> None:  # noqa: FBT001  # a test's argument
    purse = Purse(messages=1)
    scanner = metered(purse)
    stream = b""
    for count in bundles:
        payload = PUBLISH * count + PINGREQ
        if is_split:
            stream += frame(payload[:3], fin=False) + frame(payload[3:], opcode=Opcode.CONT)
        else:
            stream += frame(payload)
    forwarded = b""
    for chunk in cut(stream, places):
        forwarded += scanner.feed(chunk)
        while scanner.is_held:
            purse.messages = max(purse.messages, 0) + 1
            forwarded += scanner.feed(b"")
    assert forwarded == stream
    assert scanner.messages == sum(bundles)
