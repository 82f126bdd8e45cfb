"""Who the client is behind trusted proxies, and which request id holds."""

import ipaddress
import random
import re
from collections.abc import Iterable, Sequence

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_REQUEST_ID = re.compile(r"[A-Za-z0-9._:/+=-]{1,128}")


def is_trusted(address: str, trusted: Sequence[Network]) -> bool:
    """Whether the address belongs to a trusted proxy."""
    if not trusted:
        return False
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    return any(parsed in network for network in trusted)


def client_address(peer: str, forwarded_for: Iterable[str], trusted: Sequence[Network]) -> str:
    """The right-most hop that is not a trusted proxy; forwarded_for are X-Forwarded-For values in order."""
    hops = [hop.strip() for value in forwarded_for for hop in value.split(",")]
    address = peer
    while hops and is_trusted(address, trusted):
        candidate = hops.pop()
        try:
            ipaddress.ip_address(candidate)
        except ValueError:
            break
        address = candidate
    return address


def request_id(offered: str | None, *, is_from_trusted: bool) -> str:
    """The proxy's id where it may be believed, else a new one of 32 hex digits."""
    if is_from_trusted and offered is not None and _REQUEST_ID.fullmatch(offered):
        return offered
    # An id, not a secret: no system call for it.
    return f"{random.getrandbits(128):032x}"
