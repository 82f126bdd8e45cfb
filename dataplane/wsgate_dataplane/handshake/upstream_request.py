"""The request with which a session's upstream is dialled."""

from collections.abc import Sequence

from wsgate_dataplane.admission.forwarding import identity_headers
from wsgate_dataplane.handshake.admission import Admitted
from wsgate_dataplane.handshake.forward import upstream_head
from wsgate_dataplane.handshake.request import Request, WebSocketOffer
from wsgate_dataplane.identity.sources import strip_query
from wsgate_dataplane.outcomes.refusal import Refused
from wsgate_dataplane.registry.session import Session
from wsgate_dataplane.routing.target import upstream_target
from wsgate_dataplane.telemetry.metrics import Metrics
from wsgate_dataplane.upstreams.dial import Target


class UpstreamRequest:
    """See Dialler; sent: what of the client's offer the upstream sees."""

    __slots__ = ("_admitted", "_metrics", "_request", "_roles", "_sent", "_session")

    def __init__(
        self,
        request: Request,
        admitted: Admitted,
        sent: WebSocketOffer,
        session: Session,
        roles: Sequence[str],
        metrics: Metrics,
    ) -> None:
        self._request = request
        self._admitted = admitted
        self._sent = sent
        self._session = session
        self._roles = roles
        self._metrics = metrics

    def head_for(self, target: Target) -> bytes:
        """See Dialler."""
        request, admitted = self._request, self._admitted
        serving, claims, route = admitted.serving, admitted.claims, admitted.serving.route
        query = strip_query(request.query) if "Query" in route.auth.token_sources else request.query
        return upstream_head(
            upstream_target(route, target.url, request.path, query),
            route,
            target,
            request,
            self._sent,
            admitted.token_cookie,
            serving.passed_headers,
            () if claims is None else identity_headers(route.auth.forward, claims.payload, self._roles),
            is_checked=admitted.source == "Header",
        )

    def retried(self) -> None:
        """See Dialler."""
        check_pending(self._session)
        self._metrics.proxy_retries.labels(self._session.arrival.protocol).inc()

    def circuit_opened(self) -> None:
        """See Dialler."""
        self._metrics.circuit_open.labels(self._session.arrival.protocol).inc()


def check_pending(session: Session) -> None:
    """Raises Refused where a revocation, say, has ended a session that is not open yet."""
    if session.life.refusal is not None:
        raise Refused(session.life.refusal, "before the session was open")
