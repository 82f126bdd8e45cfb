"""A client's first message, read before its upstream is asked for anything. Sans-IO."""

from collections.abc import Callable
from typing import NamedTuple

from wsgate_dataplane.frames.build import data_frame, pong_frame
from wsgate_dataplane.frames.reader import Frame, FrameError, FrameReader
from wsgate_dataplane.frames.scanner import BINARY, CLOSE, CONTINUATION, PING, TEXT, FrameLimits, Rule, Violation
from wsgate_dataplane.protocols.detect import Expected
from wsgate_dataplane.protocols.mqtt.connect import CONNECT, Connect, read_connect
from wsgate_dataplane.protocols.mqtt.fields import read_variable

HEAD_BYTES = 16
"""With so many bytes of a CONNECT its version is known, and whether it is one."""


class First(NamedTuple):
    """The whole first message."""

    connect: Connect | None
    """None: it is not MQTT's."""
    opcode: int
    payload: bytes
    """The message; of MQTT what followed the CONNECT packet in its frame."""
    is_final: bool = True
    """False: the frame that the CONNECT ended in is not its message's last."""

    def left_over(self, mask: bytes) -> bytes:
        """What followed the CONNECT in its frame, as a frame of its own; mask: four bytes."""
        if self.connect is None or (self.is_final and not self.payload):
            return b""
        return data_frame(BINARY, self.payload, mask, is_final=self.is_final)


class FirstMessage:
    """Bytes of the client in, its first message out.

    max_bytes bounds the payload of the message or, on MQTT, of the frames up to the one that ends the CONNECT:
    they need not be one message, but may be no more than one message may have.
    clock gives monotonic seconds.
    """

    def __init__(self, expected: Expected, max_bytes: int, clock: Callable[[], float]) -> None:
        self._expected = expected
        self._limits = FrameLimits(max_bytes)
        self._frames = FrameReader(self._limits, clock)
        self._payload = bytearray()
        self._opcode: int | None = None
        self._fragments = 0
        self._wanted = 0
        """Bytes of the payload without which a CONNECT is not looked at again."""
        self.is_closed = False
        """The client has sent a Close frame in its place."""

    def feed(self, data: bytes) -> tuple[First | None, bytes]:
        """The message, once it is there, and what to write to the client.

        Raises FrameError and MQTTError; a text frame that MQTT would have to be read from is a FrameError too.
        """
        answer = b""
        self._frames.feed(data)
        while not self.is_closed and (frame := self._frames.next()) is not None:
            if frame.opcode == CLOSE:
                self.is_closed = True
            elif frame.opcode == PING:
                answer += pong_frame(frame.payload)
            elif frame.opcode in (TEXT, BINARY, CONTINUATION) and (first := self._data(frame)) is not None:
                return first, answer
        return None, answer

    @property
    def rest(self) -> bytes:
        """What came behind the message's last frame, as it came."""
        return self._frames.rest

    def _data(self, frame: Frame) -> First | None:
        self._fragments += 1
        most = self._limits.max_fragments
        if self._fragments > most:
            raise FrameError(Violation(Rule.FRAGMENTS, f"no whole first message in {most} frames"))
        if frame.opcode != CONTINUATION:
            self._opcode = frame.opcode
        self._payload += frame.payload
        if self._expected is Expected.EITHER and self._payload:
            is_connect = self._opcode == BINARY and self._payload[0] == CONNECT
            self._expected = Expected.CONNECT if is_connect else Expected.MESSAGE
        if self._expected is Expected.CONNECT:
            return self._connect(frame)
        if not frame.is_final:
            return None
        assert self._opcode is not None, "a continuation begins no message: the reader refuses it"
        return First(None, self._opcode, bytes(self._payload))

    def _connect(self, frame: Frame) -> First | None:
        if self._opcode == TEXT:
            raise FrameError(Violation(Rule.TEXT_FRAME, "MQTT in a text frame"))
        if len(self._payload) < self._wanted:
            return None
        found = read_connect(bytes(self._payload), max_bytes=self._limits.max_message_bytes)
        if found is None:
            # A client that sends single bytes shall not make it be copied again and again.
            length = read_variable(bytes(self._payload[:HEAD_BYTES]), 1, min(len(self._payload), HEAD_BYTES))
            self._wanted = sum(length) if length and len(self._payload) >= HEAD_BYTES else 0
            return None
        connect, end = found
        return First(connect, BINARY, bytes(self._payload[end:]), frame.is_final)
