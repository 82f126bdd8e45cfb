"""Close and Ping frames, read back by websockets' parser."""

from websockets.frames import Frame, Opcode
from websockets.streams import StreamReader

from wsgate_dataplane.frames.build import close_frame, ping_frame


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
