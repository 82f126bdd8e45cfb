"""Objects to routes, records and verdicts: the whole decision, as one function of values."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field

from wsgate_contract.revocation import RevocationRecord
from wsgate_contract.route import Route
from wsgate_operator.resources.legacy import LegacyRoute
from wsgate_operator.resources.parse import GatewayObject
from wsgate_operator.resources.tokenrevocation import TokenRevocation
from wsgate_operator.resources.wsroute import WsRoute
from wsgate_operator.translate.assessment import Assessments
from wsgate_operator.translate.holdings import NO_CERTIFICATES, States
from wsgate_operator.translate.legacy import routes_of_legacy
from wsgate_operator.translate.options import Options
from wsgate_operator.translate.placement import Placement, place_revocations, place_routes
from wsgate_operator.translate.verdict import Kind, Unreadable, Verdict


@dataclass(frozen=True)
class Translation:
    """The result: routes by their places, revocations, oldest first, and one verdict for each object.

    One made of what a file holds, without verdicts, serves as previous after a restart.
    """

    routes: tuple[Route, ...] = ()
    revocations: tuple[RevocationRecord, ...] = ()
    verdicts: tuple[Verdict, ...] = ()
    placed: tuple[Route, ...] = ()
    """The routes and, each in its place, those for which there is no room; empty: the routes."""
    assessments: Assessments = field(default=Assessments(), compare=False, repr=False)


def translate(
    objects: Iterable[GatewayObject],
    options: Options,
    *,
    legacy: Sequence[LegacyRoute] = (),
    unreadable: Collection[Unreadable] = (),
    held: Collection[tuple[Kind, str]] = (),
    certificates: States = NO_CERTIFICATES,
    previous: Translation | None = None,
) -> Translation:
    """Decide what is served and revoked.

    Every object must have a namespace. Objects that name another gateway are left out. An object that
    is faulty or unreadable now keeps what previous holds for it, so that a bad edit is not an outage.
    held names, by kind and key, what has no object and yet keeps what previous holds for it. certificates: of the
    Secrets that routes name; a route waits, without a verdict, for one that is missing there.
    """
    before = previous or Translation()
    ours = [found for found in objects if found.spec.gateway_name == options.gateway_name]
    routes = [found for found in ours if isinstance(found, WsRoute)]
    taken = {route.metadata.name for route in routes if route.metadata.namespace == options.root_namespace}
    legacy_routes, legacy_warnings = routes_of_legacy(legacy, options, taken)
    routes.extend(legacy_routes)
    revocations = [found for found in ours if isinstance(found, TokenRevocation)]
    assessed_routes = {route.key: before.assessments.of_route(route, options, certificates) for route in routes}
    assessed_revocations = {
        revocation.key: before.assessments.of_revocation(revocation, options) for revocation in revocations
    }
    placement = Placement(options, unreadable, held, certificates)
    last_good = {route.key: route for route in before.placed or before.routes}
    placed, route_verdicts = place_routes(assessed_routes.values(), placement, last_good, legacy_warnings)
    records, revocation_verdicts = place_revocations(
        assessed_revocations.values(), placement, {record.id: record for record in before.revocations}
    )
    return Translation(
        placed,
        records,
        route_verdicts + revocation_verdicts,
        placed,
        Assessments(options, assessed_routes, assessed_revocations),
    )
