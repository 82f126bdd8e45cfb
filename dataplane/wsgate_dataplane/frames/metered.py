"""Follows what a client sends within an allowance, and stops in front of the frame that would exceed it."""

from typing import Protocol

from wsgate_dataplane.frames.scanner import Gate, Rule, Scanner

PIECE_BYTES = 4096
"""What is followed at once where the allowance may end within; what is held back is looked at again that often."""
ROUNDING = 1e-6
"""Of a message; allowances are sums of fractions."""


class Allowance(Protocol):
    """What may pass; asked before bytes are followed, told after."""

    @property
    def closes(self) -> bool:
        """Whether a session that exceeds it ends."""
        ...

    def covers(self, messages: int, size: int) -> bool:
        """Whether that much may pass now."""
        ...

    def left(self) -> tuple[float, float]:
        """Messages and wire bytes that may pass now, infinite where they are not limited.

        A message may begin while there are bytes left, and then passes whole, whatever its size.
        """
        ...

    def spend(self, messages: int, size: int) -> None:
        """So much has passed; size in wire bytes."""
        ...


class Metering:
    """Feeds a scanner what the allowance covers, and holds back the rest; feed(b"") looks at that again.

    Control frames pass, unless they stand behind what is held.
    """

    __slots__ = ("_allowance", "_at", "_least", "_rest", "_scanner")

    def __init__(self, scanner: Scanner, allowance: Allowance) -> None:
        self._scanner = scanner
        self._allowance = allowance
        self._least = scanner.least_message_bytes
        self._rest = b""
        """What was read and is followed from _at on."""
        self._at = 0

    def feed(self, data: bytes) -> bytes:
        """See Scanner.feed."""
        scanner = self._scanner
        if not self._rest and not scanner.head:
            # The common case: nothing waits, and there is enough for all of it, also for a message begun before.
            size, allowance = len(data), self._allowance
            if allowance.covers(size // self._least + 1, size):
                before = scanner.messages
                out = scanner.feed(data)
                allowance.spend(scanner.messages - before, len(out))
                return out
        self._rest, self._at = self._rest[self._at :] + data, 0
        pieces = [self._feed_some()]
        while self._at < len(self._rest) and not scanner.is_held and not scanner.is_stopped:
            pieces.append(self._feed_some())
        if self._at == len(self._rest):
            # An idle session keeps nothing of its last read.
            self._rest, self._at = b"", 0
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def exceed(self, detail: str) -> None:
        """What is held is too much: stop."""
        self._scanner.stop(Rule.RATE, detail)

    def drop(self) -> None:
        """Forget what is held."""
        self._rest = self._scanner.head = b""
        self._at = 0
        self._scanner.is_held = False

    def _feed_some(self) -> bytes:
        scanner, allowance = self._scanner, self._allowance
        was_held, scanner.is_held = scanner.is_held, False
        messages, size = allowance.left()
        waiting = len(scanner.head) + len(self._rest) - self._at
        before = scanner.messages
        if messages * self._least >= waiting and size > waiting:
            piece = self._rest[self._at :]
            self._at = len(self._rest)
            out = scanner.feed(piece)
        else:
            # What is held comes first and alone, or each look would add a piece to it.
            piece = b"" if was_held else self._rest[self._at : self._at + PIECE_BYTES]
            self._at += len(piece)
            out = scanner.feed_within(piece, Gate(before + messages + ROUNDING, size, closes=allowance.closes))
        allowance.spend(scanner.messages - before, len(out))
        return out
