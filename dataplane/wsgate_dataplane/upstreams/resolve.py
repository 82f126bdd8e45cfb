"""What a host leads to: looked up once for each connection, and only addresses that may be dialled come back."""

import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from ipaddress import ip_address, ip_network

from wsgate_dataplane.outcomes.refusal import Refused
from wsgate_dataplane.outcomes.table import Reason
from wsgate_dataplane.settings import Settings
from wsgate_dataplane.upstreams.destinations import (
    IPAddress,
    IPNetwork,
    name_to_resolve,
    refusal_of,
    refusal_of_private,
)
from wsgate_dataplane.upstreams.lookup import Lookups


@dataclass(frozen=True)
class Destinations:
    """The surroundings of the data plane; by default those where a route that is not Restricted leads anywhere."""

    is_loopback_allowed: bool = True
    own_addresses: frozenset[IPAddress] = frozenset()
    forbidden: tuple[IPNetwork, ...] = ()
    allow_cidrs: tuple[IPNetwork, ...] = ()
    """Private networks that Restricted routes may reach all the same."""
    cluster_domain: str = "cluster.local"
    lookups: Lookups = field(default_factory=Lookups, compare=False, repr=False)

    @classmethod
    def in_cluster(cls, settings: Settings, environ: Mapping[str, str]) -> "Destinations":
        """Those of a pod; environ has the API server's address, as Kubernetes gives it to every container."""
        api_server = address_of(environ.get("KUBERNETES_SERVICE_HOST", ""))
        control_plane = () if api_server is None else (ip_network(api_server),)
        return cls(
            is_loopback_allowed=False,
            own_addresses=frozenset(settings.wsgate_pod_ip),
            forbidden=(*(settings.wsgate_deny_cidrs or ()), *control_plane),
            allow_cidrs=settings.wsgate_allow_cidrs or (),
            cluster_domain=settings.wsgate_cluster_domain,
        )

    def reach_of(self, namespace: str | None) -> "Reach | None":
        """For a Restricted route of the namespace, or (None) for any other; None: there is nothing to check."""
        is_anywhere = self.is_loopback_allowed and not (self.own_addresses or self.forbidden)
        return None if namespace is None and is_anywhere else Reach(self, namespace)


ANYWHERE = Destinations()


@dataclass(frozen=True)
class Reach:
    """Where one route may lead; namespace: of a Restricted one."""

    destinations: Destinations
    namespace: str | None

    async def resolve(self, host: str) -> tuple[str, ...]:
        """The addresses to dial, at least one, in the resolver's order.

        Raises Refused(UPSTREAM_NOT_PERMITTED) where the host leads to none that may be dialled, OSError and
        UnicodeError where it cannot be looked up.
        """
        literal = address_of(host)
        if literal is not None:
            if refusal := self.refusal(literal):
                raise Refused(Reason.UPSTREAM_NOT_PERMITTED, f"{host}: {refusal}")
            return (str(literal),)
        places = self.destinations
        name = host if self.namespace is None else name_to_resolve(host, places.cluster_domain)
        # One lookup for each family, so that the canonical name belongs to the addresses beside it: a tenant
        # may turn its Service into another one's ExternalName between the questions for A and AAAA.
        is_service = self._is_own(host, name)
        families = (socket.AF_INET, socket.AF_INET6) if is_service else (socket.AF_UNSPEC,)
        allowed: list[str] = []
        refusals: list[str] = []
        # Whoever may lead anywhere has no namespace here: its slow name holds up no other name.
        owner = ("host", host) if self.namespace is None else ("namespace", self.namespace)
        for canonical, addresses in await places.lookups.run(owner, partial(_look_up, name, families)):
            # Not by its canonical name alone: what answers for a public name may claim any.
            is_own = self._is_own(host, canonical) and is_service
            for address in addresses:
                refusal = self.refusal(address, is_own=is_own)
                if refusal is None:
                    allowed.append(str(address))
                else:
                    refusals.append(refusal)
        if not allowed:
            raise Refused(Reason.UPSTREAM_NOT_PERMITTED, f"{host}: {refusals[0]}")
        return tuple(dict.fromkeys(allowed))

    def refusal(self, address: IPAddress, *, is_own: bool = False) -> str | None:
        """Why the address must not be dialled, or None; is_own: it is that of one of the namespace's Services."""
        places = self.destinations
        refusal = refusal_of(
            address,
            own_addresses=places.own_addresses,
            forbidden=places.forbidden,
            is_loopback_allowed=places.is_loopback_allowed,
        )
        if refusal is not None or self.namespace is None or is_own:
            return refusal
        return refusal_of_private(address, places.allow_cidrs)

    def _is_own(self, host: str, absolute: str) -> bool:
        """Whether the host's name is one of the namespace's Services; raises Refused for others of the cluster."""
        name, domain = absolute.lower().removesuffix("."), self.destinations.cluster_domain
        if self.namespace is None or not f".{name}".endswith(f".{domain}"):
            return False
        labels = name.removesuffix(f".{domain}").split(".")
        # SERVICE.NAMESPACE.svc, or POD.SERVICE.NAMESPACE.svc of a headless Service.
        if len(labels) in (3, 4) and labels[-2:] == [self.namespace, "svc"]:
            return True
        detail = f"{host}: {name} is no Service of namespace {self.namespace}"
        raise Refused(Reason.UPSTREAM_NOT_PERMITTED, detail)


def address_of(host: str) -> IPAddress | None:
    """The address that a host is written as; None: it is a name."""
    try:
        return ip_address(host)
    except ValueError:
        return None


def _look_up(name: str, families: tuple[socket.AddressFamily, ...]) -> list[tuple[str, tuple[IPAddress, ...]]]:
    """The canonical name and the addresses of each lookup that found any; raises OSError where none did."""
    answers: list[tuple[str, tuple[IPAddress, ...]]] = []
    fault: tuple[int | None, str | None] = (None, "no address")
    for family in families:
        try:
            found = socket.getaddrinfo(
                name, None, family=family, type=socket.SOCK_STREAM, flags=socket.AI_CANONNAME
            )
        except OSError as error:
            fault = (error.errno, error.strerror)
            continue
        # Only the first entry bears the canonical name.
        canonical = next((entry[3] for entry in found if entry[3]), "")
        answers.append((canonical, tuple(ip_address(entry[4][0]) for entry in found)))
    if not answers:
        raise OSError(fault[0], f"{name}: {fault[1]}")
    return answers
