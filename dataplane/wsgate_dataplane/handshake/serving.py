"""A route made ready to serve: the environment's defaults filled in, everything costly built once."""

import ssl
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from wsgate_contract.route import Route, UpstreamTLS
from wsgate_dataplane.handshake.forward import passed_headers
from wsgate_dataplane.identity.provider import ProviderConfig, from_contract
from wsgate_dataplane.relay.engine import RelayLimits
from wsgate_dataplane.routing.table import RouteTable
from wsgate_dataplane.settings import Settings
from wsgate_dataplane.snapshot.files import InvalidRoute, RoutesFile
from wsgate_dataplane.upstreams.dial import Target


@dataclass(frozen=True)
class Serving:
    """One route and what its sessions share."""

    route: Route
    providers: tuple[ProviderConfig, ...]
    limits: RelayLimits
    origins: tuple[str, ...]
    exact_hosts: tuple[str, ...]
    targets: tuple[tuple[Target, int], ...]
    """With their weights."""
    passed_headers: frozenset[str]

    def choose_target(self, random: float) -> Target:
        """random in [0, 1) falls on one of the weights; all zero: the first."""
        mark = random * sum(weight for _, weight in self.targets)
        for target, weight in self.targets:
            mark -= weight
            if mark < 0:
                return target
        return self.targets[0][0]


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


def build_catalogue(file: RoutesFile, previous: Catalogue, settings: Settings) -> Catalogue:
    """A route that cannot be served keeps its last good form; without one its prefix is answered 503."""
    servings: dict[str, Serving] = {}
    refused = list(file.invalid)
    for route in file.routes:
        old = previous.servings.get(route.key)
        try:
            servings[route.key] = old if old is not None and old.route == route else make_serving(route, settings)
        except Exception as error:  # noqa: BLE001  # whatever one tenant's route does, the others' are served
            refused.append(InvalidRoute(route.key, route.to_document(), str(error)))
    placeholders: list[Route] = []
    for invalid in refused:
        if old := previous.servings.get(invalid.key):
            servings[invalid.key] = old
        elif placeholder := _placeholder(invalid):
            placeholders.append(placeholder)
    routes = [serving.route for serving in servings.values()]
    table = RouteTable.build([*routes, *placeholders])
    return Catalogue(table, servings, file.version, tuple(refused))


def _placeholder(invalid: InvalidRoute) -> Route | None:
    """Enough of an unreadable route to keep its address from falling to a shorter prefix."""
    kept = ("namespace", "name", "hostnames", "prefix")
    document = {key: invalid.document[key] for key in kept if key in invalid.document}
    document["upstream"] = "ws://unreadable.invalid"
    for found in (document, {**document, "hostnames": []}):
        # With hostnames that cannot be read either, the prefix is held on every host.
        try:
            return Route.from_document(found)
        except ValueError:
            continue
    return None


def make_serving(route: Route, settings: Settings) -> Serving:
    """Fill in the environment's defaults; a route's own field wins.

    Raises ValueError for an upstream that cannot be dialled, OSError for a CA bundle that is not PEM.
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
        targets=tuple(_targets(route)),
        passed_headers=passed_headers(route),
    )


def _providers(route: Route, settings: Settings) -> tuple[ProviderConfig, ...]:
    if route.auth.mode == "Anonymous":
        return ()
    if route.auth.providers:
        return tuple(from_contract(provider, route.namespace) for provider in route.auth.providers)
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


def _targets(route: Route) -> Iterable[tuple[Target, int]]:
    context: ssl.SSLContext | None = None
    for target in route.targets:
        if target.url.startswith("wss:") and context is None:
            context = upstream_context(route.upstream_tls)
        yield Target.from_url(target.url, context, route.upstream_tls.server_name), target.weight


def upstream_context(tls: UpstreamTLS) -> ssl.SSLContext:
    """Verifies chain and name, always; raises ssl.SSLError for a bundle that is not PEM."""
    # Comments of a bundle may hold any character, but ssl takes ASCII only.
    bundle = tls.ca_bundle and tls.ca_bundle.encode("ascii", "replace").decode("ascii")
    return ssl.create_default_context(cadata=bundle)
