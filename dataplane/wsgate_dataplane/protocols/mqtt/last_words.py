"""What an MQTT client is told before a Close, as WebSocket frames."""

from typing import NamedTuple

from wsgate_dataplane.frames.build import data_frame
from wsgate_dataplane.frames.scanner import BINARY
from wsgate_dataplane.outcomes.table import Outcome
from wsgate_dataplane.protocols.mqtt.answers import connack, disconnect

V5 = 5
UNSPECIFIED_ERROR = 0x80
"""MQTT 5, 2.4: for an outcome without a code of its own."""
SERVER_UNAVAILABLE = 3
"""MQTT 3.1.1, 3.2.2.3."""


class MQTTClient(NamedTuple):
    """What the gateway must know of a client to speak with it."""

    level: int
    """Of its CONNECT: 3 is MQTT 3.1, 4 is 3.1.1, 5 is 5."""
    max_packet_bytes: int | None = None
    """The largest packet that it takes; None: any."""


class LastWords(NamedTuple):
    """A frame for the client of a session that ends; empty: nothing is said."""

    before_connack: bytes
    """Where the broker has not answered the CONNECT yet."""
    after_connack: bytes


def refusal_frame(client: MQTTClient, outcome: Outcome) -> bytes:
    """The CONNACK to a client that gets no session."""
    code5, code311 = outcome.mqtt5 or UNSPECIFIED_ERROR, outcome.mqtt311 or SERVER_UNAVAILABLE
    packet = connack(client.level, code5, code311, outcome.words, max_bytes=client.max_packet_bytes)
    return data_frame(BINARY, packet)


def last_words(client: MQTTClient, outcome: Outcome) -> LastWords:
    """Before MQTT 5 a server has no words for the end of a session (MQTT 3.1.1, 3.14)."""
    after = b""
    if client.level >= V5:
        packet = disconnect(outcome.mqtt5 or UNSPECIFIED_ERROR, outcome.words, max_bytes=client.max_packet_bytes)
        after = data_frame(BINARY, packet)
    return LastWords(refusal_frame(client, outcome), after)
