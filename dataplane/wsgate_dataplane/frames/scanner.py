"""Follows WebSocket frame headers (RFC 6455 5.2) through a byte stream cut at any place.

Payload bytes are never looked at, copied or changed, except for the two that hold a close code.
What may be forwarded is returned; a header is held back until it is complete and within the limits,
so that whatever the gateway says next stands on a frame boundary.
"""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import ClassVar

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA

NO_STATUS = 1005
"""Stands for a Close frame without a code (RFC 6455 7.4.1)."""


class Rule(Enum):
    """Which limit a header broke; the last three on MQTT sessions only."""

    FRAME = "frame"
    MESSAGE_BYTES = "message bytes"
    CONTROL_FRAMES = "control frames"
    FRAGMENTS = "fragments"
    RATE = "rate"
    TEXT_FRAME = "text frame"
    MQTT_MALFORMED = "malformed packet"
    MQTT_PROTOCOL = "packet out of place"


FRAME = Rule.FRAME
"""A name of its own: to look a member up in its class takes ten times as long."""


@dataclass(frozen=True)
class FrameLimits:
    """What one peer may send; sizes in payload bytes."""

    max_message_bytes: int = 1048576
    max_fragments: int = 1000
    """Of one message: each costs time, and an empty one counts in no other limit."""
    max_control_frames_per_second: int = 200


@dataclass(frozen=True)
class Violation:
    """The rule that a header broke, and how, in words for the log."""

    rule: Rule
    detail: str


class Gate:
    """How much more a scanner lets begin; see Scanner.feed_within.

    closes: whether nothing may be a debt.
    """

    __slots__ = ("bytes_left", "closes", "messages_end")

    def __init__(self, messages_end: float, bytes_left: float, *, closes: bool) -> None:
        self.messages_end = messages_end
        """What Scanner.messages may come to."""
        self.bytes_left = bytes_left
        """Of what is fed; a message may begin within them, and then passes whole."""
        self.closes = closes


RUN_BYTES_MIN = 256
"""A longer read is looked at for frames that are all alike."""
RUN_FRAMES_MAX = 64
"""Of more the next read is not compared: an idle session would keep their headers."""
NO_RUN = -1
"""No read has this size."""

_COMPLETE, _OTHER, _INVALID = 0, 1, 2


def _kinds(*, extensions: bool, text: bool = True) -> bytes:
    """What each first byte means: an unfragmented message, something to look at, or an error."""
    allowed_rsv = 0x40 if extensions else 0
    kinds = bytearray([_INVALID]) * 256
    for first in range(256):
        opcode, rsv, is_final = first & 0x0F, first & 0x70, first >= 0x80
        if (opcode == BINARY or (opcode == TEXT and text)) and rsv in (0, allowed_rsv):
            kinds[first] = _COMPLETE if is_final else _OTHER
        elif (opcode == CONTINUATION or (opcode in (CLOSE, PING, PONG) and is_final)) and not rsv:
            kinds[first] = _OTHER
    return bytes(kinds)


_IN_FRAGMENTS = bytes([_OTHER]) * 256
"""Inside a fragmented message every header is looked at."""


@functools.cache
def _steps(mask_bit: int, max_message_bytes: int) -> bytes:
    """What each second byte says of a short frame: its whole size, or 0 where it must be looked at.

    max_message_bytes: up to 125.
    """
    overhead = 6 if mask_bit else 2
    steps = bytearray(256)
    for length in range(max_message_bytes + 1):
        steps[mask_bit | length] = overhead + length
    return bytes(steps)


_EVERY_FRAME = bytes(256)
"""Steps that make the scanner look at every frame."""

_KINDS = {extensions: _kinds(extensions=extensions) for extensions in (False, True)}

BINARY_KINDS = _kinds(extensions=False, text=False)
"""For a scanner that takes no text."""


class Scanner:
    """One direction of one session. After `is_stopped` nothing more is forwarded.

    clock gives monotonic seconds; it is asked once per control frame.
    """

    least_message_bytes: ClassVar[int] = 6
    """No message of a client is shorter on the wire: a masked header."""

    __slots__ = (
        "_clock",
        "_control_count",
        "_control_since",
        "_fragments",
        "_gate",
        "_kinds",
        "_kinds_now",
        "_limits",
        "_mask_bit",
        "_message_bytes",
        "_overhead",
        "_remaining",
        "_run",
        "_run_size",
        "_steps",
        "close_code",
        "head",
        "is_held",
        "is_stopped",
        "messages",
        "violation",
    )

    def __init__(self, limits: FrameLimits, clock: Callable[[], float], *, masked: bool, extensions: bool) -> None:
        self._mask_bit = 0x80 if masked else 0
        self._overhead = 6 if masked else 2
        self._kinds = self._kinds_now = _KINDS[extensions]
        self._clock = clock
        self._remaining = 0
        self.head = b""
        """What was read of the next frame, kept back until its header is complete and it may pass."""
        self._fragments = 0
        self._message_bytes = 0
        self._gate: Gate | None = None
        self._run_size: int
        """Of the last read, if it was nothing but frames that are all alike."""
        self._run = 1, b"", b""
        """How long each of them was, and both header bytes of each."""
        self._control_count = 0
        self._control_since = 0.0
        self.messages = 0
        """Complete data messages whose last header passed."""
        self.is_stopped = False
        self.is_held = False
        """Whether the next frame is one that the gate did not let through; what was returned ends with a frame."""
        self.violation: Violation | None = None
        self.close_code: int | None = None
        """Code of the Close frame that passed; NO_STATUS where it had none."""
        self.set_limits(limits)

    def set_limits(self, limits: FrameLimits) -> None:
        """Replace the limits from the next header on."""
        self._run_size = NO_RUN
        self._limits = limits
        self._steps = _steps(self._mask_bit, min(125, limits.max_message_bytes))

    @property
    def is_at_boundary(self) -> bool:
        """Whether what was returned so far ends with a whole frame."""
        return not self._remaining

    @property
    def is_inside_message(self) -> bool:
        """Whether what was returned so far ends inside a fragmented message: no other may begin there."""
        return self._fragments > 0

    def feed(self, data: bytes) -> bytes:
        """Return what of the stream may be forwarded now; often data itself."""
        if self.is_stopped:
            return b""
        size = len(data)
        if size == self._run_size:
            # Such reads may be all alike, too: the same headers at the same places mean what they meant.
            step, firsts, seconds = self._run
            if data[::step] == firsts and data[1::step] == seconds:
                self.messages += len(firsts)
                return data
        self._run_size = NO_RUN
        if self.head:
            data = self.head + data
            self.head = b""
            size = len(data)
        position = self._remaining
        last = size - self._overhead
        # The common case, a short unfragmented message, costs four look-ups and two additions.
        steps, kinds, messages = self._steps, self._kinds_now, 0
        if last - position > RUN_BYTES_MIN:
            # All of one kind and size, as of a sensor, are followed by one look.
            first, second = data[position], data[position + 1]
            step = steps[second]
            if step and not kinds[first]:
                count = (size - position) // step
                end = position + count * step
                firsts, seconds = data[position:end:step], data[position + 1 : end : step]
                if firsts.count(first) == count == seconds.count(second):
                    messages = count
                    if end - position == size and count <= RUN_FRAMES_MAX:
                        self._run_size, self._run = size, (step, firsts, seconds)
                    position = end
        while position <= last:
            step = steps[data[position + 1]]
            if step and not kinds[data[position]]:
                messages += 1
                position += step
                continue
            end = self._frame(data, position, data[position + 1] ^ self._mask_bit)
            if self.is_stopped:
                self.messages += messages
                self._remaining = 0
                return data[:end]
            if end < 0:
                break
            position = end
            kinds = self._kinds_now
        self.messages += messages
        if position >= size:
            self._remaining = position - size
            return data
        self._remaining = 0
        self.head = data[position:]
        if size - position > 1 and self._is_wrong(data[position], data[position + 1] ^ self._mask_bit):
            self.head = b""
        return data[:position]

    def feed_within(self, data: bytes, gate: Gate) -> bytes:
        """Like feed, up to the frame that is beyond the gate: that one is held, with all behind it."""
        steps, self._steps, self._gate, self._run_size = self._steps, _EVERY_FRAME, gate, NO_RUN
        try:
            return self.feed(data)
        finally:
            self._steps, self._gate = steps, None

    def stop(self, rule: Rule, detail: str) -> None:
        """Forward nothing more: a rule is broken that the bytes do not show."""
        self._stop(0, rule, detail)

    def finish_frame(self, data: bytes) -> bytes:
        """Like feed, but no more than what is missing of the current frame; stops the scanner."""
        self.is_stopped = True
        out = data[: self._remaining]
        self._remaining -= len(out)
        return out

    def _frame(self, data: bytes, position: int, length: int) -> int:
        """Check the frame at position; its end, or -1 where more bytes are needed to tell.

        Stops the scanner on a violation (position is the end then) and behind a Close frame.
        """
        first = data[position]
        if self._gate is not None and not first & 0x08 and self._is_beyond(self._gate, data, position, length):
            # Like a header that is not complete: it is kept, and looked at again with what follows.
            self.is_held = True
            return -1
        if self._is_wrong(first, length):
            return position
        if first & 0x08:
            return self._control_frame(data, position, first & 0x0F, length)
        header = self._overhead
        if length > 125:
            extended = 2 if length == 126 else 8
            header += extended
            if position + header > len(data):
                return -1
            length = int.from_bytes(data[position + 2 : position + 2 + extended], "big")
            if length >> 63 or length < (126 if extended == 2 else 65536):
                return self._stop(position, Rule.FRAME, f"length {length} in {extended} bytes")
        self._message_bytes += length
        limits = self._limits
        if self._message_bytes > limits.max_message_bytes:
            detail = f"{self._message_bytes} bytes, allowed are {limits.max_message_bytes}"
            return self._stop(position, Rule.MESSAGE_BYTES, detail)
        self._fragments += 1
        if self._fragments > limits.max_fragments:
            return self._stop(position, Rule.FRAGMENTS, f"more than {limits.max_fragments} fragments")
        if first & 0x80:
            self.messages += 1
            self._fragments = self._message_bytes = 0
            self._kinds_now = self._kinds
        else:
            self._kinds_now = _IN_FRAGMENTS
        return position + header + length

    def _is_beyond(self, gate: Gate, data: bytes, position: int, length: int) -> bool:
        """Whether the gate does not let the data frame at position through: a message counts with its last one."""
        if data[position] & 0x80 and self.messages + 1 > gate.messages_end:
            return True
        return not self._fragments and position >= gate.bytes_left

    def _control_frame(self, data: bytes, position: int, opcode: int, length: int) -> int:
        end = position + self._overhead + length
        if opcode == CLOSE:
            if end > len(data):
                return -1
            self.is_stopped = True
            self.close_code = self._read_close_code(data, position, length)
            return end
        now = self._clock()
        if now - self._control_since >= 1:
            self._control_since, self._control_count = now, 0
        self._control_count += 1
        most = self._limits.max_control_frames_per_second
        if self._control_count > most:
            return self._stop(position, Rule.CONTROL_FRAMES, f"more than {most} a second")
        return end

    def _read_close_code(self, data: bytes, position: int, length: int) -> int:
        if not length:
            return NO_STATUS
        start = position + self._overhead
        code = int.from_bytes(data[start : start + 2], "big")
        if self._mask_bit:
            code ^= int.from_bytes(data[position + 2 : position + 4], "big")
        return code

    def _is_wrong(self, first: int, length: int) -> bool:
        """Whether the first two bytes, the mask bit taken off, break RFC 6455; stops the scanner then."""
        opcode, rule = first & 0x0F, FRAME
        if length > 127:
            detail = "unmasked frame" if self._mask_bit else "masked frame"
        elif self._kinds[first] == _INVALID:
            detail = f"first byte 0x{first:02x}: reserved bits or opcode, or a fragmented control frame"
            if opcode == TEXT and first & 0x70 == 0:
                rule, detail = Rule.TEXT_FRAME, "text frame, where only binary ones carry the protocol"
        elif opcode >= CLOSE and (length > 125 or (opcode == CLOSE and length == 1)):
            detail = f"control frame with a length of {length}"
        elif opcode == CONTINUATION and not self._fragments:
            detail = "continuation without a message"
        elif opcode in (TEXT, BINARY) and self._fragments:
            detail = "a new message inside a fragmented one"
        else:
            return False
        self._stop(0, rule, detail)
        return True

    def _stop(self, position: int, rule: Rule, detail: str) -> int:
        self.is_stopped = True
        self.violation = Violation(rule, detail)
        return position
