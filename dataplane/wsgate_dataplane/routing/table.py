"""The table of routes: longest prefix first, then the closest host; a route that yields stands back."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from wsgate_contract.route import Route

HOST_LENGTH_MAX = 253
"""Longest DNS name; a longer Host can only match a route for any host."""

_AUTHORITY = re.compile(r"(\[[^\]]*\]|[^:]*)(?::[0-9]*)?")


@dataclass
class _Hosts:
    """The routes that share one prefix."""

    exact: dict[str, Route] = field(default_factory=dict)
    suffixes: dict[str, Route] = field(default_factory=dict)
    """By what follows the star, dot included."""
    any_host: Route | None = None

    def add(self, route: Route) -> None:
        # setdefault: the first one given is the older object, which wins a tie.
        for name in route.hostnames:
            if name.startswith("*."):
                self.suffixes.setdefault(name[1:], route)
            else:
                self.exact.setdefault(name, route)
        if not route.hostnames and self.any_host is None:
            self.any_host = route

    def match_named(self, host: str) -> Route | None:
        if len(host) <= HOST_LENGTH_MAX:
            if route := self.exact.get(host):
                return route
            dot = host.find(".", 1) if self.suffixes else -1
            while dot != -1:
                if route := self.suffixes.get(host[dot:]):
                    return route
                dot = host.find(".", dot + 1)
        return None


@dataclass(frozen=True)
class RouteTable:
    """Which route serves a request; immutable, a new version is a new table."""

    _by_prefix: Mapping[str, _Hosts]
    _longest: int
    _namers: Mapping[str, frozenset[str]]
    """The namespaces whose routes name a host or wildcard."""

    @classmethod
    def build(cls, routes: Iterable[Route]) -> "RouteTable":
        """Of two routes with the same prefix and host the first one wins: give the older first."""
        by_prefix: dict[str, _Hosts] = {}
        namers: dict[str, set[str]] = {}
        for route in routes:
            by_prefix.setdefault(route.prefix, _Hosts()).add(route)
            for name in route.hostnames:
                namers.setdefault(name, set()).add(route.namespace)
        sealed = {name: frozenset(namespaces) for name, namespaces in namers.items()}
        return cls(by_prefix, max(map(len, by_prefix), default=0), sealed)

    def match(self, host: str, path: str) -> Route | None:
        """host is the Host header as sent; path has passed path_problem."""
        name = normal_host(host)
        candidate = path
        if len(candidate) > self._longest:
            # Nothing longer can match; the cut keeps a path of thousands of segments cheap.
            candidate = candidate[: max(candidate.rfind("/", 0, self._longest + 1), 0)]
        namers: frozenset[str] | None = None
        while True:
            hosts = self._by_prefix.get(candidate or "/")
            route = None if hosts is None else hosts.match_named(name) or hosts.any_host
            if route is not None:
                if not route.yields:
                    return route
                namers = self._namers_of(name) if namers is None else namers
                if namers <= {route.namespace}:
                    return route
            if candidate in ("", "/"):
                return None
            candidate = candidate[: max(candidate.rfind("/"), 0)]

    def _namers_of(self, host: str) -> frozenset[str]:
        """The namespaces that name the host, by a wildcard too."""
        if len(host) > HOST_LENGTH_MAX:
            return frozenset()
        labels = host.split(".")
        wildcards = ("*." + ".".join(labels[start:]) for start in range(1, len(labels)))
        return frozenset().union(*(self._namers.get(name, ()) for name in (host, *wildcards)))


@lru_cache(maxsize=1024)
def normal_host(host: str) -> str:
    """Lower case, without port and without the root's trailing dot."""
    authority = _AUTHORITY.fullmatch(host)
    name = (authority[1] if authority else host).lower()
    return name.removesuffix(".")
