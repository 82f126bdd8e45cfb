"""Follows MQTT packet headers (MQTT 5, 2.1) through the payloads of WebSocket frames, whatever way they are cut.

Packets are not aligned to frames (6.0). Two to five bytes of each are unmasked; the others are skipped.
"""

import functools
from typing import NamedTuple

from wsgate_dataplane.protocols.mqtt.fields import (
    MALFORMED,
    PACKET_TOO_LARGE,
    PROTOCOL_ERROR,
    VARIABLE_BYTES_MAX,
    MQTTError,
    read_variable,
)
from wsgate_dataplane.protocols.mqtt.packets import (
    DISCONNECT,
    NAMES,
    PUBLISH,
    SUBSCRIBE,
    UNSUBSCRIBE,
    allowed_packets,
    type_of,
    why_refused,
)

HEADER_BYTES_MAX = 1 + VARIABLE_BYTES_MAX

_UNMASKED = bytes(4)
_NEVER = 255


class Tables(NamedTuple):
    """By first byte, what a header may say without more ado; behind a DISCONNECT nothing."""

    least: bytes
    most: bytes
    """Bounds of a length in one byte."""
    is_long: bytes
    """Whether the length may have more bytes."""
    counts: bytes
    """Whether the packet is a message."""


@functools.cache
def _tables(level: int, max_packet_bytes: int, *, from_client: bool) -> Tables:
    counted = (PUBLISH, SUBSCRIBE, UNSUBSCRIBE) if from_client else (PUBLISH,)
    least, most, is_long, counts = bytearray([_NEVER]) * 256, bytearray(256), bytearray(256), bytearray(256)
    for first, lengths in allowed_packets(level, from_client=from_client).items():
        counts[first] = type_of(first) in counted
        # Behind a DISCONNECT nothing may come: it is looked at.
        if type_of(first) != DISCONNECT and lengths.least + 2 <= max_packet_bytes:
            least[first] = lengths.least
            most[first] = min(127, lengths.most, max_packet_bytes - 2)
            is_long[first] = lengths.most > 127
    return Tables(bytes(least), bytes(most), bytes(is_long), bytes(counts))


class PacketFollower:
    """One direction of a session, from the first byte behind the CONNECT on.

    max_packet_bytes counts a whole packet, header included. A packet counts when its header is complete.
    """

    __slots__ = (
        "_allowed",
        "_from_client",
        "_head",
        "_level",
        "_max_packet",
        "_skip",
        "has_begun",
        "is_over",
        "messages",
        "tables",
        "violation",
    )

    def __init__(self, *, from_client: bool, level: int, max_packet_bytes: int) -> None:
        self._from_client = from_client
        self._level = level
        self._allowed = allowed_packets(level, from_client=from_client)
        self._head = b""
        self._skip = 0
        self.has_begun = False
        """Whether a packet has begun."""
        self.is_over = False
        """Whether a DISCONNECT has passed."""
        self.messages = 0
        """PUBLISH packets; from a client also SUBSCRIBE and UNSUBSCRIBE."""
        self.violation: MQTTError | None = None
        """What ended following; its reason is PACKET_TOO_LARGE where the size is all that is wrong."""
        self.set_limit(max_packet_bytes)

    def set_limit(self, max_packet_bytes: int) -> None:
        """Replace the limit from the next header on."""
        self._max_packet = max_packet_bytes
        # Beyond what one length byte can say all limits are alike; behind a DISCONNECT nothing is common.
        limit = 0 if self.is_over else min(129, max_packet_bytes)
        self.tables = _tables(self._level, limit, from_client=self._from_client)

    @property
    def is_at_boundary(self) -> bool:
        """Whether what was followed so far ends with a whole packet."""
        return not (self._skip or self._head)

    def follow(self, data: bytes, start: int, stop: int, mask: bytes | None, phase: int) -> None:
        """Take data[start:stop], the next payload bytes of a frame.

        mask is the frame's key or None, phase the place of data[start] in the frame's payload. Where a
        packet is wrong, violation is set; is_at_boundary, has_begun and is_over stay what they were before.
        """
        if self.violation is not None:
            return
        skip, head, was_over = self._skip, self._head, self.is_over
        position = start + skip
        if position >= stop:
            self._skip = position - stop
            return
        if mask is None:
            mask = _UNMASKED
        turn = phase - start
        messages, last = 0, stop - 1
        try:
            if head:
                position = self._header(data, position, stop, mask, turn)
            least, most, is_long, counts = self.tables
            while position < last:
                # The common case, a short packet, costs seven look-ups.
                first = data[position] ^ mask[(position + turn) & 3]
                length = data[position + 1] ^ mask[(position + turn + 1) & 3]
                if least[first] <= length <= most[first]:
                    messages += counts[first]
                    position += length + 2
                    continue
                if length > 127 and is_long[first] and position + 1 < last:
                    length += (data[position + 2] ^ mask[(position + turn + 2) & 3]) - 1 << 7
                    if 127 < length < 16_384 and length + 3 <= self._max_packet:
                        messages += counts[first]
                        position += length + 3
                        continue
                position = self._header(data, position, stop, mask, turn)
                least, most, is_long, counts = self.tables
            if position == last:
                position = self._header(data, position, stop, mask, turn)
            self._skip = position - stop
            self.has_begun = True
        except MQTTError as error:
            self.violation = error
            self._skip, self._head, self.is_over = skip, head, was_over
        self.messages += messages

    def _header(self, data: bytes, position: int, stop: int, mask: bytes, turn: int) -> int:
        """Take a header, or what there is of it; where its packet ends, or stop. Raises MQTTError."""
        taken = len(self._head)
        places = range(position, min(stop, position + HEADER_BYTES_MAX - taken))
        self._head = head = self._head + bytes([data[place] ^ mask[(place + turn) & 3] for place in places])
        first = head[0]
        name = NAMES[first >> 4]
        if self.is_over:
            raise MQTTError(PROTOCOL_ERROR, f"{name} behind a DISCONNECT")
        lengths = self._allowed.get(first)
        if lengths is None:
            raise why_refused(first, self._level, from_client=self._from_client)
        found = read_variable(head, 1, len(head))
        if found is None:
            return stop
        self._head = b""
        length, size = found
        if not lengths.least <= length <= lengths.most:
            raise MQTTError(MALFORMED, f"{name} with a length of {length}")
        if size + length > self._max_packet:
            raise MQTTError(PACKET_TOO_LARGE, f"{name} has {size + length} bytes, allowed are {self._max_packet}")
        if first >> 4 == DISCONNECT:
            self.is_over = True
            self.set_limit(self._max_packet)
        self.messages += self.tables.counts[first]
        return position + size - taken + length
