"""The closed table: HTTP answer, WebSocket close, MQTT codes, log level and advice of every reason.

A new reason is one member of Reason and one row of OUTCOMES; problem bodies, log lines, the metric
label and docs/reference/outcomes.md follow from it.
"""

from dataclasses import dataclass
from enum import StrEnum, unique
from typing import Literal

Level = Literal["info", "warning", "error"]


@unique
class Reason(StrEnum):
    """Stable kebab-case names; also the metric label."""

    __hash__ = str.__hash__  # Enum's own is a Python function

    # The request itself.
    REQUEST_MALFORMED = "request-malformed"
    PATH_UNSAFE = "path-unsafe"
    METHOD_NOT_ALLOWED = "method-not-allowed"
    UPGRADE_REQUIRED = "upgrade-required"
    WEBSOCKET_VERSION = "websocket-version"
    ROUTE_NOT_FOUND = "route-not-found"
    ROUTE_INVALID = "route-invalid"
    ADMIN_MOVED = "admin-moved"
    ORIGIN_NOT_LISTED = "origin-not-listed"
    # The token.
    TOKEN_MISSING = "token-missing"
    CREDENTIALS_AMBIGUOUS = "credentials-ambiguous"
    SUBPROTOCOL_MISSING = "subprotocol-missing"
    TOKEN_MALFORMED = "token-malformed"
    TOKEN_TYPE = "token-type"
    TOKEN_ALGORITHM = "token-algorithm"
    TOKEN_ISSUER = "token-issuer"
    TOKEN_KEY_UNKNOWN = "token-key-unknown"
    TOKEN_SIGNATURE = "token-signature"
    TOKEN_AUDIENCE = "token-audience"
    TOKEN_AUTHORIZED_PARTY = "token-authorized-party"
    TOKEN_NOT_YET_VALID = "token-not-yet-valid"
    TOKEN_LIFETIME = "token-lifetime"
    TOKEN_CLAIM_MISSING = "token-claim-missing"
    TOKEN_EXPIRED = "token-expired"
    TOKEN_REVOKED = "token-revoked"
    SESSION_TOO_OLD = "session-too-old"
    KEYS_UNAVAILABLE = "keys-unavailable"
    TOO_MANY_FAILURES = "too-many-failures"
    ROUTE_FULL = "route-full"
    SUBJECT_FULL = "subject-full"
    TOO_MANY_WAITING = "too-many-waiting"
    # The traffic.
    MESSAGE_TOO_BIG = "message-too-big"
    FRAME_INVALID = "frame-invalid"
    CONTROL_FLOOD = "control-flood"
    FRAGMENT_FLOOD = "fragment-flood"
    RATE_EXCEEDED = "rate-exceeded"
    FIRST_MESSAGE_LATE = "first-message-late"
    MQTT_TEXT_FRAME = "mqtt-text-frame"
    MQTT_MALFORMED = "mqtt-malformed"
    MQTT_PROTOCOL = "mqtt-protocol"
    MQTT_VERSION = "mqtt-version"
    MQTT_CLIENT_ID = "mqtt-client-id"
    IDLE_TIMEOUT = "idle-timeout"
    WRITE_TIMEOUT = "write-timeout"
    # The gateway.
    DRAINING = "draining"
    ROUTE_CHANGED = "route-changed"
    ROUTE_REMOVED = "route-removed"
    ADMIN_CLOSED = "admin-closed"
    REVOCATION_STALE = "revocation-stale"
    UNEXPECTED = "unexpected"
    # The upstream and the peers.
    UPSTREAM_NOT_PERMITTED = "upstream-not-permitted"
    UPSTREAM_UNREACHABLE = "upstream-unreachable"
    CIRCUIT_OPEN = "circuit-open"
    UPSTREAM_TIMEOUT = "upstream-timeout"
    LOOP_DETECTED = "loop-detected"
    UPSTREAM_REFUSED_UPGRADE = "upstream-refused-upgrade"
    UPSTREAM_SUBPROTOCOL = "upstream-subprotocol"
    UPSTREAM_LOST = "upstream-lost"
    UPSTREAM_CLOSED = "upstream-closed"
    CLIENT_CLOSED = "client-closed"
    CLIENT_LOST = "client-lost"


@dataclass(frozen=True)
class Outcome:
    """What one reason means on every wire; None where it cannot occur there."""

    http: int | None
    """Status before the 101."""
    close: int | None
    """WebSocket close code (RFC 6455 7.4); None: the peer's own code passes through."""
    words: str
    """Close reason for the client; says no more than a stranger may know."""
    advice: str
    """One sentence: what to do."""
    level: Level = "info"
    mqtt5: int | None = None
    """DISCONNECT or CONNACK reason code of MQTT 5."""
    mqtt311: int | None = None
    """CONNACK return code of MQTT 3.1 and 3.1.1."""


def _bad_request(advice: str) -> Outcome:
    return Outcome(400, 1008, "bad request", advice)


def _bad_token(advice: str, http: int = 401, mqtt5: int = 0x87, mqtt311: int = 5) -> Outcome:
    # One word in the Close for every fault of a token; the HTTP body and the log name the check, since a
    # forger learns nothing from it that the signature does not stop.
    return Outcome(http, 1008, "unauthorized", advice, mqtt5=mqtt5, mqtt311=mqtt311)


def _no_token(advice: str) -> Outcome:
    # MQTT calls that a bad user name or password.
    return _bad_token(advice, mqtt5=0x86, mqtt311=4)


def _bad_upstream(http: int, advice: str) -> Outcome:
    return Outcome(http, 1014, "upstream unavailable", advice, "warning", 0x88, 3)


OUTCOMES: dict[Reason, Outcome] = {
    Reason.REQUEST_MALFORMED: _bad_request(
        "Send one well-formed HTTP/1.1 WebSocket handshake (RFC 6455 4.1) without a body."
    ),
    Reason.PATH_UNSAFE: _bad_request(
        "Use a path without //, dot segments, backslashes and encoded dots, slashes or NUL."
    ),
    Reason.METHOD_NOT_ALLOWED: Outcome(405, None, "method not allowed", "Use GET."),
    Reason.UPGRADE_REQUIRED: Outcome(
        426, None, "upgrade required", "This path speaks WebSocket only; use a WebSocket client."
    ),
    Reason.WEBSOCKET_VERSION: Outcome(426, None, "websocket version", "Use WebSocket version 13 (RFC 6455)."),
    Reason.ROUTE_NOT_FOUND: Outcome(
        404,
        1008,
        "no such route",
        "Check host and path against the hostnames and prefix of the WsRoutes.",
    ),
    Reason.ROUTE_INVALID: Outcome(
        503,
        1013,
        "try again later",
        "The pod cannot use the rendered route, and its log says why: a field that this version does not know "
        "(upgrade the data plane), or a client certificate that is not mounted.",
        "error",
    ),
    Reason.ADMIN_MOVED: Outcome(
        404,
        None,
        "moved",
        "Ask the admin listener, by default on port 9090: it serves /metrics, and /admin/revoke to whoever has "
        "WSGATE_ADMIN_TOKEN.",
    ),
    Reason.ORIGIN_NOT_LISTED: Outcome(
        403,
        1008,
        "origin not allowed",
        "List the page's Origin in the route's origins or in WS_ALLOWED_ORIGINS; a cookie needs that, or the "
        "route's own.",
    ),
    Reason.TOKEN_MISSING: _no_token("Send the token by one of the route's tokenSources."),
    Reason.CREDENTIALS_AMBIGUOUS: _bad_request("Send exactly one token, by one source."),
    Reason.SUBPROTOCOL_MISSING: _bad_request(
        "Offer a second, real subprotocol beside the one with the token, which is never echoed."
    ),
    Reason.TOKEN_MALFORMED: _no_token(
        "Send a compact JWS of three canonical base64url parts and a small JSON header and payload."
    ),
    Reason.TOKEN_TYPE: _bad_token("Send an access token, not an ID, refresh, logout or proof token."),
    Reason.TOKEN_ALGORITHM: _bad_token(
        "Sign with one of the provider's algorithms, or add the token's to auth.providers[].algorithms."
    ),
    Reason.TOKEN_ISSUER: _bad_token("Add the token's iss to auth.providers[].issuer, byte for byte."),
    Reason.TOKEN_KEY_UNKNOWN: _bad_token(
        "Publish the key of the token's kid, with matching kty, alg and use, in the provider's JWKS."
    ),
    Reason.TOKEN_SIGNATURE: _bad_token("The signature does not match the key of that kid; get a new token."),
    Reason.TOKEN_AUDIENCE: _bad_token(
        "Add a mapper that puts the gateway's audience into aud, or list the token's in "
        "auth.providers[].audiences; Keycloak's default token has none or only account."
    ),
    Reason.TOKEN_AUTHORIZED_PARTY: _bad_token("List the token's azp in auth.providers[].authorizedParties."),
    Reason.TOKEN_NOT_YET_VALID: _bad_token(
        "Compare the clocks: nbf or iat lies in the future by more than the leeway."
    ),
    Reason.TOKEN_LIFETIME: _bad_token("Issue tokens that live no longer than WSGATE_MAX_TOKEN_LIFETIME_SECONDS."),
    Reason.TOKEN_CLAIM_MISSING: _bad_token(
        "Give the user a value that the route's auth.claims asks for.", http=403
    ),
    Reason.TOKEN_EXPIRED: Outcome(
        401, 1008, "token expired", "Get a new token and reconnect.", mqtt5=0x87, mqtt311=5
    ),
    Reason.TOKEN_REVOKED: Outcome(
        401,
        1008,
        "token revoked",
        "Log in again; where that is refused too, the subject is banned by a TokenRevocation.",
        mqtt5=0x98,
        mqtt311=5,
    ),
    Reason.SESSION_TOO_OLD: Outcome(
        None,
        1008,
        "token expired",
        "Reconnect; the route's expiry.maxSessionSeconds is over.",
        mqtt5=0xA0,
    ),
    Reason.KEYS_UNAVAILABLE: Outcome(
        503,
        1013,
        "try again later",
        "The provider's JWKS could not be fetched; check its URL from the gateway's network.",
        "error",
        0x88,
        3,
    ),
    Reason.TOO_MANY_FAILURES: Outcome(
        429,
        1013,
        "try again later",
        "Wait for Retry-After, then send a good token; raise WSGATE_FAILURES_PER_MINUTE if many share an address.",
        "warning",
        mqtt5=0x97,
        mqtt311=3,
    ),
    Reason.ROUTE_FULL: Outcome(
        503,
        1013,
        "try again later",
        "The route has limits.maxConnections sessions on this pod; wait, add pods, or raise it.",
        "warning",
        mqtt5=0x97,
        mqtt311=3,
    ),
    Reason.SUBJECT_FULL: Outcome(
        429,
        1013,
        "too many connections",
        "Close sessions of this subject; the route allows limits.maxConnectionsPerSubject on each pod.",
        mqtt5=0x97,
        mqtt311=3,
    ),
    Reason.TOO_MANY_WAITING: Outcome(
        503,
        1013,
        "try again later",
        "Send the token in the handshake, or right behind it: too many clients are waited for.",
        "warning",
        mqtt5=0x97,
        mqtt311=3,
    ),
    Reason.MESSAGE_TOO_BIG: Outcome(
        None,
        1009,
        "message too big",
        "Send smaller messages or raise limits.maxMessageBytes.",
        mqtt5=0x95,
    ),
    Reason.FRAME_INVALID: Outcome(
        None,
        1002,
        "protocol error",
        "The peer broke RFC 6455; the log line names the rule.",
        mqtt5=0x81,
    ),
    Reason.CONTROL_FLOOD: Outcome(
        None,
        1008,
        "too many control frames",
        "Send at most 200 control frames a second.",
        mqtt5=0x96,
    ),
    Reason.FRAGMENT_FLOOD: Outcome(
        None, 1008, "too many fragments", "Send at most 1,000 fragments a message.", mqtt5=0x96
    ),
    Reason.RATE_EXCEEDED: Outcome(
        None,
        1008,
        "Rate limit exceeded",
        "Send less, or raise the route's rateLimit; onExceed: Throttle reads slower instead.",
        mqtt5=0x96,
    ),
    Reason.FIRST_MESSAGE_LATE: Outcome(
        None,
        1008,
        "no first message",
        "Send the token, or the MQTT CONNECT packet, within limits.firstMessageSeconds of the handshake.",
    ),
    Reason.MQTT_TEXT_FRAME: Outcome(
        None, 1003, "binary frames only", "Send MQTT in binary frames (MQTT 5, 6.0).", mqtt5=0x82
    ),
    Reason.MQTT_MALFORMED: Outcome(
        None,
        1002,
        "protocol error",
        "The peer broke the format of MQTT packets; the log line names the rule.",
        mqtt5=0x81,
    ),
    Reason.MQTT_PROTOCOL: Outcome(
        None,
        1002,
        "protocol error",
        "The peer sent an MQTT packet out of place; the log line names it.",
        mqtt5=0x82,
    ),
    Reason.MQTT_VERSION: Outcome(
        None, 1002, "protocol error", "Speak MQTT 3.1, 3.1.1 or 5.", mqtt5=0x84, mqtt311=1
    ),
    Reason.MQTT_CLIENT_ID: Outcome(
        None,
        1008,
        "client id not valid",
        "Choose another client id, or see what the route's mqtt.clientID makes of the token's claims.",
        mqtt5=0x85,
        mqtt311=2,
    ),
    Reason.IDLE_TIMEOUT: Outcome(
        None,
        1001,
        "idle timeout",
        "Answer Pings, or raise timeouts.idleSeconds; a proxy in between may swallow Pings.",
        mqtt5=0x8D,
    ),
    Reason.WRITE_TIMEOUT: Outcome(
        None, 1013, "peer too slow", "Read faster, or raise timeouts.writeSeconds.", "warning", 0x97
    ),
    Reason.DRAINING: Outcome(
        503, 1012, "service restart", "Reconnect; another instance answers.", mqtt5=0x8B, mqtt311=3
    ),
    Reason.ROUTE_CHANGED: Outcome(503, 1012, "service restart", "Reconnect; the route has changed.", mqtt5=0x9C),
    Reason.ROUTE_REMOVED: Outcome(
        503, 1012, "service restart", "The route is gone; see the WsRoutes.", mqtt5=0x9C
    ),
    Reason.ADMIN_CLOSED: Outcome(
        None, 1012, "service restart", "An administrator has closed the session; reconnect.", mqtt5=0x98
    ),
    Reason.REVOCATION_STALE: Outcome(
        503,
        1013,
        "try again later",
        "Nothing has confirmed the revocations for WSGATE_REVOCATION_STALE_SECONDS; look into the operator's log.",
        "error",
        0x97,
        3,
    ),
    Reason.UNEXPECTED: Outcome(
        500,
        1011,
        "internal error",
        "A defect of the gateway: report the log line with its traceback.",
        "error",
        0x83,
        3,
    ),
    Reason.UPSTREAM_NOT_PERMITTED: _bad_upstream(
        502,
        "Point the route at a Service of its namespace or at a public address, have the private network added to "
        "WSGATE_ALLOW_CIDRS, or create the route in the root namespace.",
    ),
    Reason.UPSTREAM_UNREACHABLE: _bad_upstream(502, "Check that the upstream listens at the route's URL."),
    Reason.CIRCUIT_OPEN: Outcome(
        503,
        1013,
        "try again later",
        "Every upstream of the route has failed again and again; see why, the gateway tries them again by itself.",
        "warning",
        mqtt5=0x88,
        mqtt311=3,
    ),
    Reason.UPSTREAM_TIMEOUT: _bad_upstream(
        504, "The upstream did not answer within timeouts.connectSeconds and handshakeSeconds."
    ),
    Reason.LOOP_DETECTED: _bad_upstream(
        508, "The route's upstream leads back to a gateway; point it at the server that is to answer."
    ),
    Reason.UPSTREAM_REFUSED_UPGRADE: _bad_upstream(
        502,
        "The upstream did not answer 101 with a correct Sec-WebSocket-Accept; check path, Host and its log.",
    ),
    Reason.UPSTREAM_SUBPROTOCOL: _bad_upstream(502, "The upstream chose a subprotocol that was not offered."),
    Reason.UPSTREAM_LOST: Outcome(
        None,
        1014,
        "upstream lost",
        "The upstream's connection broke without a Close frame; see its log.",
        "warning",
        0x88,
    ),
    Reason.UPSTREAM_CLOSED: Outcome(None, None, "", "The upstream closed; its code was passed on."),
    Reason.CLIENT_CLOSED: Outcome(None, None, "", "The client closed; its code was passed on."),
    Reason.CLIENT_LOST: Outcome(499, None, "", "The client's connection broke without a Close frame."),
}
