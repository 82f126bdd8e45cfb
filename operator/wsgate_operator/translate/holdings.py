"""What the gateway holds of the Secrets that routes name: the last good copy of each, and for how long.

A Secret that is there but broken keeps its last good copy, as a faulty route keeps its last accepted version. One
that is gone, or may not be read any more, is a withdrawal: it counts when it has lasted for a while, since tools
replace an object by deleting it and making it anew. What no route names any more is let go with a delay, so that
no pod that still has the route of before is left without.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from wsgate_contract.route import Route, RoutePolicy
from wsgate_operator.resources.parse import GatewayObject
from wsgate_operator.resources.wsroute import WsRoute
from wsgate_operator.translate.client_certificate import FIELD, ClientCertificate, SecretRef
from wsgate_operator.translate.shares import count_that_fits, in_turn
from wsgate_operator.translate.verdict import RefFault, VerdictReason

COPIES_BYTES_MAX = 900 * 1024
"""The API server refuses a Secret of more than 1 MiB."""
UNUSED_SECONDS = 120.0
"""How long a copy that no route names is kept: kubelet may take 90 s to bring the routes that do not."""
NO_ROOM = (
    "{field}: all client certificates of the gateway together take more than {limit} KiB, and those of the "
    "namespaces that take most are left out: let routes share a Secret, or serve some by another gateway "
    "(spec.gatewayName)"
)


@dataclass(frozen=True)
class Faulty:
    """A look at a Secret that cannot be used; is_gone: it is not there, or may not be read."""

    fault: RefFault
    is_gone: bool = False


Found = ClientCertificate | Faulty


@dataclass(frozen=True)
class Holding:
    """Of one Secret; pem: the copy that is served, if any. Times are Unix seconds."""

    pem: bytes | None = field(default=None, repr=False)
    fault: RefFault | None = None
    expires_at: float | None = None
    gone_since: float | None = None
    unused_since: float | None = None


@dataclass(frozen=True, kw_only=True)
class CertificateState:
    """What a route needs to know of the Secret that it names; is_held: there is a copy that may be served."""

    is_held: bool
    fault: RefFault | None = None


Holdings = Mapping[str, Holding]
"""By the id of the copy."""
States = Mapping[str, CertificateState]
"""By the id of the copy; one that is missing has not been looked at yet."""
NO_CERTIFICATES: States = MappingProxyType({})


def ref_of(policy: RoutePolicy, namespace: str) -> SecretRef | None:
    """The Secret that a route of the namespace names."""
    ref = policy.upstream_tls.client_certificate_ref
    return None if ref is None else SecretRef(namespace, ref.name)


def refs_of(objects: Iterable[GatewayObject], in_force: Iterable[Route] = ()) -> set[SecretRef]:
    """The Secrets that routes name, and those of routes in force, perhaps by an earlier version."""
    named = [ref_of(each.spec, each.metadata.namespace or "") for each in objects if isinstance(each, WsRoute)]
    named += [ref_of(route, route.namespace) for route in in_force]
    return {ref for ref in named if ref is not None}


def held_after(
    before: Holdings, found: Mapping[str, Found], wanted: Iterable[str], now: float, gone_seconds: float
) -> dict[str, Holding]:
    """What is held after one look at all that is wanted.

    found lacks those of which nothing was learned: they stay as they were. A Secret that is gone is let go when it
    has been so for gone_seconds.
    """
    wanted = frozenset(wanted)
    after: dict[str, Holding] = {}
    for id_ in before.keys() | found.keys():
        holding = before.get(id_, Holding())
        if id_ in found:
            holding = _looked_at(holding, found[id_], now, gone_seconds)
        if id_ in wanted:
            after[id_] = replace(holding, unused_since=None)
            continue
        since = now if holding.unused_since is None else holding.unused_since
        if holding.pem is not None and now - since < UNUSED_SECONDS:
            after[id_] = replace(holding, unused_since=since)
    return after


def due_at(holdings: Holdings, gone_seconds: float) -> float | None:
    """When held_after() may answer differently although no Secret has changed; None: never."""
    times: list[float] = []
    for each in holdings.values():
        if each.pem is not None and each.gone_since is not None:
            times.append(each.gone_since + gone_seconds)
        if each.unused_since is not None:
            times.append(each.unused_since + UNUSED_SECONDS)
        if each.expires_at is not None and each.fault is None:
            times.append(each.expires_at)
    return min(times, default=None)


def fit(
    holdings: Holdings, refs: Mapping[str, SecretRef], root_namespace: str, bytes_max: int = COPIES_BYTES_MAX
) -> dict[str, Holding]:
    """The same, without the copies for which there is no room; refs: by id, of what is wanted.

    The root namespace's come first, the others have equal shares, and what nobody wants has no claim.
    """
    sizes = {id_: len(each.pem) for id_, each in holdings.items() if each.pem is not None}

    def namespace_of(id_: str) -> str | None:
        namespace = refs[id_].namespace if id_ in refs else ""
        return None if namespace == root_namespace else namespace

    ordered = in_turn(sorted(sizes.keys() & refs.keys()), sizes.__getitem__, namespace_of)
    ordered += sorted(sizes.keys() - refs.keys())
    count = count_that_fits(ordered, lambda ids: sum(sizes[id_] for id_ in ids), bytes_max)
    message = NO_ROOM.format(field=FIELD, limit=bytes_max // 1024)
    left_out = Holding(fault=RefFault(VerdictReason.CAPACITY_EXCEEDED, message))
    fitting = dict(holdings)
    for id_ in ordered[count:]:
        if id_ in refs:
            fitting[id_] = left_out
        else:
            del fitting[id_]
    return fitting


def copies_of(holdings: Holdings) -> dict[str, bytes]:
    """What is handed to the data plane, by id."""
    return {id_: each.pem for id_, each in sorted(holdings.items()) if each.pem is not None}


def states_of(holdings: Holdings) -> dict[str, CertificateState]:
    """What routes are judged by."""
    return {
        id_: CertificateState(is_held=each.pem is not None, fault=each.fault) for id_, each in holdings.items()
    }


def _looked_at(before: Holding, found: Found, now: float, gone_seconds: float) -> Holding:
    if isinstance(found, ClientCertificate):
        return Holding(found.pem, None, found.expires_at, unused_since=before.unused_since)
    if not found.is_gone:
        return replace(before, fault=found.fault, gone_since=None)
    since = now if before.gone_since is None else before.gone_since
    is_withdrawn = now - since >= gone_seconds
    return replace(before, pem=None if is_withdrawn else before.pem, fault=found.fault, gone_since=since)
