"""Whether a client is admitted: the order of the checks, for the server and for `wsgate check` alike."""

from collections.abc import Callable

from wsgate_contract.route import Route, TokenSource
from wsgate_dataplane.admission.checks import check_required_claims, check_token
from wsgate_dataplane.admission.claims import Claims
from wsgate_dataplane.admission.origin import check_origin
from wsgate_dataplane.handshake.request import Request
from wsgate_dataplane.handshake.serving import Catalogue, Serving
from wsgate_dataplane.identity.compact import UnverifiedToken, parse_compact
from wsgate_dataplane.identity.provider import ProviderConfig, Providers
from wsgate_dataplane.identity.sources import Credential, find_credential
from wsgate_dataplane.outcomes.refusal import Refused
from wsgate_dataplane.outcomes.table import Reason
from wsgate_dataplane.revocation.matching import Identity
from wsgate_dataplane.revocation.view import RevocationView
from wsgate_dataplane.routing.path import path_problem
from wsgate_dataplane.settings import Settings
from wsgate_dataplane.values import value

Trace = Callable[[str, str], None]
"""Told of each step that passed: its name and what was found. The server has none: refusals carry their detail."""


@value
class Admitted:
    """The client may have a session with this identity."""

    serving: Serving
    identity: Identity
    claims: Claims | None
    """None on an Anonymous route."""
    token_cookie: str | None
    """Name of the cookie that is not sent upstream. Also where the token came by a header: the cookie may
    hold another user's, and an upstream that reads it would see an identity that nobody checked."""
    source: TokenSource = "Header"
    """Where the token stood. Not in the Authorization header: that one is then a header that nobody checked."""


class Admission:
    """The checks up to the dial; it holds no state of a request."""

    def __init__(self, settings: Settings, providers: Providers, view: RevocationView) -> None:
        self._cookie_name = settings.jwt_cookie_name
        self._stale_seconds = settings.wsgate_revocation_stale_seconds
        self._lifetime_seconds_max = settings.wsgate_max_token_lifetime_seconds
        self._providers = providers
        self._view = view

    def find_route(self, catalogue: Catalogue, request: Request, trace: Trace | None = None) -> Serving:
        """Raises Refused: PATH_UNSAFE, ROUTE_NOT_FOUND, ROUTE_INVALID."""
        if problem := path_problem(request.path):
            raise Refused(Reason.PATH_UNSAFE, problem)
        if trace:
            trace("path", request.path)
        host = request.one("host")
        if not host:
            raise Refused(Reason.REQUEST_MALFORMED, "no Host")
        route = catalogue.table.match(host, request.path)
        if route is None:
            raise Refused(Reason.ROUTE_NOT_FOUND, f"host {host[:100]!r}, path {request.path[:100]!r}")
        serving = catalogue.servings.get(route.key)
        if serving is None:
            raise Refused(Reason.ROUTE_INVALID, route.key)
        if trace:
            trace("route", f"{route.key}, prefix {route.prefix}")
        return serving

    def find_credential(
        self, serving: Serving, request: Request, now: float, trace: Trace | None = None
    ) -> Credential | None:
        """The token of the handshake; None on an Anonymous route, and where there is none.

        Raises Refused: REVOCATION_STALE, ORIGIN_NOT_LISTED, and what identity.sources does; now in Unix seconds.
        """
        route = serving.route
        self._check_fresh(route, now)
        if trace:
            trace("revocations", f"{len(self._view)} records, confirmed")
        credential = None
        if route.auth.mode == "Required":
            sources = route.auth.token_sources
            credential = find_credential(request.all, request.query, self._cookie_name, sources)
        is_cookie = credential is not None and not credential.is_explicit
        check_origin(request.one("origin"), serving.origins, serving.exact_hosts, token_is_cookie=is_cookie)
        if trace:
            trace("origin", request.one("origin") or "none")
        return credential

    async def admit(
        self, serving: Serving, credential: Credential | None, now: float, trace: Trace | None = None
    ) -> Admitted:
        """Raises Refused with the reason of the first check that fails; now in Unix seconds."""
        route = serving.route
        if route.auth.mode == "Anonymous":
            if trace:
                trace("token", "not asked for: auth.mode is Anonymous")
            return Admitted(serving, Identity(route.namespace), None, None)
        if credential is None:
            raise Refused(Reason.TOKEN_MISSING, f"looked in {', '.join(route.auth.token_sources)}")
        if trace:
            trace("token source", credential.source)
        # Again: a token in band may have come a minute after the handshake.
        self._check_fresh(route, now)
        token = parse_compact(credential.token)
        if trace:
            trace("token form", f"alg {token.header.get('alg')}, kid {token.header.get('kid')}")
        provider = await self._providers.verify(token, serving.providers)
        if trace:
            trace("signature", f"by a key of {provider.issuer or 'the environment'}")
        claims = Claims.from_payload(token.payload)
        try:
            identity = self._check(serving, token, provider, claims, now, trace)
        except Refused as refused:
            refused.subject = claims.subject
            raise
        return Admitted(serving, identity, claims, self._cookie_name, credential.source)

    def _check_fresh(self, route: Route, now: float) -> None:
        if route.on_stale == "Close" and self._view.is_stale(now, self._stale_seconds):
            raise Refused(Reason.REVOCATION_STALE, "no channel has confirmed in time")

    def check_revoked(self, identity: Identity, now: float) -> None:
        """Raises Refused: TOKEN_REVOKED. Asked again once the session is registered."""
        if record := self._view.revoked_by(identity, now):
            raise Refused(Reason.TOKEN_REVOKED, f"by {record.id}")

    def _check(
        self,
        serving: Serving,
        token: UnverifiedToken,
        provider: ProviderConfig,
        claims: Claims,
        now: float,
        trace: Trace | None,
    ) -> Identity:
        """What a token with a good signature must still satisfy."""
        route = serving.route
        check_token(
            claims,
            provider,
            now,
            leeway_seconds=route.auth.expiry.leeway_seconds,
            max_token_lifetime_seconds=self._lifetime_seconds_max,
        )
        if trace:
            trace("claims", f"iss {claims.issuer}, aud {list(claims.audiences)}, exp {claims.expires_at}")
        check_required_claims(claims.payload, route.auth.claims)
        if trace and route.auth.claims:
            trace("required claims", f"{len(route.auth.claims)} hold")
        identity = Identity(
            route.namespace,
            claims.issuer,
            claims.subject,
            claims.jti,
            claims.session_id,
            claims.issued_at,
            token.sha256,
            token.signing_input.partition(b".")[2],
        )
        self.check_revoked(identity, now)
        if trace:
            trace("not revoked", f"by {len(self._view)} records")
        return identity
