"""Which protocol a session speaks, and whether its token may come after the handshake."""

from collections.abc import Collection, Sequence
from enum import Enum
from typing import Literal

from wsgate_contract.route import TokenSource

MQTT_SUBPROTOCOLS = ("mqtt", "mqttv3.1")
"""What MQTT clients must offer (MQTT 5, 6.0; the second one is of MQTT 3.1)."""

Protocol = Literal["raw", "mqtt"]
"""Also the label of the metrics."""


class Expected(Enum):
    """What a client's first message may be."""

    MESSAGE = "message"
    """Any message: it holds the token."""
    CONNECT = "CONNECT"
    """MQTT's."""
    EITHER = "either"
    """A CONNECT makes it an MQTT session."""


def protocol_of(route_protocol: Literal["Auto", "Raw", "MQTT"], subprotocols: Sequence[str]) -> Protocol:
    """As the route says; Auto: by the subprotocols that the client offers."""
    if route_protocol == "Auto":
        return "raw" if mqtt_subprotocol(subprotocols) is None else "mqtt"
    return "mqtt" if route_protocol == "MQTT" else "raw"


def mqtt_subprotocol(subprotocols: Sequence[str]) -> str | None:
    """The first offered one that is MQTT's."""
    for each in subprotocols:
        if each in MQTT_SUBPROTOCOLS:
            return each
    return None


def in_band(
    route_protocol: Literal["Auto", "Raw", "MQTT"], protocol: Protocol, sources: Collection[TokenSource]
) -> Expected | None:
    """What is read for a token where the handshake has none; None: the route takes none after it."""
    if protocol == "mqtt":
        return Expected.CONNECT if "MQTTPassword" in sources else None
    if "FirstMessage" not in sources:
        return None
    return Expected.EITHER if route_protocol == "Auto" else Expected.MESSAGE
