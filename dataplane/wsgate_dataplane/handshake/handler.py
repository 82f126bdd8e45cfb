"""One request from accept to Engine.open, or to a refusal: the order of everything."""

import asyncio
import logging
import os
import random
import time
from collections.abc import Callable, Sequence
from functools import partial

from wsgate_dataplane.admission.forwarding import roles_of
from wsgate_dataplane.admission.mqtt_identity import identified
from wsgate_dataplane.frames.build import data_frame
from wsgate_dataplane.frames.scanner import BINARY
from wsgate_dataplane.handshake.admission import Admission, Admitted
from wsgate_dataplane.handshake.answers import health_answer
from wsgate_dataplane.handshake.attempt import Attempt
from wsgate_dataplane.handshake.forward import (
    check_loop,
    in_band_offer,
    switching_protocols,
    switching_protocols_early,
    upstream_offer,
)
from wsgate_dataplane.handshake.front import Front
from wsgate_dataplane.handshake.head import read_request
from wsgate_dataplane.handshake.in_band import Opening, Waiting, credential_of, read_opening
from wsgate_dataplane.handshake.refusing import Refuser
from wsgate_dataplane.handshake.request import Request, WebSocketOffer, read_offer
from wsgate_dataplane.handshake.serving import Catalogue, Serving
from wsgate_dataplane.handshake.upstream_request import UpstreamRequest, check_pending
from wsgate_dataplane.identity.sources import Credential
from wsgate_dataplane.limits.budgets import Budgets
from wsgate_dataplane.limits.meter import SessionMeter
from wsgate_dataplane.outcomes.refusal import Refused
from wsgate_dataplane.outcomes.table import Reason
from wsgate_dataplane.protocols.detect import Expected, in_band, protocol_of
from wsgate_dataplane.protocols.first_message import First
from wsgate_dataplane.protocols.mqtt.connect import write_connect
from wsgate_dataplane.protocols.mqtt.last_words import MQTTClient
from wsgate_dataplane.registry.registry import Registry
from wsgate_dataplane.registry.session import Arrival, Session
from wsgate_dataplane.relay.engine import Connection, Engine
from wsgate_dataplane.session.expiry import end_of_session, end_of_token
from wsgate_dataplane.settings import Settings
from wsgate_dataplane.telemetry.metrics import Metrics
from wsgate_dataplane.telemetry.refusals import RefusalRing
from wsgate_dataplane.upstreams.dial import Upgraded
from wsgate_dataplane.upstreams.retry import dial_patiently

log = logging.getLogger("wsgate")

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
        budgets: Budgets,
        catalogue: Callable[[], Catalogue],
        is_draining: Callable[[], bool],
    ) -> None:
        self._roles_claims = settings.wsgate_roles_claims
        self._loop = loop
        self._trusted = settings.wsgate_trusted_proxies or ()
        self._admission = admission
        self._engine = engine
        self._registry = registry
        self._metrics = metrics
        self._refuser = Refuser(settings, loop, engine, metrics, refusals)
        self._waiting = Waiting(limits_sources=settings.wsgate_trusted_proxies is not None)
        self._budgets = budgets
        self._catalogue = catalogue
        self._is_draining = is_draining

    async def __call__(self, front: Front, head: bytes) -> None:
        """Answer the one request of a connection, or hand the connection over to the engine."""
        started, is_probe = time.perf_counter(), False
        attempt = Attempt(front)
        try:
            trusted = self._trusted if front.is_forwarding else ()
            request = attempt.request = read_request(head, front.peer, trusted, self._loop)
            if request.path == HEALTH_PATH:
                is_probe = True
                front.answer(health_answer(is_head=request.method == "HEAD"))
                return
            if request.path in MOVED_PATHS:
                raise Refused(Reason.ADMIN_MOVED)
            serving = attempt.serving = self._admission.find_route(self._catalogue(), request)
            offer = attempt.offer = read_offer(request)
            check_loop(request)
            await self._open(attempt, request, serving, offer)
        except Refused as refused:
            self._refuser.refuse(attempt, refused)
        except asyncio.CancelledError:
            # By the listener: the client has gone, or the process ends. Nothing waits before the request is read.
            if attempt.request is not None and front.is_gone:
                self._refuser.refuse(attempt, Refused(Reason.CLIENT_LOST, "before it had a session"))
            raise
        except Exception:
            # The outermost border: no fault of one request may reach another.
            request_id = attempt.request.request_id if attempt.request else None
            log.exception("unexpected", extra={"fields": {"request_id": request_id}})
            self._refuser.refuse(attempt, Refused(Reason.UNEXPECTED))
        finally:
            if not is_probe:
                self._metrics.asked(time.perf_counter() - started)

    async def _open(self, attempt: Attempt, request: Request, serving: Serving, offer: WebSocketOffer) -> None:
        self._check_draining()
        route = serving.route
        is_required = route.auth.mode == "Required"
        if is_required:
            self._refuser.check_failures(request.address)
        attempt.protocol = protocol_of(route.protocol, offer.subprotocols)
        credential = self._admission.find_credential(serving, request, time.time())
        opening: Opening | None = None
        expected: Expected | None = None
        if is_required and credential is None:
            expected = in_band(route.protocol, attempt.protocol, route.auth.token_sources)
        if expected is None:
            admitted = await self._admission.admit(serving, credential, time.time())
        else:
            # Until the token is found good: keys that are waited for make a place's bytes held for longer.
            with self._waiting.place(request.address):
                opening, credential = await self._ask_in_band(attempt, request, serving, offer, expected)
                admitted = await self._admission.admit(serving, credential, time.time())
        if admitted.claims is not None:
            self._metrics.authenticated(admitted.claims.payload)
        self._registry.check_room(route, admitted.identity)
        arrival = Arrival(request.request_id, request.address, attempt.protocol)
        session = self._registry.register(route, admitted.identity, arrival, attempt.front.wake)
        # Already now: a token may end while its upstream is dialled, or a CONNECT waited for.
        self._registry.set_age_end(session, end_of_token(route.auth.expiry, _expires_at(admitted)))
        try:
            # Registered first: what happens from here on finds the session, what happened before is seen here.
            self._admission.check_revoked(admitted.identity, time.time())
            self._check_draining()
            if self._catalogue().servings.get(route.key) is not serving:
                raise Refused(Reason.ROUTE_CHANGED, "while the token was checked")
            await self._connect(attempt, request, offer, admitted, session, opening)
        finally:
            self._registry.withdraw(session)

    def _check_draining(self) -> None:
        if self._is_draining():
            raise Refused(Reason.DRAINING)

    async def _ask_in_band(
        self, attempt: Attempt, request: Request, serving: Serving, offer: WebSocketOffer, expected: Expected
    ) -> tuple[Opening, Credential]:
        """The 101 before anything is known of the client, then its first message."""
        attempt.front.switch(switching_protocols_early(attempt.protocol, offer, request.request_id))
        opening = await self._read_opening(attempt, serving, expected, self._check_draining)
        self._check_draining()
        return opening, credential_of(opening.first)

    async def _read_opening(
        self, attempt: Attempt, serving: Serving, expected: Expected, check: Callable[[], None]
    ) -> Opening:
        opening = await read_opening(attempt.front, expected, serving.route.limits, self._loop.time, check)
        connect = opening.first.connect
        if connect is not None:
            attempt.protocol, attempt.mqtt = "mqtt", MQTTClient(connect.level, connect.max_packet_bytes)
        return opening

    async def _connect(
        self,
        attempt: Attempt,
        request: Request,
        offer: WebSocketOffer,
        admitted: Admitted,
        session: Session,
        opening: Opening | None,
    ) -> None:
        """Dial, and hand both connections over."""
        serving, route, roles = admitted.serving, admitted.serving.route, self._roles(admitted)
        narrow = upstream_offer if opening is None else in_band_offer
        sent = narrow(route, attempt.protocol, offer)
        dialler = UpstreamRequest(request, admitted, sent, session, roles, self._metrics)
        upgraded = await dial_patiently(serving.pool, dialler, sent, serving.patience, random.random)
        try:
            head = b""
            if opening is None:
                head = switching_protocols(route, attempt.protocol, offer, upgraded.answer, request.request_id)
                if attempt.protocol == "mqtt":
                    attempt.front.switch(head)
                    head, check = b"", partial(check_pending, session)
                    opening = await self._read_opening(attempt, serving, Expected.CONNECT, check)
                    if upgraded.transport.is_closing():
                        # Of TLS the loop reads on while nobody does, and the relay would not be told of the end.
                        raise Refused(Reason.UPSTREAM_UNREACHABLE, "it went while the CONNECT was waited for")
            self._hand_over(attempt, admitted, session, opening, head, roles, upgraded)
        finally:
            if session.relay is None:
                upgraded.transport.abort()

    def _roles(self, admitted: Admitted) -> tuple[str, ...]:
        if admitted.claims is None:
            return ()
        roles = roles_of(admitted.claims.payload, self._roles_claims)
        if roles.left_out:
            self._metrics.roles_left_out.inc(roles.left_out)
        return roles.names

    def _hand_over(
        self,
        attempt: Attempt,
        admitted: Admitted,
        session: Session,
        opening: Opening | None,
        head: bytes,
        roles: Sequence[str],
        upgraded: Upgraded,
    ) -> None:
        """Nothing is awaited from here on: see Front.leave."""
        serving = admitted.serving
        check_pending(session)
        greeting = early = b""
        if opening is not None:
            greeting = _first_frame(opening.first, admitted, roles)
            early = opening.first.left_over(os.urandom(4)) + opening.rest
        client = attempt.front.leave(early)
        if client is None:
            raise Refused(Reason.CLIENT_LOST, "while the upstream was dialled")
        end = end_of_session(serving.route.auth.expiry, _expires_at(admitted), time.time(), random.random)
        self._registry.set_age_end(session, end)
        self._metrics.opened(attempt.protocol)
        session.mqtt = attempt.mqtt
        self._engine.open(
            client,
            Connection(upgraded.transport, upgraded.early),
            (head, greeting),
            serving.limits,
            session,
            extensions=upgraded.answer.extensions is not None,
            mqtt_level=attempt.mqtt.level if attempt.mqtt else None,
            meter=self._meter(serving, session),
        )

    def _meter(self, serving: Serving, session: Session) -> SessionMeter | None:
        if serving.rates is None:
            return None
        identity, address = session.identity, session.arrival.address
        return self._budgets.open(serving.rates, serving.route.key, identity.issuer, identity.subject, address)


def _expires_at(admitted: Admitted) -> int | None:
    return admitted.claims.expires_at if admitted.claims else None


def _first_frame(first: First, admitted: Admitted, roles: Sequence[str]) -> bytes:
    """What the upstream is sent of the first message; raises Refused: MQTT_CLIENT_ID, TOKEN_CLAIM_MISSING."""
    route = admitted.serving.route
    if first.connect is not None:
        connect = identified(first.connect, route, admitted.claims, roles, admitted.source)
        return data_frame(BINARY, write_connect(connect), os.urandom(4))
    if route.auth.forward.first_message == "Forward":
        return data_frame(first.opcode, first.payload, os.urandom(4))
    return b""
