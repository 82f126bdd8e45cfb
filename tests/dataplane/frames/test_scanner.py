"""The scanner against websockets' sans-IO parser, at any chunking."""

import itertools
import tracemalloc
from collections.abc import Callable
from typing import Protocol

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from websockets.exceptions import PayloadTooBig, ProtocolError
from websockets.frames import CTRL_OPCODES, Frame, Opcode
from websockets.streams import StreamReader

from wsgate_dataplane.frames.scanner import NO_STATUS, FrameLimits, Rule, Scanner

MAX_MESSAGE = 100_000


def make(
    *, masked: bool = True, extensions: bool = False, clock: Callable[[], float] = lambda: 0.0, **limits: int
) -> Scanner:
    given = FrameLimits(**{"max_message_bytes": MAX_MESSAGE, "max_control_frames_per_second": 10**9, **limits})
    return Scanner(given, clock, masked=masked, extensions=extensions)


def frame(opcode: Opcode, data: bytes = b"", *, fin: bool = True, mask: bool = True) -> bytes:
    if opcode in CTRL_OPCODES:
        data, fin = data[:125], True
    return Frame(opcode, data, fin).serialize(mask=mask)


def accepted_by_websockets(stream: bytes, *, masked: bool) -> bytes:
    """The whole frames at the beginning of stream that websockets' parser takes, up to a Close."""
    reader, taken, is_fragmented, message_bytes = StreamReader(), b"", False, 0
    reader.feed_data(stream)
    while True:
        parser = Frame.parse(reader.read_exact, mask=masked, max_size=MAX_MESSAGE)
        before = len(reader.buffer)
        try:
            next(parser)
            return taken
        except StopIteration as stop:
            parsed: Frame = stop.value
        except (ProtocolError, PayloadTooBig):
            return taken
        size = before - len(reader.buffer)
        if parsed.opcode not in CTRL_OPCODES:
            if (parsed.opcode is Opcode.CONT) != is_fragmented:
                return taken
            # websockets' parser limits single frames; its connection adds them up.
            message_bytes = len(parsed.data) + (message_bytes if is_fragmented else 0)
            if message_bytes > MAX_MESSAGE:
                return taken
            is_fragmented = not parsed.fin
        if parsed.opcode is Opcode.CLOSE and len(parsed.data) == 1:
            return taken
        taken += stream[len(taken) : len(taken) + size]
        if parsed.opcode is Opcode.CLOSE:
            return taken


class Feeds(Protocol):
    """A scanner, or what feeds one."""

    def feed(self, data: bytes) -> bytes: ...


def run(scanner: Feeds, chunks: list[bytes]) -> bytes:
    return b"".join(scanner.feed(chunk) for chunk in chunks)


def cut(stream: bytes, places: list[int]) -> list[bytes]:
    marks = [0, *sorted(place % (len(stream) + 1) for place in places), len(stream)]
    return [stream[a:b] for a, b in itertools.pairwise(marks)]


frames = st.builds(
    frame,
    st.sampled_from([Opcode.TEXT, Opcode.BINARY, Opcode.CONT, Opcode.PING, Opcode.PONG, Opcode.CLOSE]),
    st.one_of(st.binary(max_size=4), st.integers(120, 130).map(bytes), st.integers(65530, 65540).map(bytes)),
    fin=st.booleans(),
)
noise = st.binary(min_size=1, max_size=24)
streams = st.lists(st.one_of(frames, frames, frames, noise), max_size=6).map(b"".join)


@given(streams, st.lists(st.integers(0, 10**6), max_size=12))
@example(frame(Opcode.TEXT, b"x") + b"\x81\x01a", [1, 2, 3])
@example(frame(Opcode.TEXT, bytes(60_000), fin=False) + frame(Opcode.CONT, bytes(60_000)), [])
def test_any_chunking_forwards_exactly_the_frames_that_websockets_parses(stream: bytes, places: list[int]) -> None:
    scanner = make()
    forwarded = run(scanner, cut(stream, places))
    expected = accepted_by_websockets(stream, masked=True)
    # An unfinished frame at the end is forwarded as it comes; websockets waits for all of it.
    assert forwarded[: len(expected)] == expected
    assert stream.startswith(forwarded)
    if scanner.is_stopped:
        assert forwarded == expected
        assert scanner.is_at_boundary


@given(streams, st.lists(st.integers(0, 10**6), max_size=12))
def test_chunking_changes_nothing(stream: bytes, places: list[int]) -> None:
    whole, pieces = make(), make()
    assert run(whole, [stream]) == run(pieces, cut(stream, places))
    assert whole.violation == pieces.violation
    assert (whole.messages, whole.close_code) == (pieces.messages, pieces.close_code)
    assert whole.is_at_boundary == pieces.is_at_boundary


@pytest.mark.parametrize(
    ("stream", "rule"),
    [
        (frame(Opcode.TEXT, b"x", mask=False), Rule.FRAME),
        (b"\x89\x00", Rule.FRAME),
        (b"\x82\xff" + bytes([0x80]) + bytes(7) + b"mask", Rule.FRAME),
        (b"\x82\xfe\x00\x05" + b"mask", Rule.FRAME),
        (b"\x82\xff" + (65535).to_bytes(8, "big") + b"mask", Rule.FRAME),
        (b"\x83\x80mask", Rule.FRAME),
        (b"\x09\x80mask", Rule.FRAME),
        (b"\x89\xfe\x00\x7emask", Rule.FRAME),
        (b"\xc1\x80mask", Rule.FRAME),
        (b"\x80\x80mask", Rule.FRAME),
        (b"\x88\x81mask.", Rule.FRAME),
        (frame(Opcode.TEXT, b"a", fin=False) + frame(Opcode.TEXT, b"b"), Rule.FRAME),
        (b"\x82\xff" + (2**62).to_bytes(8, "big") + b"mask", Rule.MESSAGE_BYTES),
        (
            frame(Opcode.TEXT, bytes(60_000), fin=False) + frame(Opcode.CONT, bytes(60_000)),
            Rule.MESSAGE_BYTES,
        ),
    ],
)
def test_a_hostile_header_is_not_forwarded(stream: bytes, rule: Rule) -> None:
    for chunks in ([stream], [stream[i : i + 1] for i in range(len(stream))]):
        scanner = make()
        good = frame(Opcode.BINARY, b"good")
        assert scanner.feed(good) == good
        forwarded = run(scanner, chunks)
        assert scanner.violation is not None and scanner.violation.rule is rule
        assert scanner.is_at_boundary
        assert scanner.feed(good) == b""
        assert len(forwarded) < len(stream)


def test_an_endless_fragmented_message_is_stopped_at_the_limit() -> None:
    scanner = make(max_fragments=10)
    run(scanner, [frame(Opcode.TEXT, b"a", fin=False)] + [frame(Opcode.CONT, b"a", fin=False)] * 10)
    assert scanner.violation is not None and scanner.violation.rule is Rule.FRAGMENTS


def test_control_frames_are_counted_by_the_second() -> None:
    now = 0.0
    scanner = make(max_control_frames_per_second=3, clock=lambda: now)
    ping = frame(Opcode.PING)
    assert run(scanner, [ping] * 3) == ping * 3
    now = 1.0
    assert run(scanner, [ping] * 3) == ping * 3
    scanner.feed(ping)
    assert scanner.violation is not None and scanner.violation.rule is Rule.CONTROL_FRAMES


@pytest.mark.parametrize(("data", "code"), [(b"", NO_STATUS), (b"\x03\xe8", 1000), (b"\x0f\xa0bye", 4000)])
def test_the_close_code_is_read_and_nothing_after_a_close_passes(data: bytes, code: int) -> None:
    for masked in (True, False):
        scanner = make(masked=masked)
        close = frame(Opcode.CLOSE, data, mask=masked)
        out = run(scanner, [close[:3], close[3:] + frame(Opcode.TEXT, b"late", mask=masked)])
        assert out == close
        assert (scanner.close_code, scanner.is_stopped, scanner.violation) == (code, True, None)


def test_reserved_bit_one_passes_only_where_an_extension_was_negotiated() -> None:
    compressed = b"\xc1\x81mask."
    assert make(extensions=True).feed(compressed) == compressed
    assert make(extensions=False).feed(compressed) == b""


def test_messages_are_counted_at_their_last_fragment() -> None:
    scanner = make()
    run(scanner, [frame(Opcode.TEXT, b"a", fin=False), frame(Opcode.PING), frame(Opcode.CONT, b"b")])
    assert scanner.messages == 1
    scanner.feed(frame(Opcode.TEXT, b"c") * 3)
    assert scanner.messages == 4


@given(frames, st.integers(0, 10**6), st.binary(max_size=50))
def test_finishing_the_frame_ends_exactly_on_its_boundary(stream: bytes, place: int, later: bytes) -> None:
    scanner = make()
    place %= len(stream) + 1
    forwarded = scanner.feed(stream[:place])
    forwarded += scanner.finish_frame(stream[place:] + later)
    assert forwarded in (b"", stream)
    assert scanner.is_at_boundary


def test_whole_reads_are_forwarded_without_a_copy() -> None:
    data = frame(Opcode.BINARY, bytes(70_000))
    assert make().feed(data) is data


@given(
    before=st.lists(frames, max_size=1),
    size=st.integers(0, 126),
    count=st.integers(1, 300),
    after=st.lists(frames, max_size=2),
    is_cut=st.booleans(),
)
@example(before=[], size=64, count=16, after=[], is_cut=True)
def test_frames_that_are_all_alike_are_followed_as_each_for_itself(
    *, before: list[bytes], size: int, count: int, after: list[bytes], is_cut: bool
) -> None:
    stream = b"".join([*before, frame(Opcode.BINARY, bytes(size)) * count, *after])
    stream = stream[:-1] if is_cut else stream
    together, alone = make(), make()
    assert together.feed(stream) == run(alone, [stream[at : at + 1] for at in range(len(stream))])
    for each in ("messages", "is_stopped", "violation", "close_code", "is_at_boundary"):
        assert getattr(together, each) == getattr(alone, each), each


ALIKE = frame(Opcode.BINARY, bytes(20))


@st.composite
def reads_of_one_size(draw: st.DrawFn) -> bytes:
    """Twenty frames that are all alike, or one of them another, or cut otherwise, or one byte of it all."""
    read = [ALIKE] * 20
    how = draw(st.sampled_from(["alike", "alike", "frame", "turned", "byte"]))
    at = draw(st.integers(0, 19))
    if how == "frame":
        opcode = draw(st.sampled_from([Opcode.TEXT, Opcode.CONT, Opcode.PING, Opcode.CLOSE]))
        read[at] = frame(opcode, b"\x03\xe8" + bytes(18), fin=draw(st.booleans()))
    joined = b"".join(read)
    if how == "turned":
        return joined[at + 1 :] + joined[: at + 1]
    if how == "byte":
        place = draw(st.integers(0, len(joined) - 1))
        return joined[:place] + draw(st.binary(min_size=1, max_size=1)) + joined[place + 1 :]
    return joined


@given(st.lists(st.one_of(reads_of_one_size(), st.sampled_from(["limits", "stop", "finish"])), max_size=8))
@example([ALIKE * 20] * 2 + ["stop", ALIKE * 20])
@example([ALIKE * 20] * 2 + ["limits", ALIKE * 20])
@example([ALIKE * 20] * 2 + ["finish", ALIKE * 20])
def test_reads_that_are_all_alike_are_followed_as_each_for_itself(steps: list[bytes | str]) -> None:
    together, alone = make(), make()
    for step in steps:
        for scanner in (together, alone):
            if step == "limits":
                scanner.set_limits(FrameLimits(19))
            elif step == "stop":
                scanner.stop(Rule.RATE, "by a test")
            elif step == "finish":
                scanner.finish_frame(b"")
        if isinstance(step, bytes):
            assert together.feed(step) == run(alone, [step[at : at + 1] for at in range(len(step))])
    for each in ("messages", "is_stopped", "violation", "close_code", "is_at_boundary"):
        assert getattr(together, each) == getattr(alone, each), each


def test_little_is_kept_of_a_long_read() -> None:
    scanner, read = make(masked=False), frame(Opcode.BINARY, mask=False) * 50_000
    tracemalloc.start()
    try:
        scanner.feed(read)
        assert tracemalloc.get_traced_memory()[0] < 2000
    finally:
        tracemalloc.stop()
