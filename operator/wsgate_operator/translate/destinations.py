"""Where a tenant's route may point: Services of its namespace, what is public, what the platform allows.

A name is judged as it is written; what it resolves to is judged by the data plane when it connects.
"""

import re
from collections.abc import Iterator
from ipaddress import IPv6Address, IPv6Network, ip_address
from typing import Literal

from wsgate_contract.route import RoutePolicy
from wsgate_operator.translate.options import Options

_URL = re.compile(
    r"(?:https?|wss?)://"
    r"(?P<host>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*\.?)"
    r"(?::[0-9]{1,5})?(?:[/?].*)?",
    re.DOTALL,
)
"""No user name, percent sign, backslash or letter beyond ASCII: on these, readers of URLs differ."""
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
_TOP_LEVEL = re.compile(r"[a-z]{2,63}|xn--[a-z0-9-]+")
_NOT_PUBLIC = frozenset(
    {"arpa", "corp", "home", "internal", "intranet", "lan", "local", "localdomain", "localhost", "private"}
)
_GLOBAL_UNICAST = IPv6Network("2000::/3")


def forbidden_destination(policy: RoutePolicy, namespace: str, options: Options) -> str | None:
    """Why a route of the namespace may not point where it does, with the way out, or None."""
    if destinations_of(namespace, options) == "Any":
        return None
    faults = [
        f"{field}: {fault}"
        for field, url in _destinations(policy)
        if (fault := _fault_of_url(url, namespace, options)) is not None
    ]
    return "; ".join(faults) or None


def destinations_of(namespace: str, options: Options) -> Literal["Any", "Restricted"]:
    """What the rendered route says for the data plane to check when it connects."""
    is_free = namespace == options.root_namespace or options.tenant_destinations == "Any"
    return "Any" if is_free else "Restricted"


def _destinations(policy: RoutePolicy) -> Iterator[tuple[str, str]]:
    """Every URL that the data plane connects to for the route, by its field."""
    if policy.upstream is not None:
        yield "spec.upstream", policy.upstream
    for index, upstream in enumerate(policy.upstreams):
        yield f"spec.upstreams[{index}].url", upstream.url
    for index, provider in enumerate(policy.auth.providers):
        field = f"spec.auth.providers[{index}]"
        if provider.jwks.uri is not None:
            yield f"{field}.jwks.uri", provider.jwks.uri
        elif provider.jwks.inline is None:
            yield f"{field}.issuer", provider.issuer
        if provider.introspection is not None:
            yield f"{field}.introspection.url", provider.introspection.url


def _fault_of_url(url: str, namespace: str, options: Options) -> str | None:
    found = _URL.fullmatch(url)
    if found is None:
        return "its host cannot be judged: write scheme://host:port/path, the host in ASCII, without a user name"
    # The root's dot and the case mean nothing to a resolver.
    name = found["host"].lower().removesuffix(".")
    labels = name.split(".")
    if name.startswith("[") or _NUMBER.fullmatch(labels[-1]):
        return _fault_of_address(name.strip("[]"), options)
    domain = options.cluster_domain.lower().strip(".")
    if name == domain or name.endswith(f".{domain}") or labels[-1] in ("svc", "pod"):
        return _fault_of_cluster_name(name, domain, namespace, options)
    if len(labels) == 1:
        return f'"{name}" would be looked up in the gateway\'s namespace: write {name}.{namespace}.svc'
    if options.tenant_destinations == "OwnNamespace":
        return _only_own(name, options)
    return _fault_of_public_name(name, labels[-1], options)


def _fault_of_cluster_name(name: str, domain: str, namespace: str, options: Options) -> str | None:
    labels = name.removesuffix(f".{domain}").split(".")
    # SERVICE.NAMESPACE.svc, or POD.SERVICE.NAMESPACE.svc of a headless Service.
    if labels[-1] != "svc" or len(labels) not in (3, 4):
        return f"{name} is not the name of a Service: write SERVICE.{namespace}.svc"
    owner = labels[-2]
    if owner == namespace:
        return None
    return f'{name} is a Service of namespace "{owner}": create the route {_there_or_in_root(owner, options)}'


def _fault_of_public_name(name: str, top_level: str, options: Options) -> str | None:
    if top_level in options.namespaces | {options.root_namespace, "default"}:
        return (
            f'{name} may be a Service of namespace "{top_level}" by a resolver\'s search list: write the name '
            f"with .svc and create the route {_there_or_in_root(top_level, options)}"
        )
    if top_level in _NOT_PUBLIC or _TOP_LEVEL.fullmatch(top_level) is None:
        return f"{name} is not a public name: write SERVICE.NAMESPACE.svc for a Service, or {_in_root(options)}"
    return None


def _fault_of_address(text: str, options: Options) -> str | None:
    try:
        address = ip_address(text)
    except ValueError:
        return f"{text} is an address in an odd spelling: write four decimal numbers, or IPv6 in brackets"
    if options.tenant_destinations == "OwnNamespace":
        return _only_own(text, options)
    if any(address in network for network in options.allow_cidrs):
        return None
    is_public = address.is_global and not address.is_multicast
    if isinstance(address, IPv6Address):
        # Outside of these stand the forms that carry an IPv4 address, and so do two kinds within.
        is_public &= address in _GLOBAL_UNICAST and address.sixtofour is None and address.teredo is None
    if is_public:
        return None
    return f"{text} is not a public address: have it added to WSGATE_ALLOW_CIDRS, or {_in_root(options)}"


def _only_own(name: str, options: Options) -> str:
    return (
        f"{name} is not a Service of the route's namespace, and no other is allowed here "
        f"(WSGATE_TENANT_DESTINATIONS=OwnNamespace): {_in_root(options)}"
    )


def _there_or_in_root(owner: str, options: Options) -> str:
    root = f'in the root namespace "{options.root_namespace}"'
    return root if owner == options.root_namespace else f"there, or {root}"


def _in_root(options: Options) -> str:
    return f'create the route in the root namespace "{options.root_namespace}"'
