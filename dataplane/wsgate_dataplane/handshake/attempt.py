"""One request on its way to a session: what is known of it so far."""

from wsgate_dataplane.handshake.front import Front
from wsgate_dataplane.handshake.request import Request, WebSocketOffer
from wsgate_dataplane.handshake.serving import Serving
from wsgate_dataplane.protocols.detect import Protocol
from wsgate_dataplane.protocols.mqtt.last_words import MQTTClient


class Attempt:
    """Grows with each step; None stands for what is not known yet."""

    __slots__ = ("front", "mqtt", "offer", "protocol", "request", "serving")

    def __init__(self, front: Front) -> None:
        self.front = front
        self.request: Request | None = None
        self.serving: Serving | None = None
        self.offer: WebSocketOffer | None = None
        self.protocol: Protocol = "raw"
        self.mqtt: MQTTClient | None = None
        """Where an MQTT client's first message has been read."""
