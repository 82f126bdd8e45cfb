"""A refusal is counted, kept, logged and told: the one place, whatever the client understands by then."""

import asyncio
import logging
import random
import time

from wsgate_dataplane.admission.failures import FailureLimit, source_of
from wsgate_dataplane.handshake.answers import refusal_answer
from wsgate_dataplane.handshake.attempt import Attempt
from wsgate_dataplane.handshake.forward import switching_protocols_early
from wsgate_dataplane.handshake.head import unreadable_request
from wsgate_dataplane.handshake.request import Request
from wsgate_dataplane.outcomes.refusal import Refused
from wsgate_dataplane.outcomes.table import Outcome, Reason
from wsgate_dataplane.protocols.mqtt.last_words import refusal_frame
from wsgate_dataplane.relay.engine import Engine
from wsgate_dataplane.settings import Settings
from wsgate_dataplane.telemetry.metrics import Metrics
from wsgate_dataplane.telemetry.refusals import Refusal, RefusalRing

log = logging.getLogger("wsgate")

RETRY_AFTER_SECONDS = (5, 30)
"""503 answers that know no better ask for a random time in between, so that clients do not return in one blow."""

FAILURES = (Reason.TOKEN_MALFORMED, Reason.TOKEN_ALGORITHM, Reason.TOKEN_SIGNATURE)
"""What only a guesser sends: no foreign page makes a browser do so, and no wrong setting a client."""

NORMAL_CLOSURE = 1000
"""RFC 6455 7.4.1: for a client that closes before it is a session."""


class Refuser:
    """Tells clients that they have no session."""

    def __init__(
        self,
        settings: Settings,
        loop: asyncio.AbstractEventLoop,
        engine: Engine,
        metrics: Metrics,
        refusals: RefusalRing,
    ) -> None:
        self._close_seconds = settings.ws_control_timeout_seconds
        self._clock = loop.time
        self._engine = engine
        self._metrics = metrics
        self._refusals = refusals
        failures_max = settings.wsgate_failures_per_minute
        self._failures = FailureLimit(failures_max)
        # Without that setting the address may be a proxy's, and one client would lock out all behind it.
        self._limits_failures = failures_max > 0 and settings.wsgate_trusted_proxies is not None

    def check_failures(self, address: str) -> None:
        """Raises Refused(TOO_MANY_FAILURES) for an address that has guessed too often."""
        if not self._limits_failures:
            return
        blocked = self._failures.blocked_seconds(address, self._clock())
        if blocked:
            seconds = int(blocked) + 1
            raise Refused(Reason.TOO_MANY_FAILURES, f"from {source_of(address)}; wait {seconds} s", seconds)

    def refuse(self, attempt: Attempt, refused: Refused) -> None:
        """Answer by HTTP, or by a Close where the client has its 101 or the route wants it so; raises nothing."""
        try:
            self._refuse(attempt, refused)
        except Exception:
            # Behind the outermost border: here a fault would end the process.
            log.exception("unexpected", extra={"fields": {"reason": refused.reason.value}})
            attempt.front.abort()

    def _refuse(self, attempt: Attempt, refused: Refused) -> None:
        request = attempt.request or unreadable_request(attempt.front.peer)
        self._note(attempt, request, refused)
        outcome = refused.outcome
        if attempt.front.has_switched:
            self._close(attempt, b"", outcome)
        elif attempt.offer is not None and _wants_close(attempt, outcome):
            head = switching_protocols_early(attempt.protocol, attempt.offer, request.request_id)
            self._close(attempt, head, outcome)
        else:
            seconds = refused.retry_after_seconds or random.randint(*RETRY_AFTER_SECONDS)
            is_head = request.method == "HEAD"
            attempt.front.answer(refusal_answer(refused.reason, request.request_id, seconds, is_head=is_head))

    def _note(self, attempt: Attempt, request: Request, refused: Refused) -> None:
        reason, serving = refused.reason, attempt.serving
        if self._limits_failures and reason in FAILURES:
            self._failures.failed(request.address, self._clock())
        self._metrics.refused(reason)
        route = serving.route.key if serving else None
        self._refusals.add(
            Refusal(
                time.time(),
                request.request_id,
                reason,
                refused.detail,
                request.path,
                request.address,
                refused.outcome.http,
                route,
                refused.subject,
            )
        )
        fields = {
            "reason": reason.value,
            "detail": refused.detail,
            "advice": refused.outcome.advice,
            "request_id": request.request_id,
            "address": request.address,
            "route": route,
            "path": request.path[:200],
        }
        log.log(logging.getLevelNamesMapping()[refused.outcome.level.upper()], "refused", extra={"fields": fields})

    def _close(self, attempt: Attempt, head: bytes, outcome: Outcome) -> None:
        client = attempt.front.leave()
        if client is None:
            return
        if attempt.mqtt is not None:
            head += refusal_frame(attempt.mqtt, outcome)
        close = (outcome.close or NORMAL_CLOSURE, outcome.words)
        self._engine.refuse(client, head, close, self._close_seconds, _nothing)


def _wants_close(attempt: Attempt, outcome: Outcome) -> bool:
    serving = attempt.serving
    return serving is not None and serving.route.auth.on_refusal == "Close" and outcome.close is not None


def _nothing() -> None:
    """Nobody waits for a refused client's end."""
