"""What translate needs to know beside the objects."""

from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network
from typing import Literal

HostOwnership = Literal["Strict", "Shared"]
TenantDestinations = Literal["OwnNamespace", "OwnNamespaceAndPublic", "Any"]


@dataclass(frozen=True, kw_only=True)
class Options:
    """The gateway that is translated for.

    Routes outside the root namespace are tenants' routes: tenant_destinations says where they may point,
    allow_cidrs which private networks they may name. A name that ends in one of namespaces, such as
    redis.shop, is taken for a Service there, since a resolver with a search list reads it so. The rate limits
    are for the original gateway's file, in messages; None: that gateway's.
    """

    root_namespace: str
    gateway_name: str = "wsgate"
    host_ownership: HostOwnership = "Strict"
    has_environment_provider: bool = False
    tenant_destinations: TenantDestinations = "Any"
    allow_cidrs: tuple[IPv4Network | IPv6Network, ...] = ()
    cluster_domain: str = "cluster.local"
    namespaces: frozenset[str] = frozenset()
    rate_limit_per_second: int | None = None
    rate_limit_burst: int | None = None
