"""A route made ready to serve: the environment's defaults filled in, everything costly built once."""

import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from wsgate_contract.route import Route, UpstreamTLS
from wsgate_dataplane.handshake.forward import passed_headers
from wsgate_dataplane.identity.provider import ProviderConfig, from_contract
from wsgate_dataplane.relay.engine import RelayLimits
from wsgate_dataplane.routing.table import RouteTable
from wsgate_dataplane.settings import Settings
from wsgate_dataplane.snapshot.files import InvalidRoute, RoutesFile
from wsgate_dataplane.upstreams.circuit import Circuit
from wsgate_dataplane.upstreams.dial import Target
from wsgate_dataplane.upstreams.pool import Pool, Upstream
from wsgate_dataplane.upstreams.resolve import ANYWHERE, Destinations
from wsgate_dataplane.upstreams.retry import Patience

CONTEXTS_MAX = 128
"""TLS contexts that routes share, by their CA bundle: the system's takes 25 ms and 0.8 MiB to read."""


@dataclass(frozen=True)
class Serving:
    """One route and what its sessions share."""

    route: Route
    providers: tuple[ProviderConfig, ...]
    limits: RelayLimits
    origins: tuple[str, ...]
    exact_hosts: tuple[str, ...]
    pool: Pool
    passed_headers: frozenset[str]

    patience: Patience


@dataclass(frozen=True)
class Catalogue:
    """All routes of one version; swapped whole."""

    table: RouteTable = field(default_factory=lambda: RouteTable.build(()))
    servings: Mapping[str, Serving] = field(default_factory=dict)
    """By the route's key; a route that is matched but missing here could not be read."""
    version: int = 0
    invalid: tuple[InvalidRoute, ...] = ()
    """Routes that could not be read, or not be made ready to serve."""

    @property
    def provider_ids(self) -> set[str]:
        """All providers in use."""
        return {each.provider_id for serving in self.servings.values() for each in serving.providers}


def build_catalogue(
    file: RoutesFile, previous: Catalogue, settings: Settings, destinations: Destinations = ANYWHERE
) -> Catalogue:
    """A route that cannot be served keeps its last good form; without one its prefix is answered 503."""
    servings: dict[str, Serving] = {}
    refused = list(file.invalid)
    for route in file.routes:
        old = previous.servings.get(route.key)
        try:
            if old is None or old.route != route:
                old = make_serving(route, settings, destinations)
            servings[route.key] = old
        except Exception as error:  # noqa: BLE001  # whatever one tenant's route does, the others' are served
            refused.append(InvalidRoute(route.key, route.to_document(), str(error)))
    placeholders: list[Route] = []
    for invalid in refused:
        old = previous.servings.get(invalid.key)
        if old is not None and _may_stand_in(old, invalid):
            servings[invalid.key] = old
        elif placeholder := _placeholder(invalid):
            placeholders.append(placeholder)
    routes = [serving.route for serving in servings.values()]
    table = RouteTable.build([*routes, *placeholders])
    return Catalogue(table, servings, file.version, tuple(refused))


def _may_stand_in(old: Serving, invalid: InvalidRoute) -> bool:
    """A form from before the platform's rules held may lead to, or serve, what it must not any more."""
    document = invalid.document
    is_as_restricted = old.route.destinations == "Restricted" or document.get("destinations") != "Restricted"
    return is_as_restricted and (old.route.yields or document.get("yields") is not True)


def _placeholder(invalid: InvalidRoute) -> Route | None:
    """Enough of an unreadable route to keep its address from falling to a shorter prefix."""
    kept = ("namespace", "name", "hostnames", "prefix", "yields")
    document = {key: invalid.document[key] for key in kept if key in invalid.document}
    document["upstream"] = "ws://unreadable.invalid"
    for found in (document, {**document, "hostnames": []}):
        # With hostnames that cannot be read either, the prefix is held on every host.
        try:
            return Route.from_document(found)
        except ValueError:
            continue
    return None


def make_serving(route: Route, settings: Settings, destinations: Destinations = ANYWHERE) -> Serving:
    """Fill in the environment's defaults; a route's own field wins.

    Raises ValueError for an upstream that cannot be dialled, and for upstreams none of which may be; OSError
    for a CA bundle that is not PEM.
    """
    timeouts, limits = route.timeouts, route.limits
    idle = timeouts.idle_seconds or settings.ws_idle_timeout_seconds
    exact = tuple(host for host in route.hostnames if not host.startswith("*."))
    if not route.hostnames and settings.ingress_host:
        exact = (settings.ingress_host,)
    return Serving(
        route=route,
        providers=_providers(route, settings),
        limits=RelayLimits(
            max_message_bytes=limits.max_message_bytes,
            idle_seconds=idle,
            ping_seconds=timeouts.ping_seconds or idle / 2,
            write_seconds=timeouts.write_seconds or settings.ws_write_timeout_seconds,
            close_seconds=settings.ws_control_timeout_seconds,
        ),
        origins=route.origins or settings.ws_allowed_origins,
        exact_hosts=exact,
        pool=_pool(route, settings, destinations),
        passed_headers=passed_headers(route),
        patience=Patience(
            connect_seconds=timeouts.connect_seconds,
            handshake_seconds=timeouts.handshake_seconds,
            retries=_given(route.retry.attempts, settings.ws_dial_retry_max),
            pause_seconds=_given(route.retry.interval_seconds, settings.ws_dial_retry_interval_seconds),
        ),
    )


def _given(value: int | None, default: int) -> int:
    # Zero is a choice.
    return default if value is None else value


def _providers(route: Route, settings: Settings) -> tuple[ProviderConfig, ...]:
    if route.auth.mode == "Anonymous":
        return ()
    if route.auth.providers:
        is_restricted = route.destinations == "Restricted"
        providers = route.auth.providers
        return tuple(from_contract(each, route.namespace, is_restricted=is_restricted) for each in providers)
    if settings.jwks_url is None:
        return ()
    environment = ProviderConfig(
        issuer=settings.jwt_expected_issuer,
        jwks_uri=settings.jwks_url,
        jwks_inline=None,
        ca_bundle=None,
        audiences=settings.jwt_expected_audience,
        authorized_parties=(),
        algorithms=settings.jwt_valid_algorithms,
        scope="root",
    )
    return (environment,)


def _pool(route: Route, settings: Settings, destinations: Destinations) -> Pool:
    reach = destinations.reach_of(route.namespace if route.destinations == "Restricted" else None)
    is_encrypted = any(each.url.startswith("wss:") for each in route.targets)
    context = upstream_context(route.upstream_tls) if is_encrypted else None
    name, breaker = route.upstream_tls.server_name, route.circuit_breaker
    upstreams = [
        Upstream(
            Target.from_url(each.url, context, name, reach),
            each.weight,
            Circuit(
                _given(breaker.failures, settings.cb_failure_threshold),
                _given(breaker.open_seconds, settings.cb_open_timeout_seconds),
                _given(breaker.health_check_seconds, settings.cb_healthcheck_interval_seconds),
            ),
        )
        for each in route.targets
    ]
    refusals = [each.target.refusal for each in upstreams]
    if all(refusals):
        raise ValueError(f"upstream: {'; '.join(filter(None, refusals))}")
    return Pool(upstreams)


def upstream_context(tls: UpstreamTLS) -> ssl.SSLContext:
    """Verifies chain and name, always; raises ssl.SSLError for a bundle that is not PEM."""
    return _context(tls.ca_bundle)


@lru_cache(maxsize=CONTEXTS_MAX)
def _context(ca_bundle: str | None) -> ssl.SSLContext:
    # Comments of a bundle may hold any character, but ssl takes ASCII only.
    return ssl.create_default_context(cadata=ca_bundle and ca_bundle.encode("ascii", "replace").decode("ascii"))
