"""The scanner of an MQTT session: frames as in any session, and the packets in them."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.frames import Opcode

from tests.dataplane.frames import test_scanner as frames_test
from tests.dataplane.frames.test_scanner import cut, frame, run
from tests.dataplane.protocols.mqtt.samples import packet, streams
from wsgate_dataplane.frames.scanner import FrameLimits, Rule
from wsgate_dataplane.protocols.mqtt.fields import MALFORMED, PACKET_TOO_LARGE, PROTOCOL_ERROR
from wsgate_dataplane.protocols.mqtt.follower import PacketFollower
from wsgate_dataplane.protocols.mqtt.scanner import BUNDLE_BYTES_MAX, MQTTScanner

LIMIT = 20_000
OF_PACKETS = {Rule.TEXT_FRAME, Rule.MQTT_MALFORMED, Rule.MQTT_PROTOCOL, Rule.MESSAGE_BYTES}
RULES = {PACKET_TOO_LARGE: Rule.MESSAGE_BYTES, PROTOCOL_ERROR: Rule.MQTT_PROTOCOL, MALFORMED: Rule.MQTT_MALFORMED}

PUBLISH, PINGREQ, DISCONNECT = packet(0x30, b"\0\1ahello"), packet(0xC0), packet(0xE0)
WRONG = packet(0x10, b"\0\4MQTT")


def make(
    *, masked: bool = True, level: int = 4, clock: Callable[[], float] = lambda: 0.0, **limits: int
) -> MQTTScanner:
    given = FrameLimits(**{"max_message_bytes": LIMIT, "max_control_frames_per_second": 10**9, **limits})
    return MQTTScanner(given, clock, masked=masked, level=level)


def binary(data: bytes, *, fin: bool = True, mask: bool = True) -> bytes:
    return frame(Opcode.BINARY, data, fin=fin, mask=mask)


def follow_alone(stream: bytes, level: int, *, from_client: bool) -> PacketFollower:
    follower = PacketFollower(from_client=from_client, level=level, max_packet_bytes=LIMIT)
    follower.follow(stream, 0, len(stream), None, 0)
    return follower


places = st.lists(st.integers(0, 10**6), max_size=8)


@st.composite
def framed(draw: st.DrawFn, stream: bytes, *, masked: bool) -> list[bytes]:
    """stream in frames cut anywhere, some of them fragments of one message, with Pings between."""
    frames: list[bytes] = []
    is_fragmented = False
    for payload in cut(stream, draw(places)):
        fin = draw(st.booleans())
        opcode = Opcode.CONT if is_fragmented else Opcode.BINARY
        frames.append(frame(opcode, payload, fin=fin, mask=masked))
        is_fragmented = not fin
        if draw(st.booleans()):
            frames.append(frame(Opcode.PING, b"\x10\x05", mask=masked))
    return frames


@given(data=st.data(), level=st.sampled_from([3, 4, 5]), masked=st.booleans())
def test_any_cut_into_frames_and_reads_gives_the_verdict_of_the_packets_alone(
    *, data: st.DataObject, level: int, masked: bool
) -> None:
    stream = data.draw(streams(level, from_client=masked))
    frames = data.draw(framed(stream, masked=masked))
    wire = b"".join(frames)
    alone = follow_alone(stream, level, from_client=masked)
    whole, pieces = make(masked=masked, level=level), make(masked=masked, level=level)
    forwarded, forwarded_pieces = run(whole, [wire]), run(pieces, cut(wire, data.draw(places)))
    assert whole.violation == pieces.violation
    assert whole.messages == pieces.messages == alone.messages
    if alone.violation is None:
        assert whole.violation is None
        assert forwarded == forwarded_pieces == wire
        assert whole.is_at_boundary and pieces.is_at_boundary
        assert whole.is_at_packet_boundary == pieces.is_at_packet_boundary == alone.is_at_boundary
        return
    assert whole.violation is not None and whole.violation.detail == alone.violation.detail
    assert whole.violation.rule is RULES[alone.violation.reason]
    # In one read nothing of the frame with the wrong packet passes; what passed is whole frames.
    assert whole.is_at_boundary
    assert forwarded in [b"".join(frames[:count]) for count in range(len(frames))]
    assert wire.startswith(forwarded_pieces) and forwarded_pieces.startswith(forwarded)
    assert (forwarded_pieces == forwarded) == pieces.is_at_boundary


@given(frames_test.streams, places)
def test_chunking_changes_nothing_of_what_a_hostile_stream_gets(stream: bytes, places: list[int]) -> None:
    whole, pieces = make(), make()
    forwarded, in_pieces = run(whole, [stream]), run(pieces, cut(stream, places))
    assert whole.violation == pieces.violation
    assert (whole.messages, whole.close_code) == (pieces.messages, pieces.close_code)
    assert in_pieces.startswith(forwarded) and stream.startswith(in_pieces)
    if whole.violation is None:
        assert forwarded == in_pieces
        assert whole.is_at_packet_boundary == pieces.is_at_packet_boundary


frames_of_packets = st.builds(
    frame,
    st.sampled_from([Opcode.BINARY, Opcode.BINARY, Opcode.CONT, Opcode.PING, Opcode.CLOSE]),
    st.sampled_from([b"", PUBLISH, PUBLISH * 13, packet(0x30, bytes(10_000)) * 7]),
    fin=st.booleans(),
)


@given(st.lists(st.one_of(frames_of_packets, frames_of_packets, frames_test.noise), max_size=6), places)
def test_where_packets_are_right_it_judges_like_the_scanner_of_any_session(
    parts: list[bytes], places: list[int]
) -> None:
    scanner = make(max_fragments=3, max_control_frames_per_second=2)
    plain = frames_test.make(max_message_bytes=BUNDLE_BYTES_MAX, max_fragments=3, max_control_frames_per_second=2)
    pieces = cut(b"".join(parts), places)
    forwarded, forwarded_by_plain = run(scanner, pieces), run(plain, pieces)
    if scanner.violation is None or scanner.violation.rule not in OF_PACKETS:
        assert forwarded == forwarded_by_plain
        assert (scanner.violation, scanner.close_code) == (plain.violation, plain.close_code)
        assert scanner.is_at_boundary == plain.is_at_boundary


@given(st.lists(st.tuples(st.booleans(), st.sampled_from([b"", PUBLISH])), max_size=8), places)
def test_fragments_are_counted_like_by_the_scanner_of_any_session(
    parts: list[tuple[bool, bytes]], places: list[int]
) -> None:
    data, opcode = b"", Opcode.BINARY
    for fin, payload in parts:
        data += frame(opcode, payload, fin=fin)
        opcode = Opcode.BINARY if fin else Opcode.CONT
    scanner, plain = make(max_fragments=3), frames_test.make(max_fragments=3)
    assert [scanner.feed(piece) for piece in cut(data, places)] == [
        plain.feed(piece) for piece in cut(data, places)
    ]
    assert scanner.violation == plain.violation


@pytest.mark.parametrize("opcode", [Opcode.TEXT, Opcode.CONT])
def test_a_text_frame_is_a_violation_of_its_own(opcode: Opcode) -> None:
    for fin in (True, False):
        for size in (1, 100):
            scanner, data = make(), frame(Opcode.TEXT, PUBLISH, fin=fin)
            if opcode is Opcode.CONT:
                data += frame(Opcode.CONT, PUBLISH)
            good = binary(PUBLISH)
            forwarded = run(scanner, [good] + [data[i : i + size] for i in range(0, len(data), size)])
            assert forwarded == good
            assert scanner.violation is not None and scanner.violation.rule is Rule.TEXT_FRAME
            assert "text frame" in scanner.violation.detail


@pytest.mark.parametrize(
    ("right", "stream", "rule"),
    [
        (0, binary(WRONG), Rule.MQTT_PROTOCOL),
        (0, binary(PUBLISH + WRONG), Rule.MQTT_PROTOCOL),
        (10, binary(PUBLISH[:4]) + binary(PUBLISH[4:] + WRONG), Rule.MQTT_PROTOCOL),
        (0, binary(packet(0x30, bytes(LIMIT))), Rule.MESSAGE_BYTES),
        (0, binary(WRONG[:5], fin=False), Rule.MQTT_PROTOCOL),
        (0, binary(b"\x82", mask=False), Rule.FRAME),
        (0, frame(Opcode.PING, mask=False), Rule.FRAME),
        (0, frame(Opcode.CONT, PUBLISH), Rule.FRAME),
    ],
)
def test_a_frame_with_something_wrong_is_not_forwarded(right: int, stream: bytes, rule: Rule) -> None:
    scanner, good = make(), binary(PINGREQ)
    assert scanner.feed(good) == good
    assert scanner.feed(stream) == stream[:right]
    assert scanner.violation is not None and scanner.violation.rule is rule
    assert scanner.is_stopped and scanner.is_at_boundary
    assert scanner.feed(good) == b""


def test_the_rest_of_a_frame_with_a_wrong_packet_is_never_forwarded() -> None:
    scanner, data = make(), binary(PUBLISH + WRONG)
    first = scanner.feed(data[:10])
    assert first == data[:10]
    assert scanner.feed(data[10:] + binary(PUBLISH)) == b""
    assert scanner.violation is not None and scanner.violation.rule is Rule.MQTT_PROTOCOL
    # The peer would misread whatever came next.
    assert not scanner.is_at_boundary
    assert scanner.finish_frame(data[10:]) == b""
    assert not scanner.is_at_boundary


@pytest.mark.parametrize("begun", [b"", PUBLISH[:5]])
def test_the_packet_boundary_behind_a_violation_is_that_of_what_was_forwarded(begun: bytes) -> None:
    scanner = make()
    right, wrong = binary(begun), binary((PUBLISH[len(begun) :] if begun else b"") + WRONG)
    assert scanner.feed(right + wrong) == right
    assert scanner.is_at_boundary
    assert scanner.is_at_packet_boundary is (begun == b"")


def test_a_packet_that_goes_on_in_the_next_frame_leaves_a_frame_boundary_only() -> None:
    scanner = make()
    scanner.feed(binary(PUBLISH[:5]))
    assert (scanner.is_at_boundary, scanner.is_at_packet_boundary) == (True, False)
    rest = binary(PUBLISH[5:])
    scanner.feed(rest[:-1])
    assert (scanner.is_at_boundary, scanner.is_at_packet_boundary) == (False, False)
    scanner.feed(rest[-1:])
    assert (scanner.is_at_boundary, scanner.is_at_packet_boundary) == (True, True)


def test_messages_are_packets_wherever_they_stand() -> None:
    scanner = make()
    bundle = binary(PUBLISH * 3 + PINGREQ)
    fragments = binary(PUBLISH[:3], fin=False) + frame(Opcode.PING) + frame(Opcode.CONT, PUBLISH[3:])
    run(scanner, [bundle + fragments])
    assert scanner.messages == 4


def test_a_bundle_of_packets_may_exceed_the_limit_of_one() -> None:
    scanner = make(masked=False)
    bundle = binary(packet(0x30, bytes(LIMIT - 10)) * 50, mask=False)
    assert scanner.feed(bundle) == bundle
    assert (scanner.messages, scanner.violation) == (50, None)
    scanner.feed(b"\x82\x7f" + (BUNDLE_BYTES_MAX + 1).to_bytes(8, "big"))
    assert scanner.violation is not None and scanner.violation.rule is Rule.MESSAGE_BYTES


def test_new_limits_count_for_packets_and_frames() -> None:
    scanner = make()
    scanner.set_limits(FrameLimits(5, 1, 1))
    small = binary(PINGREQ)
    assert scanner.feed(small) == small
    assert scanner.feed(binary(PUBLISH)) == b""
    assert scanner.violation is not None and scanner.violation.rule is Rule.MESSAGE_BYTES
    fragmented = make(max_fragments=2)
    run(
        fragmented,
        [binary(b"", fin=False), frame(Opcode.CONT, b"", fin=False), frame(Opcode.CONT, b"", fin=False)],
    )
    assert fragmented.violation is not None and fragmented.violation.rule is Rule.FRAGMENTS


@pytest.mark.parametrize("masked", [True, False])
def test_a_close_passes_even_inside_a_packet_and_nothing_behind_it(*, masked: bool) -> None:
    scanner = make(masked=masked)
    close = frame(Opcode.CLOSE, b"\x03\xe8", mask=masked)
    out = run(scanner, [binary(PUBLISH[:5], mask=masked) + close[:3], close[3:] + binary(PUBLISH, mask=masked)])
    assert out.endswith(close)
    assert (scanner.close_code, scanner.is_stopped, scanner.violation) == (1000, True, None)
    assert (scanner.is_at_boundary, scanner.is_at_packet_boundary) == (True, False)


@given(place=st.integers(0, 10**6), later=st.binary(max_size=50), masked=st.booleans())
def test_finishing_the_frame_follows_its_packets_to_the_end(*, place: int, later: bytes, masked: bool) -> None:
    scanner, data = make(masked=masked), binary(PUBLISH * 2, mask=masked)
    place %= len(data) + 1
    forwarded = scanner.feed(data[:place])
    forwarded += scanner.finish_frame(data[place:] + later)
    assert forwarded in (b"", data)
    assert scanner.is_at_boundary and scanner.is_at_packet_boundary
    assert scanner.messages == (2 if forwarded else 0)


def test_finishing_a_frame_stops_at_a_wrong_packet_in_it() -> None:
    scanner, data = make(), binary(PUBLISH + WRONG)
    scanner.feed(data[:10])
    assert scanner.finish_frame(data[10:]) == b""
    assert scanner.violation is not None and scanner.violation.rule is Rule.MQTT_PROTOCOL
    assert not scanner.is_at_boundary


@pytest.mark.parametrize("chunk", [1, 3, 1000])
def test_finishing_the_packet_ends_on_the_first_frame_boundary_at_which_a_packet_ends(chunk: int) -> None:
    # The packet goes on over three frames, in the last of which another begins and ends.
    frames = [binary(PUBLISH[:3]), binary(PUBLISH[3:6]), frame(Opcode.PING), binary(PUBLISH[6:] + PINGREQ)]
    data = b"".join(frames)
    scanner = make()
    scanner.feed(data[:8])
    rest = data[8:] + binary(PUBLISH)
    pieces = [rest[start : start + chunk] for start in range(0, len(rest), chunk)]
    assert b"".join(scanner.finish_packet(piece) for piece in pieces) == data[8:]
    assert scanner.is_stopped and scanner.is_at_packet_boundary
    assert scanner.messages == 1


def test_finishing_the_packet_forwards_nothing_at_a_packet_boundary() -> None:
    scanner = make()
    scanner.feed(binary(PUBLISH))
    assert scanner.finish_packet(binary(PUBLISH)) == b""
    assert scanner.is_stopped


def test_whether_a_packet_has_passed_is_told() -> None:
    scanner = make()
    assert not scanner.has_begun
    scanner.feed(frame(Opcode.PING) + binary(b""))
    assert not scanner.has_begun
    scanner.feed(binary(PUBLISH))
    assert scanner.has_begun
    half = make()
    half.feed(binary(PUBLISH[:1]))
    assert half.has_begun
    wrong = make()
    wrong.feed(binary(WRONG))
    assert not wrong.has_begun


def test_whether_a_disconnect_has_passed_is_told() -> None:
    scanner = make()
    scanner.feed(binary(PUBLISH))
    assert not scanner.is_over
    # A frame with something behind the DISCONNECT is held back with it.
    scanner.feed(binary(DISCONNECT + PUBLISH))
    assert scanner.violation is not None and not scanner.is_over
    scanner = make()
    scanner.feed(binary(DISCONNECT))
    assert scanner.is_over


def test_whole_reads_are_forwarded_without_a_copy() -> None:
    data = binary(PUBLISH) * 100 + binary(packet(0x30, bytes(5000)))
    assert make().feed(data) is data
