"""The original gateway's routes as WsRoutes, with what that gateway did by itself."""

import re
from collections.abc import Collection, Mapping, Sequence

from wsgate_contract.route import Auth, Forward, RateLimit
from wsgate_operator.resources.legacy import LegacyRoute
from wsgate_operator.resources.metadata import API_VERSION, Metadata
from wsgate_operator.resources.wsroute import WsRoute, WsRouteSpec
from wsgate_operator.translate.options import Options

ONLY_ROUTE_ALIAS = "/ws"
"""The original serves everything at this path; its clients connect there."""

LEGACY_AUTH = Auth(
    token_sources=("Header", "Cookie", "MQTTPassword", "FirstMessage"), forward=Forward(first_message="Forward")
)
"""Where the original finds a token; it passes the first message on."""

RATE_LIMIT_PER_SECOND = 10
RATE_LIMIT_BURST = 30
"""What the original lets a client send where its environment does not say it."""


def routes_of_legacy(
    entries: Sequence[LegacyRoute], options: Options, taken: Collection[str] = ()
) -> tuple[tuple[WsRoute, ...], Mapping[str, tuple[str, ...]]]:
    """The routes in the file's order, and warnings by route key; taken names belong to others."""
    routes: list[WsRoute] = []
    names = set(taken)
    for entry in entries:
        routes.append(_route(entry, entry.prefix, _free_name(entry.prefix, names), options))
    if len(entries) == 1 and entries[0].prefix != ONLY_ROUTE_ALIAS:
        routes.append(_route(entries[0], ONLY_ROUTE_ALIAS, _free_name("/ws", names), options))
    warnings = {route.key: _order_warning(route, routes[:index]) for index, route in enumerate(routes)}
    return tuple(routes), warnings


def _route(entry: LegacyRoute, prefix: str, name: str, options: Options) -> WsRoute:
    return WsRoute(
        api_version=API_VERSION,
        kind="WsRoute",
        metadata=Metadata(name=name, namespace=options.root_namespace),
        spec=WsRouteSpec(
            prefix=prefix,
            upstream=entry.upstream,
            copy_sub_protocol=entry.copy_sub_protocol,
            preserve_query=entry.preserve_query,
            auth=LEGACY_AUTH,
            rate_limit=RateLimit(
                messages_per_second=options.rate_limit_per_second or RATE_LIMIT_PER_SECOND,
                burst=options.rate_limit_burst or RATE_LIMIT_BURST,
                on_exceed="Close",
            ),
            gateway_name=options.gateway_name,
        ),
    )


def _free_name(prefix: str, taken: set[str]) -> str:
    """A name made from the prefix; taken grows by it."""
    base = re.sub(r"[^a-z0-9]+", "-", prefix.lower()).strip("-")[:200].strip("-") or "root"
    name, number = base, 2
    while name in taken:
        name, number = f"{base}-{number}", number + 1
    taken.add(name)
    return name


def _order_warning(route: WsRoute, earlier: Sequence[WsRoute]) -> tuple[str, ...]:
    for other in earlier:
        prefix = other.spec.prefix
        if route.spec.prefix != prefix and route.spec.prefix.startswith(prefix.rstrip("/") + "/"):
            return (
                f"the original gateway took the first prefix of the file, so {prefix} hid "
                f"{route.spec.prefix}; here the longest prefix wins",
            )
    return ()
