"""A route made ready to serve: the environment's defaults filled in, everything costly built once."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from wsgate_contract.client_certificate import file_name
from wsgate_contract.model import bare
from wsgate_contract.route import Limits, Route, Timeouts
from wsgate_dataplane.handshake.forward import passed_headers
from wsgate_dataplane.identity.provider import ProviderConfig, from_contract
from wsgate_dataplane.limits.rates import Rates, rates_of
from wsgate_dataplane.relay.engine import RelayLimits
from wsgate_dataplane.routing.table import RouteTable
from wsgate_dataplane.settings import Settings
from wsgate_dataplane.snapshot.files import InvalidRoute, RoutesFile
from wsgate_dataplane.upstreams.circuit import Circuit
from wsgate_dataplane.upstreams.dial import Target
from wsgate_dataplane.upstreams.pool import Pool, Upstream
from wsgate_dataplane.upstreams.resolve import ANYWHERE, Destinations
from wsgate_dataplane.upstreams.retry import Patience
from wsgate_dataplane.upstreams.tls import ClientCertificate, upstream_context


@dataclass(frozen=True)
class Serving:
    """One route and what its sessions share."""

    source: Route
    """As it was read."""
    route: Route
    """The same as bare attributes, which every handshake reads."""
    providers: tuple[ProviderConfig, ...]
    limits: RelayLimits
    rates: Rates | None
    """What each client may send; None: not limited."""
    origins: tuple[str, ...]
    exact_hosts: tuple[str, ...]
    pool: Pool
    passed_headers: frozenset[str]

    patience: Patience
    certificate: ClientCertificate | None
    """What upstreams are shown."""


Certificates = Mapping[str, ClientCertificate]
"""By the operator's ids, of what is mounted and can be used."""
NO_CERTIFICATES: Certificates = MappingProxyType({})


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
    file: RoutesFile,
    previous: Catalogue,
    settings: Settings,
    destinations: Destinations = ANYWHERE,
    certificates: Certificates = NO_CERTIFICATES,
) -> Catalogue:
    """A route that cannot be served keeps its last good form; without one its prefix is answered 503."""

    def serve(route: Route, old: Serving | None) -> Serving:
        if old is not None and old.source == route and old.certificate is _certificate(route, certificates):
            return old
        return make_serving(route, settings, destinations, certificates)

    servings: dict[str, Serving] = {}
    refused = list(file.invalid)
    for route in file.routes:
        try:
            servings[route.key] = serve(route, previous.servings.get(route.key))
        except Exception as error:  # noqa: BLE001  # whatever one tenant's route does, the others' are served
            refused.append(InvalidRoute(route.key, route.to_document(), str(error)))
    placeholders: list[Route] = []
    for invalid in refused:
        old = previous.servings.get(invalid.key)
        if old is not None and _may_stand_in(old, invalid, certificates):
            servings[invalid.key] = _renewed(old, serve)
        elif placeholder := _placeholder(invalid):
            placeholders.append(placeholder)
    routes = [serving.route for serving in servings.values()]
    table = RouteTable.build([*routes, *placeholders])
    return Catalogue(table, servings, file.version, tuple(refused))


def _renewed(old: Serving, serve: Callable[[Route, Serving], Serving]) -> Serving:
    """With the certificate of today, where that can be used."""
    try:
        return serve(old.source, old)
    except Exception:  # noqa: BLE001  # whatever one tenant's route does, the others' are served
        return old


def _certificate(route: Route, certificates: Certificates) -> ClientCertificate | None:
    return certificates.get(route.client_certificate or "")


def _may_stand_in(old: Serving, invalid: InvalidRoute, certificates: Certificates) -> bool:
    """A form from before the platform's rules held may lead to, or serve, what it must not any more.

    Nor does one whose certificate has been taken away.
    """
    document = invalid.document
    if old.certificate is not None and _certificate(old.route, certificates) is None:
        return False
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


def make_serving(
    route: Route,
    settings: Settings,
    destinations: Destinations = ANYWHERE,
    certificates: Certificates = NO_CERTIFICATES,
) -> Serving:
    """Fill in the environment's defaults; a route's own field wins.

    Raises ValueError for an upstream that cannot be dialled, for upstreams none of which may be, and for a client
    certificate that is not there; OSError for a CA bundle that is not PEM.
    """
    certificate = _certificate(route, certificates)
    if route.upstream_tls.client_certificate_ref is not None and certificate is None:
        # Without it the upstream would see a stranger, or somebody who may do more.
        raise ValueError(_missing(route, settings))
    timeouts = route.timeouts
    exact = tuple(host for host in route.hostnames if not host.startswith("*."))
    if not route.hostnames and settings.ingress_host:
        exact = (settings.ingress_host,)
    return Serving(
        source=route,
        route=bare(route),
        providers=_providers(route, settings),
        limits=relay_limits(settings, timeouts, route.limits),
        rates=rates_of(route.rate_limit, settings.rate_limit_per_second, settings.rate_limit_burst),
        origins=route.origins or settings.ws_allowed_origins,
        exact_hosts=exact,
        pool=_pool(route, settings, destinations, certificate),
        passed_headers=passed_headers(route),
        patience=Patience(
            connect_seconds=timeouts.connect_seconds,
            handshake_seconds=timeouts.handshake_seconds,
            retries=_given(route.retry.attempts, settings.ws_dial_retry_max),
            pause_seconds=_given(route.retry.interval_seconds, settings.ws_dial_retry_interval_seconds),
        ),
        certificate=certificate,
    )


def relay_limits(settings: Settings, timeouts: Timeouts, limits: Limits) -> RelayLimits:
    """Of the sessions of a route."""
    idle = timeouts.idle_seconds or settings.ws_idle_timeout_seconds
    return RelayLimits(
        max_message_bytes=limits.max_message_bytes,
        idle_seconds=idle,
        ping_seconds=timeouts.ping_seconds or idle / 2,
        write_seconds=timeouts.write_seconds or settings.ws_write_timeout_seconds,
        close_seconds=settings.ws_control_timeout_seconds,
    )


def _missing(route: Route, settings: Settings) -> str:
    field_name = "upstreamTLS.clientCertificateRef"
    if settings.wsgate_secrets_dir is None:
        return f"{field_name}: WSGATE_SECRETS_DIR is not set, so no client certificate is known"
    where = settings.wsgate_secrets_dir / file_name(route.client_certificate or "")
    return f"{field_name}: {where} is not there yet, not any more, or cannot be used"


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


def _pool(
    route: Route, settings: Settings, destinations: Destinations, certificate: ClientCertificate | None
) -> Pool:
    reach = destinations.reach_of(route.namespace if route.destinations == "Restricted" else None)
    is_encrypted = any(each.url.startswith("wss:") for each in route.targets)
    context = upstream_context(route.upstream_tls, certificate) if is_encrypted else None
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
