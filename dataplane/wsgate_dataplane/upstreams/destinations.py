"""Where the data plane never connects to, whatever a route and a resolver say. Pure.

The operator judges the names in a route; an address is known only when it is dialled, so that a name that
resolves to something else a moment later gains nothing.
"""

from collections.abc import Collection, Iterator, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

IPAddress = IPv4Address | IPv6Address
IPNetwork = IPv4Network | IPv6Network

NAT64 = IPv6Network("64:ff9b::/96")
"""RFC 6052; the IPv4 address is the last 32 bits."""
NAT64_LOCAL = IPv6Network("64:ff9b:1::/48")
"""RFC 8215; where in it the IPv4 address stands is the network's choice."""
EMBEDDING = (NAT64, NAT64_LOCAL, IPv6Network("::/96"), IPv6Network("::ffff:0:0:0/96"))
"""The last 32 bits may be an IPv4 address: also IPv4-compatible (RFC 4291) and IPv4-translated (RFC 2765) ones."""
THIS_NETWORK = IPv4Network("0.0.0.0/8")
"""Linux connects to its own loopback for 0.0.0.0."""
BROADCAST = IPv4Address("255.255.255.255")
METADATA: frozenset[IPAddress] = frozenset(
    map(
        ip_address,
        ("100.100.100.200", "168.63.129.16", "192.0.0.192", "fd00:ec2::254", "fd20:ce::254", "fd00:c1::a9fe:a9fe"),
    )
)
"""Where clouds hand out a machine's credentials, as far as that is not link-local (169.254.169.254)."""


def refusal_of(
    address: IPAddress,
    *,
    own_addresses: Collection[IPAddress],
    forbidden: Collection[IPNetwork],
    is_loopback_allowed: bool,
) -> str | None:
    """Why the address must not be dialled, or None.

    own_addresses: the pod's, where dialling would lead back here; forbidden: networks, such as the API server's.
    """
    for form in _forms_of(address):
        reason = _reason(form, own_addresses, forbidden, is_loopback_allowed=is_loopback_allowed)
        if reason is not None:
            return f"{address} is {reason}, where the gateway never connects to"
    return None


def refusal_of_private(address: IPAddress, allow_cidrs: Sequence[IPNetwork]) -> str | None:
    """Why a public name must not lead to the address, or None; allow_cidrs are private and yet allowed."""
    for form in _forms_of(address):
        is_site_local = isinstance(form, IPv6Address) and form.is_site_local
        is_public = form.is_global and not form.is_multicast and not is_site_local
        if not is_public and not any(form in network for network in allow_cidrs):
            return f"{address} is not public, and a route of this namespace may not reach it by this name"
    return None


def name_to_resolve(host: str, cluster_domain: str | None) -> str:
    """The host as it is given to the resolver.

    In a cluster (cluster_domain is not None) a name with a dot is made absolute: by a pod's search list
    redis.shop would else be the Service redis of namespace shop, and www.example.com a pod's name in a
    namespace com, whoever owns that. A name without a dot stays one of the gateway's namespace.
    """
    name = host.removesuffix(".")
    if cluster_domain is None or "." not in name or _is_address(name):
        return host
    return f"{name}.{cluster_domain}." if name.lower().endswith(".svc") else f"{name}."


def _reason(
    form: IPAddress,
    own_addresses: Collection[IPAddress],
    forbidden: Collection[IPNetwork],
    *,
    is_loopback_allowed: bool,
) -> str | None:
    if form.is_loopback:
        return None if is_loopback_allowed else "a loopback address"
    if form.is_unspecified or form in THIS_NETWORK:
        return "no address of a machine"
    if form.is_multicast or form == BROADCAST:
        return "an address of many machines"
    if form.is_link_local:
        return "a link-local address"
    if form in METADATA:
        return "a cloud's metadata address"
    if form in own_addresses:
        return "the gateway's own address"
    if any(form in network for network in forbidden):
        return "an address of the cluster's control plane or in WSGATE_DENY_CIDRS"
    return None


def _forms_of(address: IPAddress) -> Iterator[IPAddress]:
    """The address without its zone, and every IPv4 address that it may be translated or tunnelled to."""
    if isinstance(address, IPv4Address):
        yield address
        return
    bits = int(address)
    plain = IPv6Address(bits)
    if plain.ipv4_mapped is not None:
        # This one is IPv4 on the wire.
        yield plain.ipv4_mapped
        return
    yield plain
    tail = bits & 0xFFFF_FFFF
    # 0 and 1 are :: and ::1, and a NAT64 suffix.
    if tail > 1 and any(plain in network for network in EMBEDDING):
        yield IPv4Address(tail)
    if plain in NAT64_LOCAL and (split := (bits >> 64 & 0xFFFF) << 16 | (bits >> 40 & 0xFFFF)):
        # RFC 6052, 2.2: behind a prefix of 48 bits it is split around bits 64 to 71, which are zero.
        yield IPv4Address(split)
    if plain.sixtofour is not None:
        yield plain.sixtofour
    if plain.teredo is not None:
        yield from plain.teredo


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True
