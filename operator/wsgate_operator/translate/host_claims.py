"""Who has what: hosts by namespace, and host with prefix by route; whoever was there first decides."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field

from wsgate_contract.route import Route

ANY_HOST = ""


@dataclass(frozen=True)
class HostClaim:
    """One route's claim on a host."""

    namespace: str
    key: str


@dataclass
class HostClaims:
    """The hosts and prefixes of the routes accepted so far; filled in the order of their places."""

    _owners: dict[str, HostClaim] = field(default_factory=dict)
    _below_wildcard: dict[str, dict[str, HostClaim]] = field(default_factory=lambda: defaultdict(dict))
    _on_any_host: dict[tuple[str, str], HostClaim] = field(default_factory=dict)
    """By namespace and prefix."""
    _served: dict[tuple[str, str], str] = field(default_factory=dict)

    def add(self, route: Route) -> None:
        """Record an accepted route."""
        claim = HostClaim(route.namespace, route.key)
        for host in hosts_of(route):
            self._served.setdefault((host, route.prefix), route.key)
            self.keep(host, claim)
            if host == ANY_HOST:
                self._on_any_host.setdefault((claim.namespace, route.prefix), claim)

    def keep(self, host: str, claim: HostClaim) -> None:
        """Record that a namespace has a host, whatever it will serve there."""
        self._owners.setdefault(host, claim)
        for wildcard in _wildcards_over(host):
            self._below_wildcard[wildcard].setdefault(claim.namespace, claim)

    def holder_of_host(self, route: Route) -> tuple[str, HostClaim] | None:
        """A host of the route that another namespace has, with the older claim on it."""
        for host in hosts_of(route):
            for claim in self._claims_on(host):
                if claim.namespace != route.namespace:
                    return host, claim
        return None

    def holder_of_any_host(self, route: Route, namespace: str) -> HostClaim | None:
        """The namespace's route for any host at the prefix of a route that names hosts, or above it."""
        if not route.hostnames:
            return None
        found = (self._on_any_host.get((namespace, prefix)) for prefix in _prefixes_over(route.prefix))
        return next((claim for claim in found if claim is not None), None)

    def holder_of_prefix(self, route: Route) -> tuple[str, str] | None:
        """A host of the route whose prefix an older route serves, with that route's key."""
        for host in hosts_of(route):
            key = self._served.get((host, route.prefix))
            if key is not None:
                return host, key
        return None

    def _claims_on(self, host: str) -> Iterator[HostClaim]:
        if host in self._owners:
            yield self._owners[host]
        if host == ANY_HOST:
            return
        for wildcard in _wildcards_over(host):
            if wildcard in self._owners:
                yield self._owners[wildcard]
        if host.startswith("*."):
            yield from self._below_wildcard.get(host, {}).values()


def hosts_of(route: Route) -> tuple[str, ...]:
    """The hosts a route names; ANY_HOST where it names none."""
    return route.hostnames or (ANY_HOST,)


def _wildcards_over(host: str) -> Iterator[str]:
    """The wildcards that cover a host: a.b.c is under *.b.c and *.c, and so is *.b.c under *.c."""
    labels = host.removeprefix("*.").split(".")
    for start in range(1, len(labels)):
        yield "*." + ".".join(labels[start:])


def _prefixes_over(prefix: str) -> Iterator[str]:
    """The prefix and its ancestors by segments, / included."""
    segments = prefix.strip("/").split("/") if prefix != "/" else []
    for count in range(len(segments), -1, -1):
        yield "/" + "/".join(segments[:count])
