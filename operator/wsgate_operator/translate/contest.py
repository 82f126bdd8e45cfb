"""Whether an earlier route stands in the way of one, with the way out."""

from wsgate_contract.route import Route
from wsgate_operator.translate.host_claims import HostClaims
from wsgate_operator.translate.options import Options
from wsgate_operator.translate.verdict import VerdictReason


def contested(route: Route, claims: HostClaims, options: Options) -> tuple[VerdictReason, str] | None:
    """Why the route cannot be served beside those that have claimed, or None."""
    if options.host_ownership == "Strict" and route.namespace != options.root_namespace:
        claimed = _claimed(route, claims, options.root_namespace)
        if claimed is not None:
            return VerdictReason.HOST_CLAIMED, claimed
    taken = claims.holder_of_prefix(route)
    if taken is not None:
        host, holder = taken
        return VerdictReason.CONFLICT, _conflict_message(route, host, holder)
    return None


def _claimed(route: Route, claims: HostClaims, root_namespace: str) -> str | None:
    """Why a tenant may not have a host of the route."""
    for host in route.hostnames:
        if host.startswith("*.") and host.count(".") == 1:
            return f'host "{host}" takes a whole top-level domain: name a domain of yours, such as *.example.com'
    claimed = claims.holder_of_host(route)
    if claimed is not None:
        host, claim = claimed
        return _host_message(host, claim.namespace)
    shared = claims.holder_of_any_host(route, root_namespace)
    if shared is not None:
        return (
            f"{shared.key} serves {route.prefix} on any host for everybody: choose another spec.prefix, or set "
            "WSGATE_HOST_OWNERSHIP=Shared"
        )
    return None


def _host_message(host: str, owner: str) -> str:
    name = f'host "{host}"' if host else "any host (no spec.hostnames)"
    return (
        f'{name} overlaps what namespace "{owner}" has: create the route there or in the root namespace, '
        "name another host in spec.hostnames, or set WSGATE_HOST_OWNERSHIP=Shared"
    )


def _conflict_message(route: Route, host: str, holder: str) -> str:
    where = f'host "{host}"' if host else "any host"
    return (
        f"{holder} comes first (served before, older, or by name) and serves {route.prefix} on {where}: "
        "choose another spec.prefix or spec.hostnames, or delete one of the two"
    )
