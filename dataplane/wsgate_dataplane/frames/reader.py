"""Reads a client's frames whole, before its session is relayed: its first message has to be understood."""

from collections.abc import Callable
from typing import NamedTuple

from wsgate_dataplane.frames.build import masked
from wsgate_dataplane.frames.scanner import FrameLimits, Scanner, Violation

_HEADER_BYTES = {126: 8, 127: 14}
"""Of a masked frame by its second byte's length; 6 for all others."""


class Frame(NamedTuple):
    """A client's frame, its mask taken off."""

    opcode: int
    payload: bytes
    is_final: bool


class FrameError(Exception):
    """The client broke a rule of frames, or a limit."""

    def __init__(self, violation: Violation) -> None:
        super().__init__(violation.detail)
        self.violation = violation


class FrameReader:
    """Bytes in, whole frames out, one at a time: what follows a frame stays as it came.

    clock gives monotonic seconds.
    """

    def __init__(self, limits: FrameLimits, clock: Callable[[], float]) -> None:
        # The relay's own scanner judges, so that a frame is right or wrong here as it is there.
        self._scanner = Scanner(limits, clock, masked=True, extensions=False)
        self._bytes = bytearray()
        self._start = self._judged = 0
        """Where the next frame begins, and up to where the scanner has seen."""

    def feed(self, data: bytes) -> None:
        """Take what came."""
        del self._bytes[: self._start]
        self._judged -= self._start
        self._start = 0
        self._bytes += data

    def next(self) -> Frame | None:
        """The next frame; None where it is not whole yet. Raises FrameError as soon as its header is wrong."""
        start, data = self._start, self._bytes
        self._judge(min(start + 2, len(data)))
        if len(data) < start + 2:
            return None
        header = _HEADER_BYTES.get(data[start + 1] & 0x7F, 6)
        if len(data) < start + header:
            return None
        self._judge(start + header)
        length = data[start + 1] & 0x7F
        if header > 6:
            length = int.from_bytes(data[start + 2 : start + header - 4], "big")
        end = start + header + length
        if len(data) < end:
            return None
        self._judge(end)
        self._start = end
        mask, payload = data[start + header - 4 : start + header], data[start + header : end]
        return Frame(data[start] & 0x0F, masked(bytes(payload), bytes(mask)), data[start] >= 0x80)

    @property
    def rest(self) -> bytes:
        """What came behind the last frame that next() gave."""
        return bytes(self._bytes[self._start :])

    def _judge(self, end: int) -> None:
        if end > self._judged:
            self._scanner.feed(bytes(self._bytes[self._judged : end]))
            self._judged = end
        if self._scanner.violation is not None:
            raise FrameError(self._scanner.violation)
