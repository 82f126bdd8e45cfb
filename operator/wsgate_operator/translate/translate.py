"""Objects to routes, records and verdicts: the whole decision, as one function of values."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from wsgate_contract.revocation import RevocationRecord
from wsgate_contract.route import Route, RoutePolicy
from wsgate_operator.resources.legacy import LegacyRoute
from wsgate_operator.resources.metadata import parse_date_time
from wsgate_operator.resources.parse import GatewayObject
from wsgate_operator.resources.tokenrevocation import TokenRevocation
from wsgate_operator.resources.wsroute import WsRoute
from wsgate_operator.translate.claims import Claims
from wsgate_operator.translate.legacy import routes_of_legacy
from wsgate_operator.translate.options import Options
from wsgate_operator.translate.revocations import invalidity_of_revocation, record_of
from wsgate_operator.translate.unsupported import warnings_of
from wsgate_operator.translate.validity import invalidity_of
from wsgate_operator.translate.verdict import Reason, Verdict

Warnings = Mapping[str, tuple[str, ...]]
KEPT = "; the last accepted version stays in force"


@dataclass(frozen=True)
class Translation:
    """The result: routes and revocations by key, and one verdict for each object of this gateway."""

    routes: tuple[Route, ...] = ()
    revocations: tuple[RevocationRecord, ...] = ()
    verdicts: tuple[Verdict, ...] = ()


def translate(
    objects: Iterable[GatewayObject],
    options: Options,
    *,
    legacy: Sequence[LegacyRoute] = (),
    previous: Translation | None = None,
) -> Translation:
    """Decide what is served and revoked.

    Every object must have a namespace. Objects that name another gateway are left out. An object
    that is Invalid now keeps what previous holds for it, so that a bad edit is not an outage.
    """
    ours = [found for found in objects if found.spec.gateway_name == options.gateway_name]
    routes = [found for found in ours if isinstance(found, WsRoute)]
    taken = {route.metadata.name for route in routes if route.metadata.namespace == options.root_namespace}
    legacy_routes, legacy_warnings = routes_of_legacy(legacy, options, taken)
    routes.extend(legacy_routes)
    revocations = [found for found in ours if isinstance(found, TokenRevocation)]
    before = previous or Translation()
    served, route_verdicts = _translate_routes(routes, options, legacy_warnings, before)
    records, revocation_verdicts = _translate_revocations(revocations, options, before)
    return Translation(served, records, route_verdicts + revocation_verdicts)


def _translate_routes(
    routes: Sequence[WsRoute], options: Options, extra_warnings: Warnings, before: Translation
) -> tuple[tuple[Route, ...], tuple[Verdict, ...]]:
    last_good = {route.key: route for route in before.routes}
    claims, served, verdicts = Claims(), [], []
    for route in sorted(routes, key=_age):
        verdict = _judge(route, claims, options, extra_warnings.get(route.key, ()))
        if verdict.accepted:
            claims.add(route)
            served.append(_rendered(route))
        elif verdict.reason is Reason.INVALID and route.key in last_good:
            kept = last_good[route.key]
            as_kept = _as_kept(route, kept)
            if _contested(as_kept, claims, options) is None:
                claims.add(as_kept)
                served.append(kept)
                verdict = replace(verdict, message=verdict.message + KEPT)
        verdicts.append(verdict)
    return _by_key(served), tuple(sorted(verdicts, key=lambda verdict: verdict.key))


def _translate_revocations(
    revocations: Sequence[TokenRevocation], options: Options, before: Translation
) -> tuple[tuple[RevocationRecord, ...], tuple[Verdict, ...]]:
    last_good = {record.id: record for record in before.revocations}
    records, verdicts = [], []
    for revocation in sorted(revocations, key=lambda found: found.key):
        key, fault = revocation.key, invalidity_of_revocation(revocation, options)
        if fault is None:
            records.append(record_of(revocation, options))
            verdicts.append(Verdict("TokenRevocation", key, Reason.ACCEPTED, "in force"))
            continue
        if key in last_good:
            records.append(last_good[key])
            fault += KEPT
        verdicts.append(Verdict("TokenRevocation", key, Reason.INVALID, fault))
    return tuple(records), tuple(verdicts)


def _judge(route: WsRoute, claims: Claims, options: Options, extra: tuple[str, ...]) -> Verdict:
    """The verdict on a route, given the older ones that were accepted."""
    fault = invalidity_of(route.spec, options)
    if fault is not None:
        return Verdict("WsRoute", route.key, Reason.INVALID, fault)
    contested = _contested(route, claims, options)
    if contested is not None:
        return Verdict("WsRoute", route.key, *contested)
    warnings = warnings_of(route.spec) + extra
    return Verdict("WsRoute", route.key, Reason.ACCEPTED, "accepted", warnings)


def _contested(route: WsRoute, claims: Claims, options: Options) -> tuple[Reason, str] | None:
    """Which earlier route stands in the way, if any."""
    is_tenant = route.metadata.namespace != options.root_namespace
    if options.host_ownership == "Strict" and is_tenant:
        claimed = claims.holder_of_host(route)
        if claimed is not None:
            host, claim = claimed
            return Reason.HOST_CLAIMED, _host_message(host, claim.namespace)
    taken = claims.holder_of_prefix(route)
    if taken is not None:
        host, holder = taken
        return Reason.CONFLICT, _conflict_message(route, host, holder)
    return None


def _host_message(host: str, owner: str) -> str:
    name = f'host "{host}"' if host else "any host (no spec.hostnames)"
    return (
        f'{name} overlaps what namespace "{owner}" has: create the route there or in the root namespace, '
        "name another host in spec.hostnames, or set WSGATE_HOST_OWNERSHIP=Shared"
    )


def _conflict_message(route: WsRoute, host: str, holder: str) -> str:
    where = f'host "{host}"' if host else "any host"
    return (
        f"{holder} comes first (older, or by name) and serves {route.spec.prefix} on {where}: "
        "choose another spec.prefix or spec.hostnames, or delete one of the two"
    )


def _age(route: WsRoute) -> tuple[float, str, str]:
    """Oldest first; objects without a creationTimestamp are equally old, and younger than dated ones."""
    created = route.metadata.creation_timestamp
    age = float("inf") if created is None else parse_date_time(created).timestamp()
    return age, route.metadata.namespace or "", route.metadata.name


def _rendered(route: WsRoute) -> Route:
    policy = {name: getattr(route.spec, name) for name in RoutePolicy.model_fields}
    return Route(namespace=route.metadata.namespace or "", name=route.metadata.name, **policy)


def _as_kept(route: WsRoute, kept: Route) -> WsRoute:
    """The object with the hosts and the prefix of its last accepted version."""
    spec = route.spec.model_copy(update={"hostnames": kept.hostnames, "prefix": kept.prefix})
    return route.model_copy(update={"spec": spec})


def _by_key(routes: Iterable[Route]) -> tuple[Route, ...]:
    return tuple(sorted(routes, key=lambda route: route.key))
