"""The table of routes: longest prefix first, then the closest host."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from wsgate_contract.route import Route

HOST_LENGTH_MAX = 253
"""Longest DNS name; a longer Host can only match a route for any host."""

_AUTHORITY = re.compile(r"(\[[^\]]*\]|[^:]*)(?::[0-9]*)?")


@dataclass(frozen=True)
class _Hosts:
    """The routes that share one prefix."""

    exact: dict[str, Route] = field(default_factory=dict)
    suffixes: dict[str, Route] = field(default_factory=dict)
    """By what follows the star, dot included."""
    any_host: dict[str, Route] = field(default_factory=dict)

    def add(self, route: Route) -> None:
        # setdefault: the first one given is the older object, which wins a tie.
        for name in route.hostnames:
            if name.startswith("*."):
                self.suffixes.setdefault(name[1:], route)
            else:
                self.exact.setdefault(name, route)
        if not route.hostnames:
            self.any_host.setdefault("", route)

    def match(self, host: str) -> Route | None:
        if len(host) <= HOST_LENGTH_MAX:
            if route := self.exact.get(host):
                return route
            dot = host.find(".", 1) if self.suffixes else -1
            while dot != -1:
                if route := self.suffixes.get(host[dot:]):
                    return route
                dot = host.find(".", dot + 1)
        return self.any_host.get("")


@dataclass(frozen=True)
class RouteTable:
    """Which route serves a request; immutable, a new version is a new table."""

    _by_prefix: Mapping[str, _Hosts]
    _longest: int

    @classmethod
    def build(cls, routes: Iterable[Route]) -> "RouteTable":
        """Of two routes with the same prefix and host the first one wins: give the older first."""
        by_prefix: dict[str, _Hosts] = {}
        for route in routes:
            by_prefix.setdefault(route.prefix, _Hosts()).add(route)
        return cls(by_prefix, max(map(len, by_prefix), default=0))

    def match(self, host: str, path: str) -> Route | None:
        """host is the Host header as sent; path has passed path_problem."""
        name = normal_host(host)
        candidate = path
        if len(candidate) > self._longest:
            # Nothing longer can match; the cut keeps a path of thousands of segments cheap.
            candidate = candidate[: max(candidate.rfind("/", 0, self._longest + 1), 0)]
        while True:
            hosts = self._by_prefix.get(candidate or "/")
            if hosts is not None and (route := hosts.match(name)):
                return route
            if candidate in ("", "/"):
                return None
            candidate = candidate[: max(candidate.rfind("/"), 0)]


def normal_host(host: str) -> str:
    """Lower case, without port and without the root's trailing dot."""
    authority = _AUTHORITY.fullmatch(host)
    name = (authority[1] if authority else host).lower()
    return name.removesuffix(".")
