"""A metered scanner forwards what the plain one does, as far as the allowance goes, and stops on a boundary."""

from math import inf
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.frames import Opcode

from tests.dataplane.frames.test_scanner import MAX_MESSAGE, cut, frame, make, run, streams
from wsgate_dataplane.frames.metered import PIECE_BYTES, Metering
from wsgate_dataplane.frames.scanner import FrameLimits, Rule, Scanner

TEXT, CONT, PING, CLOSE = Opcode.TEXT, Opcode.CONT, Opcode.PING, Opcode.CLOSE
HI = frame(TEXT, b"hi")


class Purse:
    """An allowance that a test fills."""

    closes = False

    def __init__(self, messages: float = inf, size: float = inf) -> None:
        self.messages = messages
        self.size = size

    def covers(self, messages: float, size: int) -> bool:
        return self.messages >= messages and self.size >= size

    def left(self) -> tuple[float, float]:
        return self.messages, self.size

    def spend(self, messages: int, size: int) -> None:
        self.messages -= messages
        self.size -= size


class Metered:
    """A scanner with its metering, read as one."""

    def __init__(self, scanner: Scanner, purse: Purse) -> None:
        self.scanner = scanner
        self.metering = Metering(scanner, purse)

    def feed(self, data: bytes) -> bytes:
        return self.metering.feed(data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.metering if hasattr(self.metering, name) else self.scanner, name)


def metered(purse: Purse) -> Metered:
    limits = FrameLimits(MAX_MESSAGE, max_control_frames_per_second=10**9)
    return Metered(Scanner(limits, lambda: 0.0, masked=True, extensions=False), purse)


@given(streams, st.lists(st.integers(0, 10**6), max_size=8), st.integers(1, 3), st.integers(1, 200))
def test_with_time_everything_passes_that_the_plain_scanner_lets_pass(
    stream: bytes, places: list[int], messages: int, size: int
) -> None:
    plain, purse = make(), Purse(messages, size)
    scanner = metered(purse)
    expected = run(plain, cut(stream, places))
    forwarded = b""
    for chunk in cut(stream, places):
        forwarded += scanner.feed(chunk)
        while scanner.is_held and not scanner.is_stopped:
            assert scanner.is_at_boundary
            purse.messages, purse.size = max(purse.messages, 0) + messages, max(purse.size, 0) + size
            forwarded += scanner.feed(b"")
    assert forwarded == expected
    assert (scanner.violation, scanner.close_code) == (plain.violation, plain.close_code)
    assert scanner.messages == plain.messages
    assert scanner.is_at_boundary == plain.is_at_boundary


@given(st.integers(0, 40), st.lists(st.integers(0, 10**6), max_size=8))
def test_not_one_message_passes_beyond_the_allowance(messages: int, places: list[int]) -> None:
    stream = b"".join(frame(TEXT, b"x" * (number % 9)) for number in range(41))
    scanner = metered(Purse(messages))
    forwarded = run(scanner, cut(stream, places))
    assert scanner.messages == messages
    assert scanner.is_held
    assert scanner.is_at_boundary
    assert stream.startswith(forwarded)


def test_a_message_counts_with_its_last_fragment_and_control_frames_not() -> None:
    begin, end = frame(TEXT, b"a", fin=False), frame(CONT, b"c")
    scanner = metered(Purse(messages=1))
    stream = [begin + frame(PING) + frame(CONT, b"b", fin=False) + end, frame(PING), begin, end]
    assert run(scanner, stream) == b"".join(stream[:3])
    assert scanner.is_held
    scanner = metered(Purse(messages=0))
    assert run(scanner, [frame(PING), frame(Opcode.PONG), frame(CLOSE)]) != b""
    assert not scanner.is_held


def test_a_message_begins_while_bytes_are_left_and_passes_whole() -> None:
    large = frame(TEXT, bytes(60_000), fin=False) + frame(CONT, bytes(30_000))
    purse = Purse(size=1)
    scanner = metered(purse)
    assert scanner.feed(large + HI) == large
    assert purse.size == 1 - len(large)
    assert scanner.is_held
    purse.size = 0
    assert scanner.feed(b"") == b""
    purse.size = 1
    assert scanner.feed(b"") == HI
    assert not scanner.is_held


def test_what_is_held_keeps_its_order_with_what_comes_late() -> None:
    purse = Purse(messages=1)
    scanner = metered(purse)
    first, second, third = (frame(TEXT, text) for text in (b"1", b"2", b"3"))
    assert scanner.feed(first + second) == first
    assert scanner.feed(third + frame(PING)) == b""
    purse.messages = inf
    assert scanner.feed(b"").startswith(second + third)


def test_each_look_at_a_large_read_costs_a_piece_of_it() -> None:
    purse = Purse(messages=1)
    scanner = metered(purse)
    scanner.feed(HI * 30_000)
    for _ in range(100):
        purse.messages = 1
        scanner.feed(b"")
        assert len(scanner.head) <= PIECE_BYTES + len(HI)
    purse.messages = inf
    scanner.feed(b"")
    assert scanner.messages == 30_000
    assert scanner._rest == b""


@pytest.mark.parametrize("allowance", [Purse(messages=0), Purse(size=0)])
def test_what_is_too_much_stops_for_good(allowance: Purse) -> None:
    scanner = metered(allowance)
    assert scanner.feed(HI) == b""
    scanner.exceed("too much")
    assert scanner.violation is not None
    assert scanner.violation.rule is Rule.RATE
    scanner.drop()
    assert scanner.feed(HI) == b""
    assert not scanner.is_held


def test_a_broken_frame_behind_the_allowance_is_still_a_broken_frame() -> None:
    scanner = metered(Purse(messages=0))
    assert scanner.feed(b"\x83\x80mask") == b""
    assert scanner.violation is not None
    assert scanner.violation.rule is Rule.FRAME


def test_of_a_read_like_the_last_one_no_more_passes_than_is_left() -> None:
    read, purse = frame(Opcode.BINARY, bytes(20)) * 20, Purse()
    scanner = metered(purse)
    assert scanner.feed(read) == read
    purse.messages = 5
    assert scanner.feed(read) == read[: len(read) // 4]
    assert scanner.is_held
