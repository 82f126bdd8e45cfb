"""The scanner of an MQTT client whose sending is metered: messages are the packets that count."""

import copy

from wsgate_dataplane.frames.scanner import Gate, Rule
from wsgate_dataplane.protocols.mqtt.scanner import MQTTScanner

BUNDLE_MESSAGES_MAX = 1000
"""So many messages of one frame may be a debt: more would be paid for by whoever shares the budget."""
_HEADER_EXTENSIONS = {126: 2, 127: 8}


class MeteredMQTTScanner(MQTTScanner):
    """Frames that bundle packets pass as wholes.

    Where an allowance closes, a frame passes only if it covers all packets of it that are there; where it is
    exceeded by a later read of a frame, nothing more is forwarded, and is_at_boundary stays False. Else one
    message is enough for a frame to begin, and the others in it are a debt, up to BUNDLE_MESSAGES_MAX.

    It has no __slots__; few sessions have one.
    """

    _begun = 0
    """How many messages had been followed where the frame that goes on was first seen."""

    def _is_beyond(self, gate: Gate, data: bytes, position: int, length: int) -> bool:
        if not self._fragments and position >= gate.bytes_left:
            return True
        if not length or (not gate.closes and self._packets.messages + 1 <= gate.messages_end):
            # It holds no packet, or begins while one message may pass: nothing has to be counted.
            return False
        payload = position + self._overhead + _HEADER_EXTENSIONS.get(length, 0)
        if payload > len(data):
            return False
        if length > 125:
            length = int.from_bytes(data[position + 2 : payload - 4], "big")
        if self._is_free(data, payload, length):
            return False
        held = self._packets.messages
        count = self._count(data, payload, min(payload + length, len(data)), data[payload - 4 : payload], 0)
        return count > held and (count if gate.closes else held + 1) > gate.messages_end

    def _is_free(self, data: bytes, payload: int, length: int) -> bool:
        """Whether the frame is one short packet that is no message, such as PINGREQ."""
        if not self._packets.is_at_boundary or length < 2 or payload + 2 > len(data):
            return False
        least, most, _, counts = self._packets.tables
        first, rest = data[payload] ^ data[payload - 4], data[payload + 1] ^ data[payload - 3]
        return not counts[first] and least[first] <= rest <= most[first] and rest + 2 == length

    def _follow_frames(self, data: bytes, position: int) -> int:
        end = super()._follow_frames(data, position)
        if end > len(data):
            self._begun = self._packets.messages
        return end

    def _continue_frame(self, data: bytes, stop: int) -> bool:
        gate = self._gate
        if gate is not None and self._is_payload:
            count = self._count(data, 0, stop, self._mask, self._phase)
            is_bundle = count - self._begun > BUNDLE_MESSAGES_MAX
            if count > gate.messages_end and (gate.closes or is_bundle):
                self._stop(0, Rule.RATE, "the rate limit, within a frame")
                return False
        return super()._continue_frame(data, stop)

    def _count(self, data: bytes, start: int, stop: int, mask: bytes | None, phase: int) -> int:
        """How many messages there would be with these payload bytes."""
        tried = copy.copy(self._packets)
        tried.follow(data, start, stop, mask, phase)
        return tried.messages
