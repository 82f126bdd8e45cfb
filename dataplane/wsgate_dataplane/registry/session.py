"""One live session: what is known of it, and the relay's events on their way to its lifecycle."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Literal

from wsgate_contract.route import Route
from wsgate_dataplane.outcomes.table import Reason
from wsgate_dataplane.protocols.detect import Protocol
from wsgate_dataplane.protocols.mqtt.last_words import MQTTClient
from wsgate_dataplane.relay.engine import Closed, Limit, LimitExceeded, SessionId, Side, SideLost
from wsgate_dataplane.revocation.matching import Identity
from wsgate_dataplane.session.lifecycle import Lifecycle
from wsgate_dataplane.values import value

if TYPE_CHECKING:
    from wsgate_dataplane.registry.registry import Registry

LIMIT_REASONS: dict[Limit, Reason] = {
    Limit.FRAME: Reason.FRAME_INVALID,
    Limit.MESSAGE_BYTES: Reason.MESSAGE_TOO_BIG,
    Limit.CONTROL_FRAMES: Reason.CONTROL_FLOOD,
    Limit.FRAGMENTS: Reason.FRAGMENT_FLOOD,
    Limit.RATE: Reason.RATE_EXCEEDED,
    Limit.TEXT_FRAME: Reason.MQTT_TEXT_FRAME,
    Limit.MQTT_MALFORMED: Reason.MQTT_MALFORMED,
    Limit.MQTT_PROTOCOL: Reason.MQTT_PROTOCOL,
    Limit.IDLE: Reason.IDLE_TIMEOUT,
    Limit.WRITE: Reason.WRITE_TIMEOUT,
}

PEERS: dict[Side, Literal["client", "upstream"]] = {Side.CLIENT: "client", Side.UPSTREAM: "upstream"}
LOST_REASONS: dict[Side, Reason] = {Side.CLIENT: Reason.CLIENT_LOST, Side.UPSTREAM: Reason.UPSTREAM_LOST}


@value
class Arrival:
    """The handshake that a session came by, for its log line."""

    request_id: str
    address: str
    protocol: Protocol = "raw"


def nothing() -> None:
    """Nobody waits."""


class Session:
    """Listens to the relay; the registry acts for it. on_end is called where it ends before it was open."""

    __slots__ = (
        "arrival", "ended_at", "identity", "life", "mqtt", "on_end", "registry", "relay", "route",
        "started_at", "uid",
    )  # fmt: skip

    def __init__(
        self,
        registry: "Registry",
        uid: int,
        route: Route,
        identity: Identity,
        arrival: Arrival,
        started_at: float,
        on_end: Callable[[], None],
    ) -> None:
        self.registry = registry
        self.uid = uid
        self.route = route
        self.identity = identity
        self.arrival = arrival
        self.started_at = self.ended_at = started_at
        """Loop seconds; ended_at is when the reason to end arose."""
        self.life = Lifecycle()
        self.relay: SessionId | None = None
        self.mqtt: MQTTClient | None = None
        """None: it is no MQTT session."""
        self.on_end = on_end

    def relay_opened(self, session: SessionId) -> None:
        """The handshake is over."""
        self.relay = session
        self.life.opened()
        # The relay tells from here on; a handshake that is over need not be kept for it.
        self.on_end = nothing

    def limit_exceeded(self, event: LimitExceeded) -> None:
        """A side broke a limit."""
        self.registry.end(self, LIMIT_REASONS[event.limit], f"{event.side.value}: {event.detail}")

    def side_lost(self, event: SideLost) -> None:
        """A side went without a Close frame."""
        self.registry.end(self, LOST_REASONS[event.side], closed_by=PEERS[event.side])

    def relay_closed(self, event: Closed) -> None:
        """Both connections are gone."""
        first = PEERS[event.first_close] if event.first_close else None
        self.registry.session_over(self, self.life.over(first, event.close_code), event)
