"""What MQTT packets are made of (MQTT 5, 1.5): numbers, text and binary data, read in one spelling only."""

import re

MALFORMED, PROTOCOL_ERROR, UNSUPPORTED_VERSION = 0x81, 0x82, 0x84
CLIENT_ID_INVALID, TOPIC_INVALID, PACKET_TOO_LARGE = 0x85, 0x90, 0x95
"""Reason codes (MQTT 5, 2.4)."""

VARIABLE_BYTES_MAX = 4
VARIABLE_MAX = 268_435_455
"""Largest variable byte integer (1.5.5), so also the largest remaining length."""
FIELD_BYTES_MAX = 65_535
"""Text and binary data carry their length in two bytes (1.5.4, 1.5.6)."""

_UNWELCOME = re.compile(
    "[\x00-\x1f\x7f-\x9f\ufdd0-\ufdef"
    + "".join(chr(plane << 16 | low) for plane in range(17) for low in (0xFFFE, 0xFFFF))
    + "]"
)


class MQTTError(Exception):
    """Bytes or values that no MQTT peer may send. The words name the field and never what stands in it."""

    def __init__(self, reason: int, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        """The MQTT 5 reason code; of another version it tells the kind of fault only."""
        self.detail = detail


def read_variable(data: bytes, position: int, stop: int) -> tuple[int, int] | None:
    """A variable byte integer and where it ends; None: it goes on behind stop.

    Raises MQTTError for more than four bytes, and for a spelling that is not the shortest (1.5.5): two
    readers of one packet could differ about its end.
    """
    value = 0
    for index in range(VARIABLE_BYTES_MAX):
        if position + index >= stop:
            return None
        byte = data[position + index]
        value |= (byte & 0x7F) << 7 * index
        if byte < 0x80:
            if index and not byte:
                raise MQTTError(MALFORMED, "a length is not in its shortest form")
            return value, position + index + 1
    raise MQTTError(MALFORMED, f"a length has more than {VARIABLE_BYTES_MAX} bytes")


def write_variable(value: int) -> bytes:
    """The shortest spelling. Raises MQTTError(PACKET_TOO_LARGE) for what does not fit into four bytes."""
    if value > VARIABLE_MAX:
        raise MQTTError(PACKET_TOO_LARGE, f"{value} bytes, MQTT allows {VARIABLE_MAX}")
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def write_binary(value: bytes) -> bytes:
    """Binary data behind its length in two bytes; value has at most FIELD_BYTES_MAX."""
    return len(value).to_bytes(2, "big") + value


def write_text(value: str) -> bytes:
    """Text behind its length in two bytes; value has passed check_text."""
    return write_binary(value.encode())


def check_text(value: str, field: str) -> None:
    """Raises MQTTError unless value may stand in a packet (1.5.4).

    Control and non-characters, which a broker may refuse, are refused: brokers differ there.
    """
    try:
        size = len(value.encode())
    except UnicodeEncodeError:
        raise MQTTError(MALFORMED, f"{field} holds a surrogate") from None
    if size > FIELD_BYTES_MAX:
        raise MQTTError(MALFORMED, f"{field} has {size} bytes, MQTT allows {FIELD_BYTES_MAX}")
    if _UNWELCOME.search(value):
        raise MQTTError(MALFORMED, f"{field} holds a control character or a non-character")


def check_binary(value: bytes, field: str) -> None:
    """Raises MQTTError unless value fits behind a length of two bytes."""
    if len(value) > FIELD_BYTES_MAX:
        raise MQTTError(MALFORMED, f"{field} has {len(value)} bytes, MQTT allows {FIELD_BYTES_MAX}")


def check_topic_name(value: str, field: str) -> None:
    """Raises MQTTError unless value may be published to (4.7): not empty, without wildcards."""
    check_text(value, field)
    if not value or "+" in value or "#" in value:
        raise MQTTError(TOPIC_INVALID, f"{field} is empty or holds a wildcard")


class Reader:
    """Takes one field after the other from data[position:stop], which must hold them all.

    Each method raises MQTTError(MALFORMED) where the field does not end before stop.
    """

    __slots__ = ("_data", "_stop", "position")

    def __init__(self, data: bytes, position: int, stop: int) -> None:
        self._data = data
        self._stop = stop
        self.position = position

    @property
    def is_done(self) -> bool:
        """Whether nothing is left."""
        return self.position >= self._stop

    def take(self, size: int, field: str) -> bytes:
        """The next size bytes."""
        start, self.position = self.position, self.position + size
        if self.position > self._stop:
            raise MQTTError(MALFORMED, f"{field} goes on behind the end")
        return self._data[start : self.position]

    def number(self, size: int, field: str) -> int:
        """An integer of that many bytes."""
        return int.from_bytes(self.take(size, field), "big")

    def variable(self, field: str) -> int:
        """A variable byte integer."""
        found = read_variable(self._data, self.position, self._stop)
        if found is None:
            raise MQTTError(MALFORMED, f"{field} goes on behind the end")
        value, self.position = found
        return value

    def binary(self, field: str) -> bytes:
        """Binary data behind its length."""
        return self.take(self.number(2, field), field)

    def text(self, field: str) -> str:
        """Text behind its length; check_text tells whether it is allowed."""
        try:
            return self.binary(field).decode()
        except UnicodeDecodeError:
            raise MQTTError(MALFORMED, f"{field} is not UTF-8") from None

    def part(self, size: int, field: str) -> "Reader":
        """A reader of the next size bytes, which are taken from this one."""
        start = self.position
        self.take(size, field)
        return Reader(self._data, start, self.position)
