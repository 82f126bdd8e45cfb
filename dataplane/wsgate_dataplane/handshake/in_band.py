"""The client's first message, read between its 101 and the relay."""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

from wsgate_contract.route import Limits
from wsgate_dataplane.admission.failures import source_of
from wsgate_dataplane.frames.reader import FrameError
from wsgate_dataplane.frames.scanner import Rule
from wsgate_dataplane.handshake.front import Front
from wsgate_dataplane.identity.sources import Credential, message_token, password_token
from wsgate_dataplane.outcomes.refusal import Refused
from wsgate_dataplane.outcomes.table import Reason
from wsgate_dataplane.protocols.detect import Expected
from wsgate_dataplane.protocols.first_message import First, FirstMessage
from wsgate_dataplane.protocols.mqtt.fields import (
    CLIENT_ID_INVALID,
    PACKET_TOO_LARGE,
    PROTOCOL_ERROR,
    UNSUPPORTED_VERSION,
    MQTTError,
)

WAITING_MAX = 1000
"""Clients without a token that have their 101: each holds a connection and its first message."""
WAITING_PER_SOURCE_MAX = 20

FRAME_REASONS: dict[Rule, Reason] = {
    Rule.FRAME: Reason.FRAME_INVALID,
    Rule.MESSAGE_BYTES: Reason.MESSAGE_TOO_BIG,
    Rule.CONTROL_FRAMES: Reason.CONTROL_FLOOD,
    Rule.FRAGMENTS: Reason.FRAGMENT_FLOOD,
    Rule.TEXT_FRAME: Reason.MQTT_TEXT_FRAME,
}

MQTT_REASONS: dict[int, Reason] = {
    PROTOCOL_ERROR: Reason.MQTT_PROTOCOL,
    UNSUPPORTED_VERSION: Reason.MQTT_VERSION,
    CLIENT_ID_INVALID: Reason.MQTT_CLIENT_ID,
    PACKET_TOO_LARGE: Reason.MESSAGE_TOO_BIG,
}


class Opening(NamedTuple):
    """What a client began with."""

    first: First
    rest: bytes
    """What came behind it, as it came."""


class Waiting:
    """Who is waited for; limits_sources: an address is a client's, not a proxy's."""

    def __init__(self, *, limits_sources: bool) -> None:
        self._limits_sources = limits_sources
        self._by_source = Counter[str]()
        self._count = 0

    @contextmanager
    def place(self, address: str) -> Iterator[None]:
        """Hold one place; raises Refused(TOO_MANY_WAITING)."""
        source = source_of(address) if self._limits_sources else ""
        if self._count >= WAITING_MAX:
            raise Refused(Reason.TOO_MANY_WAITING, f"{WAITING_MAX} clients have sent no token yet")
        if self._limits_sources and self._by_source[source] >= WAITING_PER_SOURCE_MAX:
            raise Refused(Reason.TOO_MANY_WAITING, f"{WAITING_PER_SOURCE_MAX} of {source} have sent no token yet")
        self._count += 1
        self._by_source[source] += 1
        try:
            yield
        finally:
            self._count -= 1
            self._by_source[source] -= 1
            if not self._by_source[source]:
                del self._by_source[source]


async def read_opening(
    front: Front,
    expected: Expected,
    limits: Limits,
    clock: Callable[[], float],
    check: Callable[[], None],
) -> Opening:
    """Read the first message within its limits; check is called whenever front is woken and may raise Refused.

    Raises Refused: FIRST_MESSAGE_LATE, MESSAGE_TOO_BIG, CLIENT_CLOSED, and for what breaks RFC 6455 or MQTT.
    """
    message = FirstMessage(expected, limits.first_message_bytes, clock)
    try:
        async with asyncio.timeout(limits.first_message_seconds):
            while True:
                first, answer = message.feed(await front.received())
                if answer:
                    front.say(answer)
                if first is not None:
                    return Opening(first, message.rest)
                if message.is_closed:
                    raise Refused(Reason.CLIENT_CLOSED, "before its first message")
                check()
    except TimeoutError:
        raise Refused(Reason.FIRST_MESSAGE_LATE, f"none in {limits.first_message_seconds} s") from None
    except FrameError as error:
        raise Refused(FRAME_REASONS[error.violation.rule], f"first message: {error}") from None
    except MQTTError as error:
        raise Refused(MQTT_REASONS.get(error.reason, Reason.MQTT_MALFORMED), f"CONNECT: {error}") from None


def credential_of(first: First) -> Credential:
    """The token in it; raises Refused as identity.sources does."""
    if first.connect is not None:
        return Credential(password_token(first.connect.password), "MQTTPassword", is_explicit=True)
    return Credential(message_token(first.payload), "FirstMessage", is_explicit=True)
