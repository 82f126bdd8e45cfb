"""The frame scanner of an MQTT session: it also follows the packets inside the frames.

A WebSocket message is no unit there, since packets are not aligned to frames (MQTT 5, 6.0): limits and
counts are those of packets.
"""

from collections.abc import Callable

from wsgate_dataplane.frames.scanner import BINARY, BINARY_KINDS, CONTINUATION, FrameLimits, Rule, Scanner
from wsgate_dataplane.protocols.mqtt.fields import PACKET_TOO_LARGE, PROTOCOL_ERROR, MQTTError
from wsgate_dataplane.protocols.mqtt.follower import PacketFollower

BUNDLE_BYTES_MAX = 16_777_216
"""Largest WebSocket message where the limit of a packet is less: brokers bundle many packets in one."""

_RULES = {PACKET_TOO_LARGE: Rule.MESSAGE_BYTES, PROTOCOL_ERROR: Rule.MQTT_PROTOCOL}
_WHOLE_BINARY = 0x80 | BINARY
_NO_BYTE = -1


class MQTTScanner(Scanner):
    """One direction of an MQTT session, from the first byte behind the CONNECT on.

    max_message_bytes is for a packet, header included; messages counts PUBLISH packets, of a client
    (masked) SUBSCRIBE and UNSUBSCRIBE as well. Nothing is forwarded of a frame that holds a wrong packet
    but what earlier calls have forwarded already; is_at_boundary stays False then.
    """

    least_message_bytes = 2
    """Of a packet's header: one frame may hold thousands."""

    __slots__ = ("_is_payload", "_mask", "_packets", "_phase")

    def __init__(self, limits: FrameLimits, clock: Callable[[], float], *, masked: bool, level: int) -> None:
        self._packets = PacketFollower(from_client=masked, level=level, max_packet_bytes=limits.max_message_bytes)
        # Of the frame that goes on in the next read: whether it carries packets, its key, where it is.
        self._is_payload = False
        self._mask: bytes | None = None
        self._phase = 0
        super().__init__(limits, clock, masked=masked, extensions=False)
        # MQTT 5, 6.0-1.
        self._kinds = self._kinds_now = BINARY_KINDS

    def set_limits(self, limits: FrameLimits) -> None:
        """Replace the limits from the next header on."""
        self._packets.set_limit(limits.max_message_bytes)
        most = max(limits.max_message_bytes, BUNDLE_BYTES_MAX)
        super().set_limits(FrameLimits(most, limits.max_fragments, limits.max_control_frames_per_second))

    @property
    def is_at_packet_boundary(self) -> bool:
        """Whether what was returned so far ends with a whole frame and a whole packet."""
        return not self._remaining and self._packets.is_at_boundary

    @property
    def has_begun(self) -> bool:
        """Whether a packet has passed, or a part of one: of the broker that is its CONNACK."""
        return self._packets.has_begun

    @property
    def is_over(self) -> bool:
        """Whether a DISCONNECT has passed: nothing may be said behind it."""
        return self._packets.is_over

    def feed(self, data: bytes) -> bytes:
        """Return what of the stream may be forwarded now; often data itself."""
        if self.is_stopped:
            return b""
        if self.head:
            data = self.head + data
            self.head = b""
        size = len(data)
        position = self._remaining
        if position:
            if not self._continue_frame(data, min(position, size)):
                return b""
            if position >= size:
                self._remaining = position - size
                return data
        self._remaining = 0
        end = self._follow_frames(data, position)
        self.messages = self._packets.messages
        if self.is_stopped or end > size:
            return data[:end]
        if end < size:
            self.head = data[end:]
            if size - end > 1 and self._is_wrong(data[end], data[end + 1] ^ self._mask_bit):
                self.head = b""
            return data[:end]
        return data

    def _follow_frames(self, data: bytes, position: int) -> int:
        """Where the last frame ends that may be forwarded; behind data where it goes on in the next read."""
        size, overhead, steps, packets = len(data), self._overhead, self._steps, self._packets
        last, is_masked = size - overhead, self._mask_bit != 0
        mask: bytes | None = None
        payload = 0
        # Inside a fragmented message every header is looked at.
        whole = _NO_BYTE if self._fragments else _WHOLE_BINARY
        is_between = packets.is_at_boundary
        least, most, _, counts = packets.tables
        while position <= last:
            payload = position + overhead
            end = position + steps[data[position + 1]]
            if end > position and data[position] == whole:
                # The common case, a short frame with one packet, needs no call.
                if is_between and payload + 2 <= end <= size:
                    first, length = data[payload], data[payload + 1]
                    if is_masked:
                        first ^= data[payload - 4]
                        length ^= data[payload - 3]
                    if least[first] <= length <= most[first] and payload + 2 + length == end:
                        packets.messages += counts[first]
                        packets.has_begun = True
                        position = end
                        continue
            else:
                end = self._frame(data, position, data[position + 1] ^ self._mask_bit)
                if end < 0 or self.is_stopped:
                    return position if end < 0 else end
                whole = _NO_BYTE if self._fragments else _WHOLE_BINARY
                if data[position] & 0x08:
                    payload, position = 0, end
                    continue
                extent = data[position + 1] & 0x7F
                if extent > 125:
                    payload += 2 if extent == 126 else 8
            if is_masked:
                mask = data[payload - 4 : payload]
            packets.follow(data, payload, end if end < size else size, mask, 0)
            if packets.violation is not None:
                # As before this frame, which is not forwarded.
                self._fragments = int(data[position] & 0x0F == CONTINUATION)
                self._stop_for_packet(packets.violation)
                return position
            is_between = packets.is_at_boundary
            least, most, _, counts = packets.tables
            position = end
        if position > size:
            self._remaining = position - size
            self._is_payload = payload > 0
            self._mask, self._phase = mask, (size - payload) & 3
        return position

    def _continue_frame(self, data: bytes, stop: int) -> bool:
        """Follow the packets in data[:stop], which belongs to the frame before; whether they are right."""
        if not self._is_payload:
            return True
        self._packets.follow(data, 0, stop, self._mask, self._phase)
        self._phase = (self._phase + stop) & 3
        self.messages = self._packets.messages
        if self._packets.violation is not None:
            self._stop_for_packet(self._packets.violation)
        return self.violation is None

    def finish_frame(self, data: bytes) -> bytes:
        """Like feed, but no more than what is missing of the current frame; stops the scanner."""
        self.is_stopped = True
        stop = min(len(data), self._remaining)
        if self.violation is not None or not self._continue_frame(data, stop):
            return b""
        return super().finish_frame(data)

    def finish_packet(self, data: bytes) -> bytes:
        """Like feed, but no more than up to the first frame's end where a packet ends; stops the scanner there."""
        out = b""
        while not self.is_stopped:
            if self.is_at_packet_boundary:
                self.is_stopped = True
            elif data:
                # A header byte by byte, since only then the frame's end is known.
                step = self._remaining or 1
                out += self.feed(data[:step])
                data = data[step:]
            else:
                break
        return out

    def _stop_for_packet(self, error: MQTTError) -> None:
        self._stop(0, _RULES.get(error.reason, Rule.MQTT_MALFORMED), error.detail)
