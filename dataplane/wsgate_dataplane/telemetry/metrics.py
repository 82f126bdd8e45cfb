"""Every metric of the data plane, with the original gateway's names kept."""

from collections.abc import Iterator, Mapping
from math import nan
from typing import Literal, get_args

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    generate_latest,
)

from wsgate_contract.rendered import Content
from wsgate_dataplane.outcomes.table import OUTCOMES, Reason
from wsgate_dataplane.protocols.detect import Protocol
from wsgate_dataplane.telemetry.identity_labels import IDENTITY_LABELS, OTHER, IdentityLabels
from wsgate_dataplane.telemetry.tally import TallyingRegistry

CONTENT_TYPE = CONTENT_TYPE_LATEST

PROTOCOLS: tuple[Protocol, ...] = get_args(Protocol)
DIRECTIONS = ("to_upstream", "to_client")
CONTENTS: tuple[str, ...] = get_args(Content)
CHANNELS = ("redis", "inbox", "file")
REDIS_CAUSES = (
    "unreachable",
    "timed-out",
    "tls",
    "authentication",
    "permission",
    "read-only",
    "out-of-memory",
    "no-replicas",
    "loading",
    "answer",
    "log-missing",
    "set-damaged",
    "unreadable",
    "unexpected",
)

ProxyHeaderCause = Literal["malformed", "untrusted"]
CACHE_FINDINGS = ("memory", "shared", "miss", "unanswered", "rejected")

IN_BAND_REASONS = (
    Reason.MESSAGE_TOO_BIG,
    Reason.FRAME_INVALID,
    Reason.CONTROL_FLOOD,
    Reason.FRAGMENT_FLOOD,
    Reason.FIRST_MESSAGE_LATE,
    Reason.MQTT_TEXT_FRAME,
    Reason.MQTT_MALFORMED,
    Reason.MQTT_PROTOCOL,
    Reason.MQTT_VERSION,
    Reason.MQTT_CLIENT_ID,
    Reason.CLIENT_CLOSED,
)
"""A first message may be refused for these; no HTTP answer can."""
REFUSAL_REASONS = tuple(r for r in Reason if OUTCOMES[r].http is not None or r in IN_BAND_REASONS)
PEERS_ENDS = (Reason.CLIENT_CLOSED, Reason.CLIENT_LOST, Reason.UPSTREAM_CLOSED)
CLOSE_REASONS = tuple(reason for reason in Reason if OUTCOMES[reason].close is not None or reason in PEERS_ENDS)
AUTH_REASONS = tuple(
    reason
    for reason in Reason
    if reason.startswith("token-")
    or reason in (Reason.CREDENTIALS_AMBIGUOUS, Reason.SUBPROTOCOL_MISSING, Reason.KEYS_UNAVAILABLE)
)

HANDSHAKE_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
# 0.5 and 1 are the bounds of service level R1, 5 the one of R2.
REVOCATION_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15, 60, 120)
Moved = tuple[int, int, int, int]
"""Bytes to the upstream and to the client, then messages to the one and to the other."""

DURATION_BUCKETS = (1, 10, 60, 300, 900, 3600, 14400, 43200, 86400)


class Metrics:
    """The metrics of one gateway over a registry of its own, so that two can live in one process.

    Label values come from closed sets and exist from the start: a rate over a counter that is born
    with its first event would miss that event.
    """

    def __init__(self, identities: IdentityLabels | None = None) -> None:
        """identities: the labels that ws_auth_success_total has; None: none."""
        self._identities = identities
        # A _created series beside every counter doubles the page, and text-format scrapers ignore it.
        disable_created_metrics()  # type: ignore[no-untyped-call]  # the library forgot the annotation
        self.registry = TallyingRegistry()
        self._declare_originals()
        self._declare_traffic()
        self._declare_config()
        self._declare_revocation()
        self._declare_rate_limits()
        self._declare_token_cache()

    def refused(self, reason: Reason) -> None:
        """Count one request without a session, and as a failed authentication where the token was at fault."""
        self.refusals.labels(reason).inc()
        if reason in AUTH_REASONS:
            self.auth_failures.labels(reason).inc()

    def authenticated(self, payload: Mapping[str, object]) -> None:
        """Count one good token by its claims."""
        if self._identities is None:
            self._auth_success.count += 1
        else:
            self.auth_success.labels(*self._identities.of(payload)).inc()

    def asked(self, seconds: float) -> None:
        """Count one request, and what it took to answer it or to refuse it."""
        self._connections.count += 1
        self._handshake_seconds.note(seconds)

    def opened(self, protocol: Protocol) -> None:
        """Count one session."""
        self._opened[protocol].count += 1

    def closed(self, reason: Reason, duration_seconds: float, moved: Moved) -> None:
        """Count one ended session."""
        self._closes[reason].count += 1
        self._durations.note(duration_seconds)
        for tally, amount in zip(self._moved, moved, strict=True):
            tally.count += amount

    def probed(self, is_back: bool) -> None:  # noqa: FBT001  # called back with what a probe has found
        """Count one look at an upstream whose circuit is open."""
        (self.upstream_health_success if is_back else self.upstream_health_failure).inc()

    def config_applied(self, content: str, version: int, timestamp_seconds: float) -> None:
        """Note that a version of the routes or revocations is in force since timestamp (Unix time)."""
        self.config_version.labels(content).set(version)
        self.config_last_reload_timestamp_seconds.set(timestamp_seconds)

    def revocation_channel(self, channel: str, records: int, confirmed_at: float | None) -> None:
        """Note what a channel in use holds, and when it was confirmed (Unix seconds; None: never)."""
        self.revocation_records.labels(channel).set(records)
        self.revocation_confirmed.labels(channel).set(confirmed_at or 0)

    def exposition(self) -> bytes:
        """The page for Prometheus, to be served as CONTENT_TYPE."""
        return generate_latest(self.registry)

    def _declare_originals(self) -> None:
        connections = self._counter("ws_connections", "WebSocket connections attempted.")
        self._connections = self.registry.tally(connections)
        self.auth_failures = self._counter(
            "ws_auth_failures", "Refusals because of the token.", reason=AUTH_REASONS
        )
        self.auth_success = Counter(
            "ws_auth_success",
            "Tokens accepted.",
            () if self._identities is None else IDENTITY_LABELS,
            registry=self.registry,
        )
        if self._identities is None:
            self._auth_success = self.registry.tally(self.auth_success)
        else:
            self.auth_success.labels(*OTHER)
        self.active_sessions = self._gauge("ws_active_sessions", "Sessions open now.")
        durations = self._histogram("ws_connection_duration_seconds", "Life of a session.", DURATION_BUCKETS)
        self._durations = self.registry.observations(durations)
        self.revocations = self._counter("ws_revocations", "Sessions closed by a revocation.")
        opened = self._counter("ws_protocol_connections", "Sessions opened, by protocol.", protocol=PROTOCOLS)
        self._opened = {each: self.registry.tally(opened.labels(each)) for each in PROTOCOLS}
        self.proxy_errors = self._counter(
            "ws_proxy_errors", "Sessions ended by a failure, not by a peer.", protocol=PROTOCOLS
        )
        self.proxy_retries = self._counter(
            "ws_proxy_retries", "Dials after a failed first one.", protocol=PROTOCOLS
        )
        self.circuit_open = self._counter("ws_circuit_open", "Circuits opened.", protocol=PROTOCOLS)
        self.upstream_health_success = self._counter("ws_upstream_health_success", "Health probes answered.")
        self.upstream_health_failure = self._counter("ws_upstream_health_failure", "Health probes failed.")
        self.rate_limit_violations = self._counter(
            "ws_rate_limit_violations", "Sessions closed because their client exceeded a rate limit."
        )

    def _declare_traffic(self) -> None:
        self.refusals = self._counter("ws_refusals", "Requests that became no session.", reason=REFUSAL_REASONS)
        closes = self._counter("ws_closes", "Sessions ended.", reason=CLOSE_REASONS)
        self._closes = {reason: self.registry.tally(closes.labels(reason)) for reason in CLOSE_REASONS}
        messages = self._counter("ws_messages", "Messages relayed.", direction=DIRECTIONS)
        bytes_ = self._counter("ws_bytes", "Bytes relayed, as on the wire.", direction=DIRECTIONS)
        moved = [counter.labels(each) for counter in (bytes_, messages) for each in DIRECTIONS]
        self._moved = [self.registry.tally(each) for each in moved]
        self.roles_left_out = self._counter(
            "wsgate_roles_left_out", "Roles not sent upstream because of their spelling."
        )
        self.proxy_headers_refused = self._counter(
            "wsgate_proxy_headers_refused",
            "Connections closed for want of a PROXY protocol header that is believed.",
            cause=get_args(ProxyHeaderCause),
        )
        handshakes = self._histogram(
            "ws_handshake_seconds", "From a request's headers to the 101 or the refusal.", HANDSHAKE_BUCKETS
        )
        self._handshake_seconds = self.registry.observations(handshakes)
        self.revocation_to_close_seconds = self._histogram(
            "ws_revocation_to_close_seconds",
            "From a revocation's arrival in this process to the closed connection.",
            REVOCATION_BUCKETS,
        )

    def _declare_config(self) -> None:
        self.config_version = self._gauge(
            "wsgate_config_version", "Version of the rendered file in force.", content=CONTENTS
        )
        self.config_last_reload_timestamp_seconds = self._gauge(
            "wsgate_config_last_reload_timestamp_seconds", "Unix time of the last file taken into force."
        )
        self.config_reload_failures = self._counter(
            "wsgate_config_reload_failures", "Files not taken into force.", content=CONTENTS
        )

    def _declare_revocation(self) -> None:
        self.revocation_records = self._gauge(
            "wsgate_revocation_records", "Revocations that a channel holds; NaN: not in use.", channel=CHANNELS
        )
        self.revocation_confirmed = self._gauge(
            "wsgate_revocation_confirmed_timestamp_seconds",
            "Unix time for which a channel is known to be complete; 0: never, NaN: not in use.",
            channel=CHANNELS,
        )
        self.revocation_fenced = self._gauge(
            "wsgate_revocation_fenced",
            "1 while no channel has confirmed for too long: sessions are refused and closed.",
        )
        self.redis_faults = self._counter(
            "wsgate_revocation_redis_faults", "Looks at the revocations in Redis that failed.", cause=REDIS_CAUSES
        )
        self.operator_present = self._gauge(
            "wsgate_operator_present", "1 while an operator keeps its key in Redis alive; NaN: nobody knows."
        )
        for unknown in (self.operator_present, *self._channel_gauges()):
            # No comparison with NaN is true, so no alert fires for what is not in use.
            unknown.set(nan)

    def _declare_rate_limits(self) -> None:
        self.rate_limit_pauses = self._counter(
            "wsgate_rate_limit_pauses", "Times that a client was not read for a while, because of a rate limit."
        )
        self.rate_limit_pods = self._gauge(
            "wsgate_rate_limit_pods",
            "Pods that share the rate limits; 0: Redis is away, so each grants an equal part; NaN: not shared.",
        )
        self.rate_limit_pods.set(nan)
        self.rate_limit_redis_faults = self._counter(
            "wsgate_rate_limit_redis_faults", "Calls for parts of rate limits that failed.", cause=REDIS_CAUSES
        )

    def _declare_token_cache(self) -> None:
        lookups = self._counter(
            "wsgate_token_cache_lookups",
            "Tokens looked up; all but memory and shared were verified.",
            finding=CACHE_FINDINGS,
        )
        self.token_cache_lookups = {each: self.registry.tally(lookups.labels(each)) for each in CACHE_FINDINGS}
        self.token_cache_entries = self._gauge(
            "wsgate_token_cache_entries", "Verified signatures remembered by this process."
        )
        self.token_cache_store_up = self._gauge(
            "wsgate_token_cache_store_up",
            "1 while the shared token cache answers, 0 while it does not or lacks a setting; NaN: not asked for.",
        )
        self.token_cache_store_up.set(nan)
        self.token_cache_store_faults = self._counter(
            "wsgate_token_cache_store_faults", "Times that the shared token cache failed and was left alone."
        )

    def _channel_gauges(self) -> Iterator[Gauge]:
        for gauge in (self.revocation_records, self.revocation_confirmed):
            yield from map(gauge.labels, CHANNELS)

    def _counter(self, name: str, text: str, **labels: tuple[str, ...]) -> Counter:
        counter = Counter(name, text, tuple(labels), registry=self.registry)
        for values in labels.values():
            for value in values:
                counter.labels(value)
        return counter

    def _gauge(self, name: str, text: str, **labels: tuple[str, ...]) -> Gauge:
        gauge = Gauge(name, text, tuple(labels), registry=self.registry)
        for values in labels.values():
            for value in values:
                gauge.labels(value)
        return gauge

    def _histogram(self, name: str, text: str, buckets: tuple[float, ...]) -> Histogram:
        return Histogram(name, text, buckets=buckets, registry=self.registry)
