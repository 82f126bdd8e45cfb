"""A client's frames before its session: read whole, judged as the relay judges them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.frames import Opcode

from tests.support.sockets import frame
from wsgate_dataplane.frames.reader import Frame, FrameError, FrameReader
from wsgate_dataplane.frames.scanner import FrameLimits, Rule


def reader(max_message_bytes: int = 1 << 20) -> FrameReader:
    return FrameReader(
        FrameLimits(max_message_bytes, max_fragments=10, max_control_frames_per_second=5), lambda: 0.0
    )


def drain(frames: FrameReader) -> list[Frame]:
    return list(iter(frames.next, None))


MESSAGES = st.lists(st.tuples(st.sampled_from([Opcode.TEXT, Opcode.BINARY]), st.binary(max_size=300)), max_size=5)


@given(MESSAGES, st.data())
def test_frames_come_out_whole_however_the_bytes_are_cut(
    messages: list[tuple[Opcode, bytes]], data: st.DataObject
) -> None:
    stream = b"".join(frame(opcode, payload, mask=True) for opcode, payload in messages)
    frames, found = reader(), []
    while stream:
        size = data.draw(st.integers(1, len(stream)))
        frames.feed(stream[:size])
        stream = stream[size:]
        found += drain(frames)
    assert found == [Frame(opcode, payload, is_final=True) for opcode, payload in messages]
    assert frames.rest == b""


def test_what_follows_a_frame_stays_as_it_came() -> None:
    frames, rest = reader(), frame(Opcode.BINARY, b"x" * 70_000, mask=True)[:50]
    frames.feed(frame(Opcode.TEXT, b"one", mask=True) + rest)
    assert frames.next() == Frame(Opcode.TEXT, b"one", is_final=True)
    assert frames.rest == rest
    assert frames.next() is None


@pytest.mark.parametrize(
    ("data", "rule"),
    [
        (frame(Opcode.TEXT, b"x", mask=False), Rule.FRAME),
        (b"\x83\x80", Rule.FRAME),
        (b"\xc1\x80", Rule.FRAME),
        (b"\x82\xff" + (1 << 40).to_bytes(8, "big") + bytes(4), Rule.MESSAGE_BYTES),
        (b"\x82\xfe" + (101).to_bytes(2, "big") + bytes(4), Rule.FRAME),
        (frame(Opcode.CONT, b"x", mask=True), Rule.FRAME),
        (frame(Opcode.PING, b"", mask=True) * 6, Rule.CONTROL_FRAMES),
    ],
)
def test_a_wrong_header_is_refused_before_its_payload_is_there(data: bytes, rule: Rule) -> None:
    frames = reader(max_message_bytes=1000)
    frames.feed(data)
    with pytest.raises(FrameError) as error:
        drain(frames)
    assert error.value.violation.rule is rule


@given(st.binary(max_size=200))
def test_any_bytes_are_frames_or_an_error(data: bytes) -> None:
    frames = reader()
    frames.feed(data)
    try:
        drain(frames)
    except FrameError as error:
        assert str(error)
