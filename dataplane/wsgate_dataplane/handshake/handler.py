"""One request from accept to Engine.open, or to a refusal: the order of everything."""

import asyncio
import logging
import random
import time
from collections.abc import Callable

from wsgate_dataplane.admission.failures import FailureLimit, source_of
from wsgate_dataplane.admission.forwarding import identity_headers, roles_of
from wsgate_dataplane.handshake.admission import Admission, Admitted
from wsgate_dataplane.handshake.answers import health_answer, refusal_answer
from wsgate_dataplane.handshake.forward import (
    check_loop,
    switching_protocols,
    switching_protocols_to_refuse,
    upstream_headers,
    upstream_offer,
)
from wsgate_dataplane.handshake.front import Front
from wsgate_dataplane.handshake.head import read_request, unreadable_request
from wsgate_dataplane.handshake.request import Headers, Request, WebSocketOffer, read_offer
from wsgate_dataplane.handshake.serving import Catalogue, Serving
from wsgate_dataplane.identity.sources import strip_query
from wsgate_dataplane.outcomes.problem import status
from wsgate_dataplane.outcomes.refusal import Refused
from wsgate_dataplane.outcomes.table import Reason
from wsgate_dataplane.registry.registry import Registry
from wsgate_dataplane.registry.session import Arrival, Session
from wsgate_dataplane.relay.engine import Connection, Engine
from wsgate_dataplane.routing.target import upstream_target
from wsgate_dataplane.session.expiry import end_of_session
from wsgate_dataplane.settings import Settings
from wsgate_dataplane.telemetry.metrics import Metrics
from wsgate_dataplane.telemetry.refusals import Refusal, RefusalRing
from wsgate_dataplane.upstreams.dial import Target, Upgraded, head_bytes
from wsgate_dataplane.upstreams.retry import Counters, dial_patiently

log = logging.getLogger("wsgate")

RETRY_AFTER_SECONDS = (5, 30)
"""503 answers that know no better ask for a random time in between, so that clients do not return in one blow."""

FAILURES = (Reason.TOKEN_MALFORMED, Reason.TOKEN_ALGORITHM, Reason.TOKEN_SIGNATURE)
"""What only a guesser sends: no foreign page makes a browser do so, and no wrong setting a client."""

HEALTH_PATH = "/healthz"
MOVED_PATHS = frozenset({"/metrics", "/admin/revoke"})
"""The original gateway served them here."""


class Handler:
    """The public listener's requests.

    catalogue gives the routes of the moment; is_draining says that no new session is wanted.
    """

    def __init__(
        self,
        settings: Settings,
        loop: asyncio.AbstractEventLoop,
        admission: Admission,
        engine: Engine,
        registry: Registry,
        metrics: Metrics,
        refusals: RefusalRing,
        catalogue: Callable[[], Catalogue],
        is_draining: Callable[[], bool],
    ) -> None:
        self._settings = settings
        self._loop = loop
        self._trusted = settings.wsgate_trusted_proxies or ()
        self._admission = admission
        self._engine = engine
        self._registry = registry
        self._metrics = metrics
        self._raw_connections = metrics.protocol_connections.labels("raw")
        self._raw_retries = metrics.proxy_retries.labels("raw")
        self._raw_circuits = metrics.circuit_open.labels("raw")
        self._refusals = refusals
        failures_max = settings.wsgate_failures_per_minute
        self._failures = FailureLimit(failures_max)
        # Without that setting the address may be a proxy's, and one client would lock out all behind it.
        self._limits_failures = failures_max > 0 and settings.wsgate_trusted_proxies is not None
        self._catalogue = catalogue
        self._is_draining = is_draining

    async def __call__(self, front: Front, head: bytes) -> None:
        """Answer the one request of a connection, or hand the connection over to the engine."""
        started, is_probe = time.perf_counter(), False
        request: Request | None = None
        serving: Serving | None = None
        offer: WebSocketOffer | None = None
        try:
            request = read_request(head, front.peer, self._trusted, self._loop)
            if request.path == HEALTH_PATH:
                is_probe = True
                front.answer(health_answer(is_head=request.method == "HEAD"))
                return
            if request.path in MOVED_PATHS:
                raise Refused(Reason.ADMIN_MOVED)
            serving = self._admission.find_route(self._catalogue(), request)
            offer = read_offer(request)
            check_loop(request)
            await self._open(front, request, serving, offer)
        except Refused as refused:
            self._refuse(front, request or unreadable_request(front.peer), refused, serving, offer)
        except asyncio.CancelledError:
            # By the listener: the client has gone, or the process ends. Nothing waits before the request is read.
            if request is not None and front.is_gone:
                lost = Refused(Reason.CLIENT_LOST, "before it was answered")
                self._refuse(front, request, lost, serving, offer)
            raise
        except Exception:
            # The outermost border: no fault of one request may reach another.
            asked = request or unreadable_request(front.peer)
            log.exception("unexpected", extra={"fields": {"request_id": asked.request_id}})
            self._refuse(front, asked, Refused(Reason.UNEXPECTED), serving, offer)
        finally:
            if not is_probe:
                self._metrics.connections.inc()
                self._metrics.handshake_seconds.observe(time.perf_counter() - started)

    async def _open(self, front: Front, request: Request, serving: Serving, offer: WebSocketOffer) -> None:
        if self._is_draining():
            raise Refused(Reason.DRAINING)
        if self._limits_failures and serving.route.auth.mode == "Required":
            self._check_failures(request.address)
        admitted = await self._admission.admit(serving, request, time.time())
        if admitted.claims is not None:
            self._metrics.auth_success.inc()
        self._registry.check_room(serving.route, admitted.identity)
        arrival = Arrival(request.request_id, request.address)
        session = self._registry.register(serving.route, admitted.identity, arrival)
        try:
            # Registered first: what happens from here on finds the session, what happened before is seen here.
            self._admission.check_revoked(admitted.identity, time.time())
            if self._is_draining():
                raise Refused(Reason.DRAINING)
            if self._catalogue().servings.get(serving.route.key) is not serving:
                raise Refused(Reason.ROUTE_CHANGED, "while the token was checked")
            upgraded = await self._dial(request, admitted, offer, session)
            try:
                self._hand_over(front, request, admitted, session, offer, upgraded)
            finally:
                if session.relay is None:
                    upgraded.transport.abort()
        finally:
            self._registry.withdraw(session)

    def _check_failures(self, address: str) -> None:
        blocked = self._failures.blocked_seconds(address, self._loop.time())
        if blocked:
            seconds = int(blocked) + 1
            raise Refused(Reason.TOO_MANY_FAILURES, f"from {source_of(address)}; wait {seconds} s", seconds)

    async def _dial(
        self, request: Request, admitted: Admitted, offer: WebSocketOffer, session: Session
    ) -> Upgraded:
        serving, route = admitted.serving, admitted.serving.route
        identity = self._identity_headers(admitted)
        query = strip_query(request.query) if "Query" in route.auth.token_sources else request.query

        def head_of(target: Target) -> bytes:
            path = upstream_target(route, target.url, request.path, query)
            headers = upstream_headers(
                route,
                target,
                request,
                offer,
                admitted.token_cookie,
                serving.passed_headers,
                identity,
                is_checked=admitted.forwards_authorization,
            )
            return head_bytes(path, headers)

        def retried() -> None:
            if session.life.refusal is not None:
                raise Refused(session.life.refusal, "while the upstream was dialled")
            self._raw_retries.inc()

        asked, counters = upstream_offer(route, offer), Counters(retried, self._raw_circuits.inc)
        return await dial_patiently(serving.pool, head_of, asked, serving.patience, random.random, counters)

    def _identity_headers(self, admitted: Admitted) -> Headers:
        if admitted.claims is None:
            return ()
        payload = admitted.claims.payload
        roles = roles_of(payload, self._settings.wsgate_roles_claims)
        if roles.left_out:
            self._metrics.roles_left_out.inc(roles.left_out)
        return identity_headers(admitted.serving.route.auth.forward, payload, roles.names)

    def _hand_over(
        self,
        front: Front,
        request: Request,
        admitted: Admitted,
        session: Session,
        offer: WebSocketOffer,
        upgraded: Upgraded,
    ) -> None:
        """Nothing is awaited from here on: see Front.leave."""
        serving = admitted.serving
        if session.life.refusal is not None:
            raise Refused(session.life.refusal, "while the upstream was dialled")
        client = front.leave()
        if client is None:
            raise Refused(Reason.CLIENT_LOST, "while the upstream was dialled")
        expires_at = admitted.claims.expires_at if admitted.claims else None
        end = end_of_session(serving.route.auth.expiry, expires_at, time.time(), random.random)
        self._registry.set_age_end(session, end)
        self._raw_connections.inc()
        self._engine.open(
            client,
            Connection(upgraded.transport, upgraded.early),
            switching_protocols(serving.route, offer, upgraded.answer, request.request_id),
            serving.limits,
            session,
            extensions=upgraded.answer.extensions is not None,
        )

    def _refuse(
        self,
        front: Front,
        request: Request,
        refused: Refused,
        serving: Serving | None,
        offer: WebSocketOffer | None,
    ) -> None:
        reason, outcome = refused.reason, refused.outcome
        if self._limits_failures and reason in FAILURES:
            self._failures.failed(request.address, self._loop.time())
        self._metrics.refused(reason)
        self._refusals.add(
            Refusal(
                time.time(),
                request.request_id,
                reason,
                refused.detail,
                request.path,
                request.address,
                status(reason),
                serving.route.key if serving else None,
                refused.subject,
            )
        )
        fields = {
            "reason": reason.value,
            "detail": refused.detail,
            "advice": outcome.advice,
            "request_id": request.request_id,
            "address": request.address,
            "route": serving.route.key if serving else None,
            "path": request.path[:200],
        }
        log.log(logging.getLevelNamesMapping()[outcome.level.upper()], "refused", extra={"fields": fields})
        wants_close = serving is not None and serving.route.auth.on_refusal == "Close"
        if wants_close and offer is not None and outcome.close is not None:
            client = front.leave()
            if client is not None:
                head = switching_protocols_to_refuse(offer, request.request_id)
                seconds = self._settings.ws_control_timeout_seconds
                self._engine.refuse(client, head, (outcome.close, outcome.words), seconds, _nothing)
            return
        retry_after_seconds = refused.retry_after_seconds or random.randint(*RETRY_AFTER_SECONDS)
        is_head = request.method == "HEAD"
        front.answer(refusal_answer(reason, request.request_id, retry_after_seconds, is_head=is_head))


def _nothing() -> None:
    """Nobody waits for a refused client's end."""
