"""A first message is found whole, however it is cut, and what follows it is not lost."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.frames import Opcode

from tests.support.mqtt import connect, publish
from tests.support.sockets import frame
from wsgate_dataplane.frames.reader import FrameError, FrameReader
from wsgate_dataplane.frames.scanner import FrameLimits, Rule
from wsgate_dataplane.protocols.detect import Expected
from wsgate_dataplane.protocols.first_message import First, FirstMessage
from wsgate_dataplane.protocols.mqtt.connect import write_connect
from wsgate_dataplane.protocols.mqtt.fields import MQTTError

MASK = b"\1\2\3\4"


def message(expected: Expected = Expected.EITHER, max_bytes: int = 65_536) -> FirstMessage:
    return FirstMessage(expected, max_bytes, lambda: 0.0)


def fed(first: FirstMessage, *pieces: bytes) -> tuple[First | None, bytes]:
    """What the last piece brought, and all answers."""
    found, answers = None, b""
    for piece in pieces:
        assert found is None
        found, answer = first.feed(piece)
        answers += answer
    return found, answers


def frames_of(*bodies: bytes) -> bytes:
    """One message of several frames."""
    *begin, last = bodies
    opcodes = [Opcode.BINARY, *[Opcode.CONT] * (len(bodies) - 1)]
    pieces = [frame(code, body, fin=False, mask=True) for code, body in zip(opcodes, begin, strict=False)]
    return b"".join(pieces) + frame(opcodes[-1], last, mask=True)


def test_a_text_message_in_fragments_is_one_message() -> None:
    stream = frame(Opcode.TEXT, b"to", fin=False, mask=True) + frame(Opcode.CONT, b"ken", mask=True)
    first = message()
    assert fed(first, stream + b"rest") == (First(None, Opcode.TEXT, b"token"), b"")
    assert first.rest == b"rest"


def test_pings_in_between_are_answered_and_a_close_ends_it() -> None:
    first = message()
    found, answers = fed(first, frame(Opcode.PING, b"a", mask=True) + frame(Opcode.PONG, b"", mask=True))
    assert (found, answers) == (None, frame(Opcode.PONG, b"a", mask=False))
    assert fed(first, frame(Opcode.CLOSE, b"", mask=True) + frame(Opcode.TEXT, b"t", mask=True)) == (None, b"")
    assert first.is_closed


@given(st.data(), st.sampled_from([3, 4, 5]), st.binary(max_size=40))
def test_a_connect_is_found_however_frames_and_bytes_are_cut(
    data: st.DataObject, level: int, behind: bytes
) -> None:
    packets = connect("t" * data.draw(st.integers(0, 300)), level) + behind
    bodies, rest = [], packets
    while rest:
        size = data.draw(st.integers(1, len(rest)))
        bodies.append(rest[:size])
        rest = rest[size:]
    is_fragmented = data.draw(st.booleans())
    whole = [frame(Opcode.BINARY, body, mask=True) for body in bodies]
    stream = frames_of(*bodies) if is_fragmented else b"".join(whole)
    first, found = message(data.draw(st.sampled_from([Expected.EITHER, Expected.CONNECT]))), None
    sent = 0
    while found is None:
        size = data.draw(st.integers(1, len(stream) - sent))
        found, _ = first.feed(stream[sent : sent + size])
        sent += size
    assert found.connect is not None
    assert write_connect(found.connect) == packets[: len(packets) - len(behind)]
    # What the relay is given, read as frames, holds the rest of the packets and ends a message where they did.
    reader = FrameReader(FrameLimits(1 << 20, max_control_frames_per_second=9), lambda: 0)
    reader.feed(found.left_over(MASK) + first.rest + stream[sent:])
    left = list(iter(reader.next, None))
    assert b"".join(each.payload for each in left) == behind
    assert not left or left[-1].is_final


def test_text_is_no_mqtt_but_a_first_message_of_any_bytes_is_one() -> None:
    with pytest.raises(FrameError) as error:
        fed(message(Expected.CONNECT), frame(Opcode.TEXT, connect("t")[:8], mask=True))
    assert error.value.violation.rule is Rule.TEXT_FRAME
    text = frame(Opcode.TEXT, b"\x10abc", mask=True)
    assert fed(message(), text) == (First(None, Opcode.TEXT, b"\x10abc"), b"")


def test_what_is_larger_than_allowed_is_refused_at_its_header() -> None:
    with pytest.raises(FrameError) as error:
        fed(message(max_bytes=100), b"\x82\xfe\xff\xff" + MASK)
    assert error.value.violation.rule is Rule.MESSAGE_BYTES
    with pytest.raises(MQTTError):
        fed(message(max_bytes=100), frame(Opcode.BINARY, connect("t" * 200)[:20], mask=True))


def test_single_bytes_do_not_cost_more_than_they_are_worth() -> None:
    first = message(Expected.CONNECT)
    packet = connect("t" * 60_000)
    apart = FrameLimits.max_fragments - 1
    stream = b"".join(frame(Opcode.BINARY, packet[at : at + 1], mask=True) for at in range(apart))
    found, _ = fed(first, stream + frame(Opcode.BINARY, packet[apart:], mask=True))
    assert found is not None and found.connect is not None and not found.payload


@pytest.mark.parametrize("body", [b"", b"t"], ids=["empty", "of one byte"])
def test_frames_that_bring_no_connect_nearer_are_not_read_for_ever(body: bytes) -> None:
    first = message(Expected.CONNECT)
    fed(first, frame(Opcode.BINARY, connect("t" * 5_000)[:100], mask=True))
    with pytest.raises(FrameError) as error:
        for _ in range(2 * FrameLimits.max_fragments):
            first.feed(frame(Opcode.BINARY, body, mask=True))
    assert error.value.violation.rule is Rule.FRAGMENTS


@given(st.binary(max_size=100))
def test_any_bytes_are_a_message_or_a_documented_error(data: bytes) -> None:
    try:
        message().feed(data)
    except (FrameError, MQTTError) as error:
        assert str(error)


def test_a_publish_behind_a_connect_stays_whole() -> None:
    stream = frame(Opcode.BINARY, connect("t") + publish("a", b"x"), mask=True)
    found, _ = fed(message(), stream)
    assert found is not None
    assert found.payload == publish("a", b"x")
    assert found.left_over(MASK)[:2] == bytes((0x82, 0x80 | len(found.payload)))
