"""The gateway's own frames, read back by websockets' parser."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.frames import Frame, Opcode
from websockets.streams import StreamReader

from wsgate_dataplane.frames.build import (
    as_last_fragment,
    close_frame,
    data_frame,
    masked,
    ping_frame,
    pong_frame,
)


def parse(data: bytes, *, mask: bool) -> Frame:
    reader = StreamReader()
    reader.feed_data(data)
    parser = Frame.parse(reader.read_exact, mask=mask)
    try:
        while True:
            next(parser)
    except StopIteration as stop:
        frame: Frame = stop.value
        return frame


def test_a_close_frame_to_a_client_is_unmasked_and_carries_code_and_words() -> None:
    frame = parse(close_frame(1008, "token revoked"), mask=False)
    assert (frame.opcode, bytes(frame.data)) == (Opcode.CLOSE, b"\x03\xf0token revoked")


def test_a_close_frame_to_an_upstream_is_masked() -> None:
    frame = parse(close_frame(1012, "service restart", b"abcd"), mask=True)
    assert bytes(frame.data) == b"\x03\xf4service restart"


def test_words_are_cut_to_what_a_control_frame_holds() -> None:
    assert len(parse(close_frame(1008, "x" * 500), mask=False).data) == 125


def test_a_ping_is_empty_in_both_directions() -> None:
    assert parse(ping_frame(), mask=False).opcode is Opcode.PING
    assert parse(ping_frame(b"abcd"), mask=True).data == b""


def test_a_pong_carries_its_pings_payload() -> None:
    frame = parse(pong_frame(b"abc"), mask=False)
    assert (frame.opcode, bytes(frame.data)) == (Opcode.PONG, b"abc")


@pytest.mark.parametrize("size", [0, 1, 125, 126, 65_535, 65_536, 70_001])
@pytest.mark.parametrize("mask", [None, b"abcd"])
@pytest.mark.parametrize("opcode", [Opcode.TEXT, Opcode.BINARY])
def test_a_data_frame_of_any_size_is_read_back(size: int, mask: bytes | None, opcode: Opcode) -> None:
    payload = bytes(range(256)) * (size // 256 + 1)
    frame = parse(data_frame(opcode, payload[:size], mask, is_final=size != 1), mask=mask is not None)
    assert (frame.opcode, bytes(frame.data), frame.fin) == (opcode, payload[:size], size != 1)


@given(st.binary(max_size=300), st.binary(min_size=4, max_size=4))
def test_a_mask_that_is_put_on_twice_is_gone(payload: bytes, mask: bytes) -> None:
    assert masked(masked(payload, mask), mask) == payload
    assert masked(payload, mask) == bytes(byte ^ mask[index % 4] for index, byte in enumerate(payload))


def test_a_message_becomes_the_last_fragment_of_another() -> None:
    frame = parse(as_last_fragment(data_frame(2, b"end")), mask=False)
    assert (frame.opcode, frame.fin, bytes(frame.data)) == (Opcode.CONT, True, b"end")
    assert as_last_fragment(b"") == b""
