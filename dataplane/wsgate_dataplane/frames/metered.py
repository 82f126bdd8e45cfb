"""Follows what a client sends within an allowance, and stops in front of the frame that would exceed it."""

from collections.abc import Callable
from typing import Any, Protocol

from wsgate_dataplane.frames.own_caches import with_own_caches
from wsgate_dataplane.frames.scanner import Rule, Scanner, Violation

PIECE_BYTES = 4096
"""What is followed at once where the allowance may end within; what is held back is looked at again that often."""
ROUNDING = 1e-6
"""Of a message; allowances are sums of fractions."""

_EVERY_FRAME = bytes(256)
"""Steps that make the scanner look at every frame."""


class Allowance(Protocol):
    """What may pass; asked before bytes are followed, told after."""

    @property
    def closes(self) -> bool:
        """Whether a session that exceeds it ends."""
        ...

    def left(self) -> tuple[float, float]:
        """Messages and wire bytes that may pass now, infinite where they are not limited.

        A message may begin while there are bytes left, and then passes whole, whatever its size.
        """
        ...

    def spend(self, messages: int, size: int) -> None:
        """So much has passed; size in wire bytes."""
        ...


class Metering(Scanner):
    """Makes a scanner hold back what the allowance does not cover; feed(b"") looks at that again.

    Control frames pass, unless they stand behind what is held. It has no __slots__, so that it can be put before
    any scanner; few sessions have one.
    """

    least_message_bytes = 6
    """No message is shorter on the wire: a masked header."""

    _follow: Callable[..., bytes]
    """The scanner's own feed; super() would take as long as it."""

    def __init__(self, allowance: Allowance, **rules: Any) -> None:
        """rules: see the scanner's own."""
        super().__init__(**rules)
        self._allowance = allowance
        self._rest = b""
        """What was read and is followed from _at on."""
        self._at = 0
        self._messages_end = self._bytes_left = 0.0
        self.is_held = False
        """Whether the next frame is one that the allowance did not cover; what was returned ends with a frame."""

    def feed(self, data: bytes) -> bytes:
        """See Scanner.feed."""
        if self._at == len(self._rest):
            if not self._head:
                # The common case: nothing waits, and there is enough for all of it.
                messages, size = self._allowance.left()
                if messages * self.least_message_bytes >= len(data) < size:
                    before = self.messages
                    out = self._follow(data)
                    self._allowance.spend(self.messages - before, len(out))
                    return out
            self._rest, self._at = data, 0
        elif data:
            self._rest, self._at = self._rest[self._at :] + data, 0
        pieces = [self._feed_some()]
        while self._at < len(self._rest) and not self.is_held and not self.is_stopped:
            pieces.append(self._feed_some())
        if self._at == len(self._rest):
            # An idle session keeps nothing of its last read.
            self._rest, self._at = b"", 0
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def exceed(self, detail: str) -> None:
        """What is held is too much: stop."""
        self.is_stopped = True
        self.violation = Violation(Rule.RATE, detail)

    def drop(self) -> None:
        """Forget what is held."""
        self._rest = self._head = b""
        self._at = 0
        self.is_held = False

    @property
    def is_careful(self) -> bool:
        """Whether the allowance may end within what is followed now."""
        return self._steps is _EVERY_FRAME

    def is_beyond(self, data: bytes, position: int, length: int) -> bool:
        """Whether the allowance does not cover the data frame at position; length is what its second byte says."""
        if data[position] & 0x80 and self.messages + 1 > self._messages_end:
            return True
        return not self._fragments and position >= self._bytes_left

    def _feed_some(self) -> bytes:
        was_held, self.is_held = self.is_held, False
        messages, size = self._allowance.left()
        waiting = len(self._head) + len(self._rest) - self._at
        before = self.messages
        if messages * self.least_message_bytes >= waiting and size > waiting:
            piece = self._rest[self._at :]
            self._at = len(self._rest)
            out = self._follow(piece)
        else:
            # What is held comes first and alone, or each look would add a piece to it.
            piece = b"" if was_held else self._rest[self._at : self._at + PIECE_BYTES]
            self._at += len(piece)
            out = self._feed_carefully(piece, messages, size)
        self._allowance.spend(self.messages - before, len(out))
        return out

    def _feed_carefully(self, piece: bytes, messages: float, size: float) -> bytes:
        self._messages_end = self.messages + messages + ROUNDING
        self._bytes_left = size
        steps, self._steps = self._steps, _EVERY_FRAME
        try:
            return self._follow(piece)
        finally:
            self._steps = steps

    def _frame(self, data: bytes, position: int, length: int) -> int:
        if self.is_careful and not data[position] & 0x08 and self.is_beyond(data, position, length):
            # Like a header that is not complete: it is kept, and looked at again with what follows.
            self.is_held = True
            return -1
        return super()._frame(data, position, length)


class MeteredScanner(Metering):
    """A raw session's: a message is counted with its last fragment."""

    _follow = with_own_caches(Scanner.feed)
