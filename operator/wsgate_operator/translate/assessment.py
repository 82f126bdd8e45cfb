"""What can be said of one object alone; kept from pass to pass, since most objects do not change."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from wsgate_contract.revocation import RevocationRecord
from wsgate_contract.route import Route, RoutePolicy
from wsgate_operator.resources.metadata import Metadata, parse_date_time
from wsgate_operator.resources.tokenrevocation import TokenRevocation
from wsgate_operator.resources.wsroute import WsRoute
from wsgate_operator.translate.destinations import destinations_of, forbidden_destination
from wsgate_operator.translate.holdings import NO_CERTIFICATES, CertificateState, States, ref_of
from wsgate_operator.translate.options import Options
from wsgate_operator.translate.revocations import invalidity_of_revocation, record_of
from wsgate_operator.translate.validity import invalidity_of
from wsgate_operator.translate.verdict import RefFault

Age = tuple[float, str, str]
"""Creation time in Unix seconds, namespace, name: the order in which objects come."""


@dataclass(frozen=True)
class AssessedRoute:
    """A WsRoute with its rendered form and what is wrong with it.

    certificate: of the Secret that it names; it waits where that has not been looked at yet.
    """

    source: WsRoute
    age: Age
    rendered: Route
    fault: str | None
    forbidden: str | None
    certificate: CertificateState | None = None

    @property
    def unresolved(self) -> RefFault | None:
        """Why the Secret that it names cannot be used."""
        return None if self.certificate is None else self.certificate.fault

    @property
    def is_waiting(self) -> bool:
        """Whether nothing is wrong with it as far as is known, and not all is known."""
        has_ref = self.rendered.client_certificate is not None
        return has_ref and self.certificate is None and self.fault is None and self.forbidden is None

    @property
    def is_sound(self) -> bool:
        """Whether it may be served as it is."""
        faults = (self.fault, self.forbidden, self.unresolved)
        return not self.is_waiting and all(fault is None for fault in faults)


@dataclass(frozen=True)
class AssessedRevocation:
    """A TokenRevocation with its record and what is wrong with it."""

    source: TokenRevocation
    age: Age
    record: RevocationRecord
    fault: str | None


@dataclass(frozen=True)
class Assessments:
    """All of one pass, by the object's key; they hold for these options only."""

    options: Options | None = None
    routes: Mapping[str, AssessedRoute] = field(default_factory=dict)
    revocations: Mapping[str, AssessedRevocation] = field(default_factory=dict)

    def of_route(self, route: WsRoute, options: Options, certificates: States = NO_CERTIFICATES) -> AssessedRoute:
        """The assessment of before where the object and its Secret say the same, else a new one."""
        found = self.routes.get(route.key)
        namespace = route.metadata.namespace or ""
        ref = ref_of(route.spec, namespace)
        certificate = None if ref is None else certificates.get(ref.id)
        is_same = found is not None and self.options == options and found.certificate == certificate
        if found is not None and is_same and _says_the_same(found.source, route):
            return found
        policy = {name: getattr(route.spec, name) for name in RoutePolicy.model_fields}
        return AssessedRoute(
            source=route,
            age=age_of(route.metadata),
            rendered=Route(
                namespace=namespace,
                name=route.metadata.name,
                client_certificate=None if ref is None else ref.id,
                **rules_of(namespace, route.spec, options),
                **policy,
            ),
            fault=invalidity_of(route.spec, options),
            forbidden=forbidden_destination(route.spec, namespace, options),
            certificate=certificate,
        )

    def of_revocation(self, revocation: TokenRevocation, options: Options) -> AssessedRevocation:
        """The assessment of before where the object says the same, else a new one."""
        found = self.revocations.get(revocation.key)
        if found is not None and self.options == options and _says_the_same(found.source, revocation):
            return found
        return AssessedRevocation(
            source=revocation,
            age=age_of(revocation.metadata),
            record=record_of(revocation, options),
            fault=invalidity_of_revocation(revocation, options),
        )


def rules_of(namespace: str, policy: RoutePolicy, options: Options) -> dict[str, Any]:
    """The fields of the rendered route that say which of the platform's rules hold for it."""
    is_tenants = namespace != options.root_namespace
    return {
        "destinations": destinations_of(namespace, options),
        "yields": is_tenants and options.host_ownership == "Strict" and not policy.hostnames,
    }


def age_of(metadata: Metadata) -> Age:
    """Objects without a creationTimestamp are equally old, and younger than dated ones."""
    return _seconds(metadata.creation_timestamp), metadata.namespace or "", metadata.name


def age_of_key(key: str, created: str | None) -> Age:
    """The same for an object of which only this is known."""
    namespace, _, name = key.rpartition("/")
    return _seconds(created), namespace, name


def _seconds(created: str | None) -> float:
    return float("inf") if created is None else parse_date_time(created).timestamp()


def _says_the_same(before: WsRoute | TokenRevocation, now: WsRoute | TokenRevocation) -> bool:
    # Each status that is written comes back by the watch as a new object.
    return before is now or (
        before.spec == now.spec and before.metadata.creation_timestamp == now.metadata.creation_timestamp
    )
