"""What is said and counted of sessions that are over, of many at once.

A hundred reports in a row cost much less than one by one between other work, and who waits for the next
session's 101 need not wait for them.
"""

import asyncio
import logging

from wsgate_dataplane.outcomes.table import OUTCOMES, Reason
from wsgate_dataplane.registry.session import Session
from wsgate_dataplane.relay.engine import Closed
from wsgate_dataplane.session.lifecycle import Ended
from wsgate_dataplane.telemetry.identity import Mode, visible
from wsgate_dataplane.telemetry.log import Event
from wsgate_dataplane.telemetry.metrics import Metrics
from wsgate_dataplane.values import value

log = logging.getLogger("wsgate")

WAIT_SECONDS = 0.05
"""How long a report waits for others at most."""
WAITING_MAX = 500
"""So many do not wait."""

# Names of their own: to look a member up in its class takes ten times as long.
TOKEN_REVOKED, RATE_EXCEEDED = Reason.TOKEN_REVOKED, Reason.RATE_EXCEEDED

PROXY_ERRORS = frozenset(
    {Reason.UPSTREAM_LOST, Reason.WRITE_TIMEOUT, Reason.FRAME_INVALID, Reason.MQTT_MALFORMED, Reason.MQTT_PROTOCOL}
)
"""Ends that ws_proxy_errors_total counts."""


@value
class Report:
    """Of one session; times in seconds."""

    session: Session
    ended: Ended
    closed: Closed
    lasted_seconds: float
    close_seconds: float
    """From the reason to end it until it was over."""
    at: float
    """Unix time."""
    config_version: int


class Reports:
    """Those that wait are told when their time is over, and by tell()."""

    def __init__(self, loop: asyncio.AbstractEventLoop, metrics: Metrics, log_identity: Mode) -> None:
        self._loop = loop
        self._metrics = metrics
        self._log_identity = log_identity
        levels = logging.getLevelNamesMapping()
        # As text: a member of an enumeration takes the log's serializer long.
        self._words = {reason: str(reason.value) for reason in Reason}
        self._levels = {reason: levels[outcome.level.upper()] for reason, outcome in OUTCOMES.items()}
        self._waiting: list[Report] = []
        self._timer: asyncio.TimerHandle | None = None
        metrics.registry.before_reads(self.tell)

    def add(self, report: Report) -> None:
        """A session is over."""
        self._waiting.append(report)
        if len(self._waiting) >= WAITING_MAX:
            self.tell()
        elif self._timer is None:
            self._timer = self._loop.call_later(WAIT_SECONDS, self.tell)

    def tell(self) -> None:
        """Count and say what waits."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        waiting, self._waiting = self._waiting, []
        by_level: dict[int, list[Event]] = {}
        for report in waiting:
            self._count(report)
            level = self._levels[report.ended.reason]
            if log.isEnabledFor(level):
                by_level.setdefault(level, []).append(Event(report.at, self._fields(report)))
        for level, events in by_level.items():
            log.log(level, "session ended", extra={"events": events})

    def _count(self, report: Report) -> None:
        reason, metrics, counters = report.ended.reason, self._metrics, report.closed.counters
        moved = (
            counters.bytes_to_upstream,
            counters.bytes_to_client,
            counters.messages_to_upstream,
            counters.messages_to_client,
        )
        metrics.closed(reason, report.lasted_seconds, moved)
        if reason is TOKEN_REVOKED:
            metrics.revocation_to_close_seconds.observe(report.close_seconds)
        if reason is RATE_EXCEEDED:
            metrics.rate_limit_violations.inc()
        if reason in PROXY_ERRORS:
            metrics.proxy_errors.labels(report.session.arrival.protocol).inc()

    def _fields(self, report: Report) -> dict[str, object]:
        session, ended, counters = report.session, report.ended, report.closed.counters
        arrival, identity, mode = session.arrival, session.identity, self._log_identity
        return {
            "reason": self._words[ended.reason],
            "closed_by": ended.closed_by,
            "code": ended.code,
            "detail": ended.detail,
            "route": session.route.key,
            "protocol": arrival.protocol,
            "request_id": arrival.request_id,
            "address": arrival.address,
            "iss": identity.issuer,
            "sub": visible(identity.subject, mode),
            "sid": visible(identity.session_id, mode),
            "jti": visible(identity.jti, mode),
            "seconds": round(report.lasted_seconds, 3),
            "bytes_to_upstream": counters.bytes_to_upstream,
            "bytes_to_client": counters.bytes_to_client,
            "messages_to_upstream": counters.messages_to_upstream,
            "messages_to_client": counters.messages_to_client,
            "clean": report.closed.is_clean,
            "config_version": report.config_version,
        }
